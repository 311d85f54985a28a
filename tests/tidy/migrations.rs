//! The tables, held against the data map and against the law of residence: a personal row's region
//! is said by whoever writes it, leads every key, and moves along with its parent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use meridian::store::datamap::{self, Category, Class, Table};
use regex::Regex;

use super::queries::{foreign, is_of_one_engine, misnamed};
use super::statement::{Token, tokens};
use super::tree::{Fault, File, files, hold};

type Map = BTreeMap<String, Table>;

/// Types that both engines store alike.
const TYPES: &[&str] = &[
    "INT8",
    "TEXT",
    "UUID",
    "JSONB",
    "TIMESTAMPTZ",
    "BYTEA",
    "NUMERIC",
    "BOOL",
    "DATE",
    "crdb_internal_region",
];

/// What a statement of a migration makes.
#[derive(Debug, Default)]
struct Made {
    table: String,
    columns: Vec<Column>,
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Column {
    name: String,
    /// The type and what follows it.
    words: Vec<Token>,
    line: usize,
}

/// A key or an index: what leads rows or points to others.
#[derive(Debug)]
struct Key {
    kind: &'static str,
    columns: Vec<String>,
    /// Of a foreign key: the columns that it points to, and whether it follows them.
    follows: Option<(Vec<String>, bool)>,
    line: usize,
}

/// The names in the parentheses that open at or after `from`, and where they end.
fn listed(tokens: &[Token], from: usize) -> (Vec<String>, usize) {
    let Some(open) = (from..tokens.len()).find(|&at| tokens[at].is("(")) else {
        return (Vec::new(), tokens.len());
    };
    let inside = tokens[open].depth + 1;
    let close =
        (open + 1..tokens.len()).find(|&at| tokens[at].is(")") && tokens[at].depth < inside);
    let close = close.unwrap_or(tokens.len());
    let starts = (open + 1..close).filter(|&at| at == open + 1 || tokens[at - 1].is(","));
    (starts.map(|at| tokens[at].text.to_lowercase()).collect(), close + 1)
}

/// A statement that makes something, or nothing when it is of no kind the house uses.
fn made(tokens: &[Token]) -> Option<Made> {
    let words: Vec<String> = tokens.iter().map(|token| token.text.to_uppercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["CREATE", "TABLE", "IF", "NOT", "EXISTS", _, "(", ..] => Some(table(tokens)),
        ["CREATE", "INDEX", "IF", "NOT", "EXISTS", ..] => index(tokens, 5),
        ["CREATE", "UNIQUE", "INDEX", "IF", "NOT", "EXISTS", ..] => index(tokens, 6),
        ["ALTER", "TABLE", table, "ADD", "COLUMN", "IF", "NOT", "EXISTS", ..] => {
            let added = |part: &&[Token]| {
                let begins = ["ADD", "COLUMN", "IF", "NOT", "EXISTS"];
                part.len() > 5 && part.iter().zip(begins).all(|(token, word)| token.is(word))
            };
            let parts: Vec<_> = tokens[3..].split(|t| t.is(",") && t.depth == 0).collect();
            // One clause of another kind, and the statement is none that the house uses.
            parts.iter().all(added).then(|| Made {
                table: table.to_lowercase(),
                columns: parts.iter().map(|part| column(&part[5..])).collect(),
                keys: parts.iter().filter_map(|part| inline_key(&part[5..])).collect(),
            })
        }
        _ => None,
    }
}

fn table(tokens: &[Token]) -> Made {
    let mut made = Made { table: tokens[5].text.to_lowercase(), ..Made::default() };
    let close = (7..tokens.len()).find(|&at| tokens[at].depth == 0).unwrap_or(tokens.len());
    for part in tokens[7..close].split(|token| token.is(",") && token.depth == 1) {
        let part = if part.first().is_some_and(|t| t.is("CONSTRAINT")) { &part[2..] } else { part };
        let Some(first) = part.first() else { continue };
        let line = first.line;
        let (columns, end) = listed(part, 0);
        let key = |kind| Key { kind, columns: columns.clone(), follows: None, line };
        if first.is("PRIMARY") {
            made.keys.push(key("primary key"));
        } else if first.is_any(&["UNIQUE", "INDEX"]) {
            made.keys.push(key("unique key or index"));
        } else if first.is("FOREIGN") {
            let (target, _) = listed(part, end);
            let moves = part
                .windows(3)
                .any(|words| words[0].is("ON") && words[1].is("UPDATE") && words[2].is("CASCADE"));
            made.keys.push(Key { follows: Some((target, moves)), ..key("foreign key") });
        } else if !first.is("CHECK") {
            made.columns.push(column(part));
            made.keys.extend(inline_key(part));
        }
    }
    made
}

fn column(part: &[Token]) -> Column {
    let words = part[1..].iter().filter(|token| !token.is(";")).cloned().collect();
    Column { name: part[0].text.to_lowercase(), words, line: part[0].line }
}

/// A key that a column declares for itself alone.
fn inline_key(part: &[Token]) -> Option<Key> {
    let key = part.iter().find(|token| token.is_any(&["PRIMARY", "UNIQUE", "REFERENCES"]))?;
    let columns = vec![part[0].text.to_lowercase()];
    Some(Key { kind: "key in a column", columns, follows: None, line: key.line })
}

fn index(tokens: &[Token], name: usize) -> Option<Made> {
    let on = (name..tokens.len()).find(|&at| tokens[at].is("ON"))?;
    let (columns, end) = listed(tokens, on);
    let line = tokens[on].line;
    let mut key = Key { kind: "index", columns, follows: None, line };
    // What an index's condition names, or what it stores, lies in the index too.
    let rest = tokens[end..].iter().filter(|token| token.is_word());
    key.columns.extend(rest.map(|token| token.text.to_lowercase()));
    Some(Made { table: tokens.get(on + 1)?.text.to_lowercase(), columns: vec![], keys: vec![key] })
}

/// The class that the first line names, as the migrator reads it.
fn class_of(text: &str) -> Option<&str> {
    Some(text.lines().next()?.rsplit_once("class: ")?.1)
}

/// `V0002__traveller.sql` is 2 and `traveller`.
fn version(path: &str) -> Option<(usize, String)> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^sql/migrations/V(\d{4})__([a-z0-9_]+)(\.postgres|\.cockroach)?\.sql$")
            .expect("the pattern is right")
    });
    let parts = NAME.captures(path)?;
    Some((parts[1].parse().ok()?, parts[2].to_owned()))
}

