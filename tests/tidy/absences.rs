//! What is nowhere, or in one place only.

use regex::Regex;

use super::source::{Source, sources};
use super::tree::{Fault, File, files, hold, line_of, under};

/// What the product is made of; tests and benches are not in it.
const PRODUCT: &[&str] = &["src/", "regions/src/", "geo-routing/src/", "event-stream/src/"];
/// All Rust.
const EVERYWHERE: &[&str] = &[""];

/// Something that is nowhere but where it is expected.
struct Absence {
    /// As it looks in code.
    pattern: &'static str,
    /// Where it is looked for.
    among: &'static [&'static str],
    /// Where it belongs.
    but: &'static [&'static str],
    /// Whether `#[cfg(test)]` may hold it.
    in_tests: bool,
    /// An offender, for the rule's twin.
    offender: &'static str,
    /// What to do instead.
    advice: &'static str,
}

static ABSENCES: &[Absence] = &[
    Absence {
        pattern: r"\baxum\b",
        among: PRODUCT,
        // The sandbox is another company's server.
        but: &["src/http/", "src/web/", "src/node.rs", "src/suppliers/sandbox/"],
        in_tests: false,
        offender: "use axum::Router;",
        advice: "axum stays in http/ and web/; pass values",
    },
    Absence {
        pattern: r"\b(tokio_postgres|deadpool_postgres|postgres_types|refinery)\b",
        among: PRODUCT,
        but: &["src/store/"],
        in_tests: false,
        offender: "fn f(row: &tokio_postgres::Row) {}",
        advice: "the driver stays in store/; give the store a verb",
    },
    Absence {
        pattern: r"\bhickory_\w+",
        among: PRODUCT,
        but: &["geo-routing/src/"],
        in_tests: false,
        offender: "use hickory_proto::op::Message;",
        advice: "DNS messages stay in geo-routing/",
    },
    Absence {
        pattern: r"\brdkafka\b",
        among: PRODUCT,
        but: &["event-stream/src/"],
        in_tests: false,
        offender: "use rdkafka::ClientConfig;",
        advice: "the Kafka client stays in event-stream/; implement relay::EventSink with it",
    },
    Absence {
        pattern: r"\b(Timestamp|Zoned|SystemTime|Instant)\s*::\s*now\b",
        among: EVERYWHERE,
        but: &["src/clock.rs", "geo-routing/src/clock.rs", "event-stream/src/clock.rs"],
        in_tests: false,
        offender: "let now = std::time::Instant::now();",
        advice: "ask clock::Clock, the only clock",
    },
    Absence {
        pattern: r"\bunsafe\b",
        among: EVERYWHERE,
        but: &["src/demo/postgres.rs", "geo-routing/src/server/datagram.rs"],
        in_tests: false,
        offender: "unsafe { libc::fork() };",
        advice: "unsafe is between fork and exec and around batched datagrams; use a library",
    },
    Absence {
        pattern: r"#!?\[\s*(cfg_attr\s*\(.*)?\ballow\s*\(",
        among: EVERYWHERE,
        but: &[],
        in_tests: false,
        offender: "#[allow(dead_code)]",
        advice: "write #[expect(lint, reason = \"…\")], which ends with its reason",
    },
    Absence {
        pattern: r"\.\s*unwrap\s*\(\s*\)",
        among: PRODUCT,
        but: &[],
        in_tests: true,
        offender: "let x = y.unwrap();",
        advice: "return the error, or expect(\"why it holds\")",
    },
    Absence {
        pattern: r"\b(todo|unimplemented)\s*!",
        among: EVERYWHERE,
        but: &[],
        in_tests: false,
        offender: "fn f() { todo!() }",
        advice: "nothing half-done lands; finish it or leave it out",
    },
    Absence {
        pattern: r"\b(e?println|e?print|dbg)\s*!",
        among: PRODUCT,
        but: &["src/main.rs", "src/demo/", "geo-routing/src/cli.rs", "geo-routing/src/bin/"],
        in_tests: false,
        offender: "println!(\"{x}\");",
        advice: "log with tracing; only the command line prints",
    },
    Absence {
        pattern: r"\.\s*tx\s*\(",
        among: &["src/http/", "src/web/"],
        but: &[],
        in_tests: false,
        offender: "let done = api.store.tx(\"x\", deadline, body);",
        advice: "a write is handler -> feature -> store; give the feature a verb",
    },
];

