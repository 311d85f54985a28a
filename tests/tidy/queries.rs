//! What every SQL file keeps to: its name, its spelling, words that both engines know, and a place
//! in the query catalogue. What keeps personal rows at home is in `residency`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use meridian::store::sql;
use regex::Regex;

use super::source::{Source, sources};
use super::statement::{Kind, Scope, Token, scopes, tokens};
use super::tree::{Fault, File, files, hold, line_of};

/// Words that are keywords wherever they stand.
const KEYWORDS: &[&str] = &[
    "ADD",
    "ALTER",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASCADE",
    "CASE",
    "CHECK",
    "CONFLICT",
    "CONSTRAINT",
    "CREATE",
    "CROSS",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DO",
    "ELSE",
    "END",
    "EXISTS",
    "FOR",
    "FOREIGN",
    "FROM",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INDEX",
    "INNER",
    "INSERT",
    "INTO",
    "IS",
    "JOIN",
    "LATERAL",
    "LIKE",
    "LIMIT",
    "LOCKED",
    "NOT",
    "NOTHING",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PRIMARY",
    "REFERENCES",
    "RETURNING",
    "SELECT",
    "SET",
    "SKIP",
    "TABLE",
    "THEN",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
];

/// Words that only one engine knows, or that both mean differently, and what to write instead.
const FOREIGN: &[(&str, &str)] = &[
    (r"(SMALL|BIG)?SERIAL\d?", "ids are UUIDs made in Rust"),
    (r"STRING", "TEXT"),
    (r"BYTES", "BYTEA"),
    (r"INT", "INT8"),
    (r"INTEGER", "INT8"),
    (r"JSON", "JSONB"),
    (r"XML", "TEXT"),
    (r"UPSERT", "INSERT … ON CONFLICT (region, …)"),
    (r"MERGE", "INSERT … ON CONFLICT (region, …)"),
    (r"pg_(try_)?advisory\w*", "a row with an expiry, as migration_lock"),
    (r"LISTEN", "the outbox"),
    (r"NOTIFY|pg_notify", "the outbox"),
    (r"UNLISTEN", "the outbox"),
    (r"nextval|lastval|currval|setval|SEQUENCE", "ids are UUIDs made in Rust"),
    (r"unique_rowid|gen_random_uuid|uuid_generate_v4", "ids are UUIDs made in Rust"),
    (r"cluster_logical_timestamp|statement_timestamp", "now()"),
    (r"SYSTEM", "nothing: CockroachDB alone reads AS OF SYSTEM TIME"),
    (r"LOCK", "FOR UPDATE"),
    (r"jsonb_set_lax|jsonb_path_\w+", "jsonb_set, ->, @>"),
    (r"COLLATE|citext", "lower()"),
    (r"crdb_internal|gateway_region|rehome_row", "the region that the caller binds"),
    (r"SHOW", "a pair x.postgres.sql / x.cockroach.sql"),
    (r"\w*int4?8?range|tsrange|tstzrange|daterange|numrange", "two columns"),
];

/// The file's name without what names an engine: `localities.postgres.sql` is `localities`.
pub(crate) fn noun_verb(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('.').next().unwrap_or(name)
}

/// Whether a file is one engine's own.
pub(crate) fn is_of_one_engine(path: &str) -> bool {
    path.ends_with(".postgres.sql") || path.ends_with(".cockroach.sql")
}

/// The first line is `-- noun_verb: why`.
pub(crate) fn misnamed(file: &File, name: &str) -> Option<Fault> {
    let first = file.text.lines().next().unwrap_or_default();
    let why =
        first.strip_prefix("-- ").and_then(|rest| rest.strip_prefix(name)?.strip_prefix(": "));
    let named = why.is_some_and(|why| why.len() > 5);
    let advice = format!("begin with `-- {name}: ` and why it exists");
    (!named).then(|| Fault::new(&file.path, 1, advice))
}