/// What is wrong with one file.
fn faults(file: &File, map: &Map) -> Vec<Fault> {
    let fault = |line: usize, advice: &str| Fault::new(&file.path, line, advice);
    let Some((_, name)) = version(&file.path) else {
        return vec![fault(1, "call it V0000__name.sql, or a pair with .postgres and .cockroach")];
    };
    let tokens = tokens(&file.text);
    let mut faults: Vec<Fault> = misnamed(file, &name).into_iter().collect();
    let ends = tokens.iter().filter(|token| token.is(";")).count();
    if ends != 1 || !tokens.last().is_some_and(|last| last.is(";")) {
        faults.push(fault(1, "one statement with its `;`: both engines commit schema one by one"));
    }
    if is_of_one_engine(&file.path) {
        return faults;
    }
    faults.extend(foreign(file));
    let Some(made) = made(&tokens) else {
        let advice = "CREATE TABLE, CREATE INDEX or ALTER TABLE … ADD COLUMN, IF NOT EXISTS; \
                      else a pair for the engines";
        faults.push(fault(1, advice));
        return faults;
    };
    let Some(about) = map.get(&made.table) else {
        faults.push(fault(1, "the table is not in sql/data-map.toml; say what it holds and why"));
        return faults;
    };
    let creates = tokens.get(1).is_some_and(|token| token.is("TABLE")) && tokens[0].is("CREATE");
    let located = tokens.iter().filter(|token| token.is("{locality}")).count();
    if creates && (class_of(&file.text) != Some(about.class.name()) || located != 1) {
        faults.push(fault(
            1,
            "end line 1 with the `class: …` of sql/data-map.toml, write {locality}",
        ));
    }
    if creates && name != made.table {
        faults.push(fault(1, "call the file as its table"));
    }
    faults.extend(made.columns.iter().flat_map(|column| column_faults(file, column, about)));
    faults.extend(made.keys.iter().flat_map(|key| key_faults(file, key, about)));
    if creates && !made.keys.iter().any(|key| key.kind == "primary key") {
        faults.push(fault(1, "say PRIMARY KEY (…) at the end"));
    }
    let unregioned = !made.columns.iter().any(|column| column.name == "region");
    if creates && about.class != Class::Global && unregioned {
        faults.push(fault(1, "say region crdb_internal_region NOT NULL"));
    }
    faults
}