impl Absence {
    fn faults(&self, source: &Source) -> Vec<Fault> {
        if !under(&source.path, self.among) || under(&source.path, self.but) {
            return Vec::new();
        }
        let pattern = Regex::new(self.pattern).expect("the pattern is right");
        let found = pattern.find_iter(&source.code);
        found
            .filter(|m| !(self.in_tests && source.is_test(m.start())))
            .map(|m| Fault::new(&source.path, source.line(m.start()), self.advice))
            .collect()
    }
}

/// Statements in quotes. Tests and benches may plant rows and break in with SQL, as a burglar
/// would.
fn sql_in_quotes(source: &Source) -> Vec<Fault> {
    let statement = concat!(
        r"^\s*(SELECT\s|INSERT\s+INTO\b|UPDATE\s|DELETE\s+FROM\b|CREATE\s|ALTER\s|DROP\s",
        r"|TRUNCATE\s|GRANT\s|SHOW\s|UPSERT\s|WITH\s+\w+\s+AS\b)"
    );
    let control = r"^\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|SET\s+(LOCAL|SESSION|TRANSACTION))\b";
    let of = |pattern: &str, advice: &str| -> Vec<Fault> {
        let pattern = Regex::new(pattern).expect("the pattern is right");
        let found = source.literals.iter().filter(|literal| !source.is_test(literal.start));
        let found = found.filter(|literal| pattern.is_match(&literal.text));
        found.map(|literal| Fault::new(&source.path, literal.line, advice)).collect()
    };
    let mut faults = of(statement, "SQL is a file: sql/queries/<room>/<noun_verb>.sql");
    if source.path != "src/store/tx.rs" {
        faults.extend(of(control, "only store/tx.rs opens and ends a transaction; use store.tx"));
    }
    faults
}

/// Notes about work that is left. In pieces, since this file is read too. Under `data/`, three X
/// are the ISO 4217 code for "no currency".
fn marks(file: &File) -> Vec<Fault> {
    let pattern = concat!(r"\b(TO", "DO|FIX", "ME|X", "XX|HA", r"CK)\b");
    let pattern = Regex::new(pattern).expect("the pattern is right");
    let advice = "nothing half-done lands; finish it, or write an issue";
    let found = pattern.find_iter(&file.text);
    found
        .filter(|m| !(file.path.starts_with("data/") && m.as_str().starts_with('X')))
        .map(|m| Fault::new(&file.path, line_of(&file.text, m.start()), advice))
        .collect()
}

/// Hosts and folders that only a developer's machine knows. In pieces, since this file is read too.
fn places_of_a_machine(file: &File) -> Vec<Fault> {
    let hosts = [
        concat!("crates", r"\.io"),
        concat!("py", r"pi\.org"),
        concat!("python", r"hosted\.org"),
        concat!("npm", r"js\.(org|com)"),
        concat!("yarn", r"pkg\.com"),
        concat!("deb", r"\.debian\.org"),
        concat!("archive", r"\.ubuntu\.com"),
        concat!("proxy", r"\.golang\.org"),
        concat!("ruby", r"gems\.org"),
        concat!("maven", r"\.(org|apache\.org)"),
    ];
    let folders = concat!(r"(^|[^\w.~*/-])/(wo", "rk|ro", "ot|fa", "rm)/");
    let of = |pattern: &str, advice: &str| -> Vec<Fault> {
        let pattern = Regex::new(&format!("(?m){pattern}")).expect("the pattern is right");
        let found = pattern.find_iter(&file.text);
        found.map(|m| Fault::new(&file.path, line_of(&file.text, m.end()), advice)).collect()
    };
    let mut faults = of(
        &format!("({})", hosts.join("|")),
        "name the package and its version; where it comes from is the reader's client's business",
    );
    faults.extend(of(folders, "write paths from the root of the repository"));
    faults
}