fn misspelt(file: &File) -> Vec<Fault> {
    let tokens = tokens(&file.text);
    let words =
        tokens.iter().filter(|token| token.is_word() && !token.text.starts_with(['{', '"']));
    words
        .filter_map(|word| {
            let upper = word.text.to_uppercase();
            let mixed = word.text != upper && word.text != word.text.to_lowercase();
            let small = KEYWORDS.contains(&upper.as_str()) && word.text != upper;
            let advice = format!("`{}`: keywords upper, identifiers lower", word.text);
            (mixed || small).then(|| Fault::new(&file.path, word.line, advice))
        })
        .collect()
}

/// What a shared file says that one of the engines would not understand.
pub(crate) fn foreign(file: &File) -> Vec<Fault> {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let pattern = |words: &str| Regex::new(&format!("(?i)^({words})$"));
        let of = |&(words, instead)| (pattern(words).expect("the pattern is right"), instead);
        FOREIGN.iter().map(of).collect()
    });
    let tokens = tokens(&file.text);
    let mut faults = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let mut fault = |instead: &str| {
            let advice = format!("`{}` is not for both engines; write {instead}", token.text);
            faults.push(Fault::new(&file.path, token.line, advice));
        };
        if token.is(":::") || token.is("@@") {
            fault("`::`, or @> and ->");
        }
        let hint = token.is("@") && tokens.get(at + 1).is_some_and(Token::is_word);
        if hint || (token.is("CONSTRAINT") && at > 0 && tokens[at - 1].is("ON")) {
            fault("the columns");
        }
        let foreign =
            PATTERNS.iter().find(|(pattern, _)| token.is_word() && pattern.is_match(&token.text));
        if let Some((_, instead)) = foreign {
            fault(instead);
        }
    }
    faults.extend(scopes(&tokens).iter().flat_map(|scope| limited(file, scope)));
    faults.extend(written_twice(file, &scopes(&tokens)));
    faults
}

/// Only CockroachDB knows UPDATE … LIMIT.
fn limited(file: &File, scope: &Scope) -> Option<Fault> {
    let changes = ["UPDATE", "DELETE"].contains(&scope.verb().as_str());
    let limit = scope.tokens.iter().find(|t| t.depth == 0 && t.is_any(&["LIMIT", "ORDER"]));
    let advice = "only CockroachDB limits or orders what is changed; choose rows in a sub-query";
    limit.filter(|_| changes).map(|limit| Fault::new(&file.path, limit.line, advice))
}

/// Two changes of one table in one statement see each other on neither engine.
fn written_twice(file: &File, scopes: &[Scope]) -> Vec<Fault> {
    let mut written = BTreeSet::new();
    let items = scopes.iter().flat_map(Scope::items).filter(|item| item.target);
    items
        .filter(|item| !written.insert(item.table.clone()))
        .map(|item| {
            let advice = format!("`{}` is written twice; once per statement", item.table);
            Fault::new(&file.path, item.line, advice)
        })
        .collect()
}

fn starred(file: &File) -> Vec<Fault> {
    let tokens = tokens(&file.text);
    let stars = tokens.iter().enumerate().filter(|(at, token)| {
        let after = |words: &[&str]| *at > 0 && tokens[at - 1].is_any(words);
        token.is("*") && after(&["SELECT", "RETURNING", ".", ",", "DISTINCT"])
    });
    stars.map(|(_, star)| Fault::new(&file.path, star.line, "name the columns")).collect()
}

/// One statement, whose parameters are $1 and up without a gap.
fn not_one_call(file: &File) -> Vec<Fault> {
    let tokens = tokens(&file.text);
    let ends = tokens.iter().filter(|token| token.is(";"));
    let mut faults: Vec<Fault> =
        ends.map(|end| Fault::new(&file.path, end.line, "one statement, without `;`")).collect();
    let parameters = tokens.iter().filter(|token| token.kind == Kind::Parameter);
    let used: BTreeSet<usize> = parameters.filter_map(|p| p.text[1..].parse().ok()).collect();
    if let Some(gap) = (1..=used.len()).find(|n| !used.contains(n)) {
        let advice =
            format!("${gap} is not used although a later parameter is; number without gaps");
        faults.push(Fault::new(&file.path, 1, advice));
    }
    faults
}