fn column_faults(file: &File, column: &Column, about: &Table) -> Vec<Fault> {
    let fault =
        |advice: &str| Fault::new(&file.path, column.line, format!("`{}`: {advice}", column.name));
    let mut faults = Vec::new();
    let kind = column.words.first();
    if !kind.is_some_and(|kind| TYPES.iter().any(|known| kind.text == *known)) {
        faults.push(fault("of no type that both engines store alike"));
    }
    if column.name == "region" && about.class != Class::Global {
        let words: Vec<&str> = column.words.iter().map(|token| token.text.as_str()).collect();
        if words != ["crdb_internal_region", "NOT", "NULL"] {
            faults.push(fault("write region crdb_internal_region NOT NULL, without a default"));
        }
    }
    let Some(said) = about.columns.get(&column.name) else {
        faults.push(fault("not in sql/data-map.toml; say what it holds"));
        return faults;
    };
    if said.sealed && !kind.is_some_and(|kind| kind.is("BYTEA")) {
        faults.push(fault("sealed, so BYTEA"));
    }
    if about.class != Class::Personal && is_personal(said.category) {
        faults.push(fault("personal, so not in a table that is copied or shared"));
    }
    faults
}

fn key_faults(file: &File, key: &Key, about: &Table) -> Vec<Fault> {
    let fault = |advice: &str| Fault::new(&file.path, key.line, format!("{}: {advice}", key.kind));
    let mut faults = Vec::new();
    let leads = |columns: &[String]| columns.first().is_some_and(|first| first == "region");
    if about.class != Class::Global && !leads(&key.columns) {
        faults.push(fault("starts with region"));
    }
    if about.class == Class::Personal
        && let Some((target, moves)) = &key.follows
        && !(leads(target) && *moves)
    {
        faults.push(fault("points to (region, …) ON UPDATE CASCADE, so that it moves along"));
    }
    let personal = key
        .columns
        .iter()
        .filter(|column| about.columns.get(*column).is_some_and(|said| is_personal(said.category)));
    faults.extend(
        personal.map(|c| fault(&format!("`{c}` is personal; keys show up in logs and plans"))),
    );
    faults
}

fn is_personal(category: Category) -> bool {
    !matches!(category, Category::None | Category::Pseudonym)
}

/// What the files together lack: numbers without gap, whole pairs, every table, every column.
fn gaps(files: &[File], map: &Map) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut versions: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    let mut columns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        if let Some((number, _)) = version(&file.path) {
            versions.entry(number).or_default().push(&file.path);
        }
        if let Some(made) = made(&tokens(&file.text)) {
            let names = made.columns.into_iter().map(|column| column.name);
            columns.entry(made.table).or_default().extend(names);
        }
    }
    for (expected, (number, paths)) in (1..).zip(&versions) {
        let base = |path: &str| path.replace(".postgres", "").replace(".cockroach", "");
        let pair = |paths: &[&str]| {
            paths.len() == 2
                && paths.iter().all(|path| is_of_one_engine(path))
                && base(paths[0]) == base(paths[1])
        };
        let whole = matches!(paths.as_slice(), [one] if !is_of_one_engine(one)) || pair(paths);
        if expected != *number || !whole {
            let advice = format!("V{expected:04} is one shared file, or one pair, without a gap");
            faults.push(Fault::new(paths[0], 1, advice));
        }
    }
    for (name, about) in map {
        let there = columns.get(name).cloned().unwrap_or_default();
        let lacking = about.columns.keys().filter(|column| !there.contains(*column));
        faults.extend(lacking.map(|column| {
            let advice = format!("no migration makes {name}.{column}; strike it, or write one");
            Fault::new("sql/data-map.toml", 1, advice)
        }));
    }
    faults
}

fn migrations() -> Vec<File> {
    files(|path| path.starts_with("sql/migrations/"))
}

#[test]
fn every_table_keeps_people_at_home() {
    let faults = migrations().iter().flat_map(|file| faults(file, datamap::tables())).collect();
    hold("a migration makes what the data map says, where the law wants it", faults);
}

#[test]
fn every_table_of_the_data_map_is_made_in_one_unbroken_order() {
    hold("migrations and data map are the same tables", gaps(&migrations(), datamap::tables()));
}

fn made_up() -> Map {
    let column = |category: &str, sealed: bool| {
        format!("{{ category = \"{category}\", sealed = {sealed}, is = \"x\" }}")
    };
    let (none, name) = (column("none", false), column("identity", true));
    let said = "purpose = \"x\"\nlawful_basis = \"x\"\nretention = \"x\"\n\
                subjects = \"nobody\"\nrecipients = []\nkeep = { never = \"x\" }";
    let text = format!(
        "[person]\nclass = \"personal\"\n{said}\n[person.columns]\nregion = {none}\nid = {none}\n\
         name = {name}\n[town]\nclass = \"global\"\n{said}\n[town.columns]\nid = {none}\n\
         name = {name}\n"
    );
    toml::from_str(&text).expect("the made-up map is a map")
}