fn is_prose_or_code(path: &str) -> bool {
    let suffixes =
        ["rs", "sql", "toml", "md", "py", "js", "css", "html", "tf", "yaml", "yml", "sh"];
    let suffix = path.rsplit('.').next().unwrap_or_default();
    suffixes.contains(&suffix) || !path.rsplit('/').next().unwrap_or_default().contains('.')
}

#[test]
fn what_belongs_to_one_place_is_in_no_other() {
    let all = sources(|_| true);
    let faults = ABSENCES.iter().flat_map(|absence| all.iter().flat_map(|s| absence.faults(s)));
    hold("what belongs to one place is in no other", faults.collect());
}

#[test]
fn sql_is_known_in_sql_only() {
    let product = sources(|path| under(path, PRODUCT));
    hold("no SQL stands in Rust", product.iter().flat_map(sql_in_quotes).collect());
}

#[test]
fn nothing_half_done_is_in_the_tree() {
    hold("no note of work is left", files(is_prose_or_code).iter().flat_map(marks).collect());
}

#[test]
fn nothing_names_a_registry_or_the_machine_of_a_developer() {
    // The lock file is a machine's.
    let texts = files(|path| !path.ends_with("Cargo.lock") && !path.ends_with(".gz"));
    hold("the tree stands by itself", texts.iter().flat_map(places_of_a_machine).collect());
}

#[test]
fn what_is_out_of_place_is_seen() {
    for absence in ABSENCES {
        let away = format!("{}orders/mod.rs", absence.among[0]);
        let there = absence.faults(&Source::new(&away, absence.offender));
        assert_eq!(there.len(), 1, "{} is not seen", absence.offender);
        let quoted = format!("// {}\n", absence.offender);
        assert_eq!(absence.faults(&Source::new(&away, &quoted)), [], "a comment is not code");
        let tested = format!("#[cfg(test)]\nmod tests {{ fn f() {{ {} }} }}", absence.offender);
        let seen = absence.faults(&Source::new(&away, &tested)).len();
        assert_eq!(seen, usize::from(!absence.in_tests), "in a test: {}", absence.offender);
        for home in absence.but {
            assert_eq!(absence.faults(&Source::new(home, absence.offender)), [], "{home}");
        }
    }
}

#[test]
fn sql_in_quotes_is_seen() {
    let seen = |path: &str, text: &str| sql_in_quotes(&Source::new(path, text)).len();
    assert_eq!(seen("src/orders/mod.rs", "const A: &str = \"SELECT 1\";"), 1);
    assert_eq!(seen("src/orders/mod.rs", "f(r#\"\n  UPDATE t SET a = 1\"#);"), 1);
    assert_eq!(seen("src/orders/mod.rs", "f(\"DELETE FROM t\"); f(\"ROLLBACK\");"), 2);
    assert_eq!(seen("src/store/tx.rs", "f(\"BEGIN; SET LOCAL x = 1\"); f(\"COMMIT\");"), 0);
    assert_eq!(seen("src/a.rs", "#[cfg(test)]\nmod t { const A: &str = \"ALTER TABLE t\"; }"), 0);
    assert_eq!(seen("src/http/access.rs", "(\"DELETE\", \"/v1/x\"); f(\"DELETE /v1/x\")"), 0);
}

#[test]
fn notes_and_places_of_a_machine_are_seen() {
    let file = |text: &str| File { path: "a.md".into(), text: text.into() };
    assert_eq!(marks(&file(concat!("fine\n// TO", "DO: later"))).len(), 1);
    assert_eq!(marks(&file(concat!("fine\nX", "XX"))).len(), 1);
    assert_eq!(marks(&file("a todo list, mktemp XXXXXX")), []);
    let seen = |text: &str| places_of_a_machine(&file(text)).len();
    assert_eq!(seen(concat!("from https://py", "pi.org/simple")), 1);
    assert_eq!(seen(concat!("see\n/wo", "rk/main and `/ro", "ot/.cache`")), 2);
    assert_eq!(seen("docs/work/plan and https://example.org/work/x"), 0);
}