/// The names that `src/store/sql.rs` gives to files, with their lines.
fn catalogued(text: &str) -> BTreeMap<String, usize> {
    let regex = |pattern: &str| Regex::new(pattern).expect("the pattern is right");
    let mut names = BTreeMap::new();
    let macro_call = regex(r"(?s)\nqueries! \{(.*?)\n\}");
    if let Some(rooms) = macro_call.captures(text).and_then(|call| call.get(1)) {
        for room in regex(r"(\w+)\s*\{([^}]*)\}").captures_iter(rooms.as_str()) {
            let line = line_of(text, rooms.start() + room.get(0).map_or(0, |room| room.start()));
            let queries = room[2].split(',').map(str::trim).filter(|query| !query.is_empty());
            names.extend(queries.map(|query| (format!("{}/{query}", &room[1]), line)));
        }
    }
    for call in regex(r#"query!\((\w+),\s*"([^"]+)"\)"#).captures_iter(text) {
        let line = line_of(text, call.get(0).map_or(0, |call| call.start()));
        names.insert(format!("{}/{}", &call[1], &call[2]), line);
    }
    names
}

fn queries() -> Vec<File> {
    files(|path| path.starts_with("sql/queries/") && path.ends_with(".sql"))
}

/// Query files and the plans of regions.
fn statements() -> Vec<File> {
    files(|path| path.ends_with(".sql") && !path.starts_with("sql/migrations/"))
}

#[test]
fn every_statement_says_its_name_and_why_it_exists() {
    let statements = statements();
    let faults = statements.iter().filter_map(|file| misnamed(file, noun_verb(&file.path)));
    hold("the first line is `-- noun_verb: why`", faults.collect());
}

#[test]
fn sql_is_spelt_one_way() {
    let all = files(|path| path.ends_with(".sql"));
    hold("keywords are upper, identifiers lower", all.iter().flat_map(misspelt).collect());
}

#[test]
fn shared_statements_are_understood_by_both_engines() {
    let all = files(|path| path.ends_with(".sql") && !is_of_one_engine(path));
    hold("a shared statement runs on both engines", all.iter().flat_map(foreign).collect());
}

#[test]
fn nobody_asks_for_whatever_columns_there_are() {
    hold("no query selects `*`", statements().iter().flat_map(starred).collect());
}

#[test]
fn a_query_is_one_statement_with_parameters_in_order() {
    hold("a query is one call", queries().iter().flat_map(not_one_call).collect());
}

#[test]
fn every_query_is_in_the_catalogue_and_the_catalogue_holds_nothing_else() {
    let path = "src/store/sql.rs";
    let source = sources(|p| p == path).remove(0);
    let catalogued = catalogued(&source.text);
    let name = |file: &File| file.path["sql/queries/".len()..].trim_end_matches(".sql").to_owned();
    let there: BTreeSet<String> = queries().iter().map(name).collect();
    let lost = there.iter().filter(|name| !catalogued.contains_key(*name)).map(|name| {
        Fault::new(
            &format!("sql/queries/{name}.sql"),
            1,
            format!("catalogue it in {path}, or strike it"),
        )
    });
    let phantom = catalogued.iter().filter(|(name, _)| !there.contains(*name));
    let phantom = phantom.map(|(name, line)| Fault::new(path, *line, format!("{name} is no file")));
    let unread = sql::ALL.iter().filter(|query| !catalogued.contains_key(query.name));
    let unread = unread
        .map(|query| Fault::new("tests/tidy/queries.rs", 1, format!("{} is not read", query.name)));
    hold("files and catalogue are the same list", lost.chain(phantom).chain(unread).collect());
}

