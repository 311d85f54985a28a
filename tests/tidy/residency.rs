//! Every statement on a personal table binds its region, so that no statement can reach the rows of
//! another law. The audit alone looks at all regions, at counts and codes.
//!
//! Bound is a table whose `region` equals, outside any OR, either `$n::text::crdb_internal_region`
//! or the region of something that is bound already: a joined table, or a WITH that made or found
//! the rows. An INSERT's first column is `region`, and its value is one of the same two.

use std::collections::BTreeSet;

use meridian::store::datamap::{self, Class};

use super::statement::{Item, Kind, Scope, Token, scopes, tokens};
use super::tree::{Fault, File, files, hold};

const CLAUSES: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "ON",
    "SET",
    "VALUES",
    "RETURNING",
    "GROUP",
    "ORDER",
    "LIMIT",
    "HAVING",
    "JOIN",
    "USING",
];

/// Whether `$n::text::crdb_internal_region` begins here.
fn is_region_parameter(tokens: &[Token]) -> bool {
    matches!(tokens, [n, a, text, b, region, ..]
        if n.kind == Kind::Parameter && a.is("::") && text.is("text") && b.is("::")
            && region.is("crdb_internal_region"))
}

/// `alias.region`, or `region` alone, which is the first item's; and how many tokens it takes.
fn region_of(tokens: &[Token], items: &[Item]) -> Option<(String, usize)> {
    match tokens {
        [alias, dot, region, ..] if dot.is(".") && region.is("region") => {
            Some((alias.text.to_lowercase(), 3))
        }
        [region, ..] if region.is("region") => Some((items.first()?.alias.clone(), 1)),
        _ => None,
    }
}

/// The clause that each token of a scope is in.
fn conditions(scope: &Scope) -> Vec<usize> {
    let mut condition = false;
    let mut found = Vec::new();
    for (at, token) in scope.tokens.iter().enumerate().filter(|(_, token)| token.depth == 0) {
        if token.is_any(CLAUSES) {
            let conflict = scope.tokens.get(at + 1).is_some_and(|next| next.is("CONFLICT"));
            condition = token.is_any(&["WHERE", "ON"]) && !conflict;
        } else if condition {
            found.push(at);
        }
    }
    found
}

/// The aliases that a scope binds, given the names that are bound from outside.
fn bound(scope: &Scope, items: &[Item], carriers: &BTreeSet<String>) -> BTreeSet<String> {
    let places = conditions(scope);
    let carried = items.iter().filter(|item| carriers.contains(&item.table));
    let mut bound: BTreeSet<String> = carried.map(|item| item.alias.clone()).collect();
    if places.iter().any(|at| scope.tokens[*at].is("OR")) {
        return bound;
    }
    let mut equal = Vec::new();
    for at in places {
        if at > 0 && scope.tokens[at - 1].is(".") {
            continue;
        }
        let Some((left, length)) = region_of(&scope.tokens[at..], items) else { continue };
        let [equals, right @ ..] = &scope.tokens[at + length..] else { continue };
        if equals.is("=") && is_region_parameter(right) {
            bound.insert(left);
        } else if equals.is("=")
            && let Some((right, 3)) = region_of(right, items)
        {
            equal.push((left, right));
        }
    }
    // Equality carries from one to the next; as many rounds as there are equalities suffice.
    for _ in 0..equal.len() {
        for (left, right) in &equal {
            if bound.contains(left) || bound.contains(right) {
                bound.extend([left.clone(), right.clone()]);
            }
        }
    }
    bound
}

/// Whether an INSERT's first column is `region` and every row's first value is bound.
fn inserts_at_home(scope: &Scope, carriers: &BTreeSet<String>) -> bool {
    let tokens = &scope.tokens;
    let Some(into) = tokens.iter().position(|token| token.is("INTO")) else { return false };
    let columns = tokens.iter().skip(into).position(|token| token.is("(")).map(|at| into + at);
    if !columns.is_some_and(|at| tokens.get(at + 1).is_some_and(|first| first.is("region"))) {
        return false;
    }
    let is_bound = |value: &[Token]| {
        let carried = |alias: &String| carriers.contains(alias);
        is_region_parameter(value)
            || matches!(region_of(value, &[]), Some((alias, 3)) if carried(&alias))
    };
    let values = tokens.iter().position(|t| t.depth == 0 && t.is_any(&["VALUES", "SELECT"]));
    let Some(values) = values else { return false };
    if tokens[values].is("SELECT") {
        return is_bound(&tokens[values + 1..]);
    }
    let end = tokens.iter().skip(values).position(|t| t.is_any(&["ON", "RETURNING"]));
    let end = end.map_or(tokens.len(), |end| values + end);
    let mut rows = (values..end).filter(|&at| tokens[at].depth == 0 && tokens[at].is("("));
    rows.all(|at| is_bound(&tokens[at + 1..]))
}