const GOOD: &str = "-- person: somebody. class: personal
CREATE TABLE IF NOT EXISTS person (
    region crdb_internal_region NOT NULL,
    id     UUID NOT NULL,
    name   BYTEA NOT NULL,
    PRIMARY KEY (region, id),
    CONSTRAINT person_self FOREIGN KEY (region, id)
        REFERENCES person (region, id) ON DELETE CASCADE ON UPDATE CASCADE
) {locality};
";

fn seen(path: &str, text: &str) -> usize {
    let path = format!("sql/migrations/{path}");
    faults(&File { path, text: text.into() }, &made_up()).len()
}

#[test]
fn a_table_that_lets_people_go_is_seen() {
    assert_eq!(seen("V0001__person.sql", GOOD), 0);
    let spoilt = [
        ("class: personal", "class: global"),
        (" NOT NULL,\n    id", " NOT NULL DEFAULT 'eu',\n    id"),
        ("    region crdb_internal_region NOT NULL,\n", ""),
        ("UUID NOT NULL", "UUID NOT NULL UNIQUE"),
        ("PRIMARY KEY (region, id)", "PRIMARY KEY (id, region)"),
        ("PRIMARY KEY (region, id)", "PRIMARY KEY (region, name)"),
        ("    PRIMARY KEY (region, id),\n", ""),
        ("PRIMARY KEY (region, id),", "PRIMARY KEY (region, id), UNIQUE (id),"),
        ("KEY (region, id)\n", "KEY (id)\n"),
        ("person (region, id)", "person (id)"),
        (" ON UPDATE CASCADE", ""),
        ("BYTEA", "TEXT"),
        ("UUID", "SERIAL"),
        ("name ", "nick "),
        (" {locality}", ""),
        ("IF NOT EXISTS ", ""),
        ("};", "};\nSELECT 1;"),
        ("-- person:", "-- persons:"),
    ];
    for (from, to) in spoilt {
        let text = GOOD.replacen(from, to, 1);
        assert!(text != GOOD && seen("V0001__person.sql", &text) > 0, "{from} -> {to}");
    }
    assert_eq!(seen("V1__person.sql", GOOD), 1);
    assert_eq!(seen("V0001__persons.sql", GOOD), 2);
}

#[test]
fn an_index_or_a_later_column_that_lets_people_go_is_seen() {
    let index = |text: &str| seen("V0002__x.sql", &format!("-- x: to find them.\n{text};\n"));
    assert_eq!(index("CREATE INDEX IF NOT EXISTS x ON person (region, id DESC)"), 0);
    assert_eq!(index("CREATE INDEX IF NOT EXISTS x ON person (id)"), 1);
    assert_eq!(index("CREATE INDEX IF NOT EXISTS x ON person (region, name)"), 1);
    assert_eq!(index("CREATE INDEX IF NOT EXISTS x ON person (region) WHERE name IS NULL"), 1);
    assert_eq!(index("CREATE INDEX IF NOT EXISTS x ON nobody (region)"), 1);
    assert_eq!(index("CREATE VIEW x AS SELECT 1 AS y"), 1);
    assert_eq!(index("ALTER TABLE town ADD COLUMN IF NOT EXISTS name BYTEA"), 1);
    let two = "ALTER TABLE person ADD COLUMN IF NOT EXISTS name BYTEA, ";
    assert_eq!(index(&format!("{two} ADD COLUMN IF NOT EXISTS name BYTEA")), 0);
    assert_eq!(index(&format!("{two} DROP COLUMN region")), 1);
    assert_eq!(index("ALTER TABLE person ADD COLUMN IF NOT EXISTS name BYTEA"), 0);
}

#[test]
fn a_gap_is_seen() {
    let file =
        |path: &str, text: &str| File { path: format!("sql/migrations/{path}"), text: text.into() };
    let town = "CREATE TABLE IF NOT EXISTS town (id UUID NOT NULL, name BYTEA) {locality};";
    let whole = [file("V0001__person.sql", GOOD), file("V0002__town.sql", town)];
    assert_eq!(gaps(&whole, &made_up()), []);
    assert_eq!(gaps(&whole[..1], &made_up()).len(), 2);
    let skipped = [file("V0001__person.sql", GOOD), file("V0003__town.sql", town)];
    assert_eq!(gaps(&skipped, &made_up()).len(), 1);
    let [one, two] = whole;
    let half = [one, two, file("V0003__x.postgres.sql", "SELECT 1;")];
    assert_eq!(gaps(&half, &made_up()).len(), 1);
}