#[test]
fn every_query_and_plan_is_asked_by_the_store() {
    let store = sources(|path| path.starts_with("src/store/"));
    let said = |words: &str| store.iter().any(|source| source.code.contains(words));
    let unasked = sql::ALL.iter().filter(|query| {
        let (room, name) = query.name.split_once('/').unwrap_or_default();
        !said(&format!("{room}::{name}"))
    });
    let unasked = unasked.map(|query| {
        Fault::new(&format!("sql/queries/{}.sql", query.name), 1, "nobody asks it; strike it")
    });
    let quoted =
        |source: &Source, path: &str| source.literals.iter().any(|l| l.text.ends_with(path));
    let plans = files(|path| path.starts_with("sql/regions/"));
    let unplanned = plans.iter().filter(|file| !store.iter().any(|s| quoted(s, &file.path)));
    let unplanned =
        unplanned.map(|file| Fault::new(&file.path, 1, "nobody plans with it; strike it"));
    hold("no statement is left over", unasked.chain(unplanned).collect());
}

#[test]
fn a_badly_written_statement_is_seen() {
    let file = |text: &str| File { path: "sql/queries/a/x_get.sql".into(), text: text.into() };
    let named = |text: &str| misnamed(&file(text), "x_get").is_none();
    assert!(named("-- x_get: to have it.\nSELECT 1"));
    assert!(!named("-- y_get: to have it.\n") && !named("-- x_get:\n") && !named("SELECT 1"));
    assert_eq!(misspelt(&file("select a FROM t WHERE b IS null AND C = 'from' -- or\n")).len(), 2);
    assert_eq!(misspelt(&file("SELECT tId FROM t")).len(), 1);
    assert_eq!(starred(&file("SELECT *, t.* FROM t")).len(), 2);
    assert_eq!(starred(&file("SELECT count(*), 2 * a FROM t")), []);
    assert_eq!(not_one_call(&file("SELECT $1, $3")).len(), 1);
    assert_eq!(not_one_call(&file("SELECT $2, $1, $1")), []);
    assert_eq!(not_one_call(&file("SELECT 1; SELECT 2")).len(), 1);
}

#[test]
fn words_of_one_engine_are_seen() {
    let seen = |text: &str| {
        foreign(&File { path: "sql/queries/a/x_get.sql".into(), text: text.into() }).len()
    };
    let foreign = [
        "SELECT a:::INT8 FROM t",
        "SELECT a::STRING FROM t",
        "SELECT nextval('s')",
        "SELECT pg_advisory_xact_lock(1)",
        "UPSERT INTO t (a) VALUES (1)",
        "SELECT a FROM t AS OF SYSTEM TIME '-1s'",
        "LOCK TABLE t",
        "NOTIFY x",
        "SELECT a FROM t@i",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT ON CONSTRAINT c DO NOTHING",
        "UPDATE t SET a = 1 WHERE b = 2 LIMIT 3",
        "WITH a AS (DELETE FROM t RETURNING b) INSERT INTO t (b) SELECT b FROM a",
    ];
    for text in foreign {
        assert_eq!(seen(text), 1, "{text}");
    }
    let shared =
        "DELETE FROM t WHERE a IN (SELECT a FROM t ORDER BY a LIMIT 5 FOR UPDATE SKIP LOCKED)";
    assert_eq!((seen(shared), seen("SELECT 'NOTIFY' AS a, locked FROM t")), (0, 0));
}

#[test]
fn the_catalogue_is_read_as_it_is_written() {
    let text = "x\nqueries! {\n    a { b, c,\n d }\n}\nstatic E: Q = query!(f, \"g.postgres\");\n";
    let names: Vec<(String, usize)> = catalogued(text).into_iter().collect();
    let named = |name: &str, line| (name.to_owned(), line);
    assert_eq!(
        names,
        [named("a/b", 3), named("a/c", 3), named("a/d", 3), named("f/g.postgres", 6)]
    );
}