fn faults(file: &File, personal: &BTreeSet<&str>) -> Vec<Fault> {
    let scopes = scopes(&tokens(&file.text));
    let is_personal = |item: &Item| personal.contains(item.table.as_str());
    // A WITH over a personal table is held to the rule itself, so what it gives is bound.
    let named = scopes.iter().filter(|scope| scope.items().iter().any(is_personal));
    let mut carriers: BTreeSet<String> = named.filter_map(|scope| scope.name.clone()).collect();
    carriers.retain(|name| !personal.contains(name.as_str()));
    let mut faults = Vec::new();
    for scope in &scopes {
        let items = scope.items();
        let bound = bound(scope, &items, &carriers);
        for item in items.iter().filter(|item| is_personal(item)) {
            let fault = |advice: String| Fault::new(&file.path, item.line, advice);
            if item.target && scope.verb() == "INSERT" {
                if !inserts_at_home(scope, &carriers) {
                    faults.push(fault(format!(
                        "`{}` is personal; insert region first, as $n::text::crdb_internal_region",
                        item.table
                    )));
                }
            } else if !bound.contains(&item.alias) {
                faults.push(fault(format!(
                    "`{}` is personal; add region = $n::text::crdb_internal_region outside any OR",
                    item.table
                )));
            }
        }
    }
    faults
}

#[test]
fn every_personal_statement_binds_its_region() {
    let tables = datamap::tables().iter().filter(|(_, table)| table.class == Class::Personal);
    let personal: BTreeSet<&str> = tables.map(|(name, _)| name.as_str()).collect();
    assert!(!personal.is_empty(), "the data map names personal tables");
    let queries =
        files(|path| path.starts_with("sql/queries/") && !path.starts_with("sql/queries/audit/"));
    let faults = queries.iter().flat_map(|file| faults(file, &personal)).collect();
    hold("a statement on a personal table binds its region", faults);
}

#[cfg(test)]
fn seen(text: &str) -> usize {
    let file = File { path: "sql/queries/a/x_get.sql".into(), text: text.replace('§', REGION) };
    faults(&file, &BTreeSet::from(["person", "trip"])).len()
}

const REGION: &str = "$1::text::crdb_internal_region";

#[test]
fn an_unbound_statement_is_seen() {
    let unbound = [
        "SELECT a FROM person WHERE id = $1",
        "SELECT a FROM person WHERE region = $1",
        "SELECT a FROM person WHERE region = § OR id = $2",
        "SELECT a FROM person WHERE (region = § OR id = $2) AND b = $3",
        "SELECT a FROM person WHERE region <> §",
        "SELECT p.a FROM person AS p JOIN trip AS t ON t.id = p.id WHERE p.region = §",
        "SELECT p.a FROM town AS p LEFT JOIN trip AS t ON t.region = p.region WHERE p.id = $2",
        "UPDATE person SET region = § WHERE id = $2",
        "DELETE FROM person WHERE (region, id) IN (SELECT r.region, r.id FROM town AS r)",
        "DELETE FROM town WHERE id IN (SELECT id FROM person)",
        "INSERT INTO person (id, region) VALUES ($2, §)",
        "INSERT INTO person (region, id) VALUES ('eu', $2)",
        "INSERT INTO person (region, id) VALUES (§, $2), ($3, $4)",
        "INSERT INTO person (region, id) SELECT town.region, $2 FROM town",
        "WITH w AS (SELECT region FROM town) \
         UPDATE person SET a = 1 FROM w WHERE person.region = w.region",
    ];
    for text in unbound {
        assert_eq!(seen(text), 1, "{text}");
    }
    assert_eq!(seen("SELECT a FROM person AS p, trip AS t WHERE p.region = t.region"), 2);
}

#[test]
fn a_bound_statement_is_left_alone() {
    let bound = [
        "SELECT a FROM town WHERE id = $1",
        "SELECT a FROM person WHERE region = § AND (a = $2 OR b = $3)",
        "SELECT p.a FROM person AS p JOIN trip t ON t.region = p.region \
         WHERE p.region = § FOR UPDATE",
        "SELECT a FROM town LEFT JOIN trip ON trip.region = § AND trip.id = town.id",
        "DELETE FROM person WHERE region = § AND (region, id) IN \
         (SELECT region, id FROM person WHERE region = § LIMIT 5)",
        "INSERT INTO person (region, id) VALUES (§, $2) ON CONFLICT (region, id) DO NOTHING",
        "WITH p AS (INSERT INTO person (region, id) VALUES (§, $2) RETURNING region, id) \
         INSERT INTO trip (region, id) SELECT p.region, $3 FROM p",
        "WITH p AS (SELECT region, id FROM person WHERE region = §) \
         UPDATE trip SET a = 1 FROM p WHERE trip.region = p.region AND trip.id = p.id",
    ];
    for text in bound {
        assert_eq!(seen(text), 0, "{text}");
    }
}
