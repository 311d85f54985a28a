//! Documents name what exists and leave nothing out: paths, routes, error codes, metrics.

use std::collections::{BTreeMap, BTreeSet};

use meridian::http::access;
use meridian::http::problem::Code;
use meridian::telemetry::metrics::{CATALOGUE, Kind};
use regex::Regex;

use super::source::{Source, sources};
use super::tree::{Fault, hold, line_of, paths, read};

/// Most lines of the bird's-eye view.
const ARCHITECTURE_LINES_MAX: usize = 150;
/// What makes a word in back quotes a path, besides a slash.
const SUFFIXES: &[&str] = &[".rs", ".toml", ".json", ".sql", ".md"];
/// Words with a slash that are no paths of ours: media types, and what is outside the tree.
const NO_PATHS: &[&str] = &[
    "application/",
    "text/",
    "image/",
    "$",
    "~/",
    "-",
    "/var/",
    "/etc/",
    "/usr/",
    "/run/",
    "/tmp/",
];

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is right")
}

/// What stands in back quotes outside of code blocks, with its line.
fn spans(text: &str) -> Vec<(usize, String)> {
    let span = regex("`([^`]+)`");
    let mut in_block = false;
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(span.captures_iter(line).map(|span| (at + 1, span[1].to_owned())));
        }
    }
    found
}

/// Whether a word is a path of the tree; `*`, `<name>` and `{name}` stand for any name.
fn is_there(word: &str, paths: &[String]) -> bool {
    let any = regex(r"\\\*|<[^>]+>|\\\{[^}]+\\\}|…");
    let escaped = regex::escape(word.trim_start_matches("./").trim_end_matches('/'));
    let pattern = any.replace_all(&escaped, "[^/]+");
    let prefix = if word.trim_end_matches('/').contains('/') { "(src/)?" } else { "(.*/)?" };
    let rest = if word.ends_with('/') { "/.*" } else { "(/.*)?" };
    let pattern = regex(&format!("^{prefix}{pattern}{rest}$"));
    paths.iter().any(|path| pattern.is_match(path))
}

/// Words in back quotes that name no file, folder or route.
fn phantoms(path: &str, text: &str, paths: &[String], routes: &BTreeSet<String>) -> Vec<Fault> {
    let route = regex(r"^(?:(?:GET|POST|PUT|PATCH|DELETE|HEAD) )?(/[^\s?]*)(?:\?\S*)?$");
    let mut faults = Vec::new();
    for (line, word) in spans(text) {
        if word.contains("://") || NO_PATHS.iter().any(|start| word.starts_with(start)) {
            continue;
        }
        if let Some(route) = route.captures(&word) {
            if !routes.contains(&route[1]) {
                let advice = format!("`{word}` is no route; name what exists");
                faults.push(Fault::new(path, line, advice));
            }
            continue;
        }
        let like_a_path = word.contains('/') || SUFFIXES.iter().any(|end| word.ends_with(end));
        if like_a_path && !word.contains(' ') && !is_there(&word, paths) {
            let advice = format!("`{word}` is not in the tree; name what exists");
            faults.push(Fault::new(path, line, advice));
        }
    }
    faults
}

/// Every route of the API and of the pages.
fn routes() -> BTreeSet<String> {
    let literal = regex(r#"\.route\(\s*"([^"]+)""#);
    let served = sources(|path| path.starts_with("src/http/") || path.starts_with("src/web/"));
    let mut routes: BTreeSet<String> =
        access::TABLE.iter().map(|(_, path, _)| (*path).to_owned()).collect();
    for source in &served {
        routes.extend(literal.captures_iter(&source.text).map(|found| found[1].to_owned()));
    }
    routes
}

/// What is wrong with a document, which must be there.
fn document(path: &str, lines_max: usize) -> Vec<Fault> {
    let Some(text) = read(path) else { return vec![Fault::new(path, 1, format!("write {path}"))] };
    let mut faults = phantoms(path, &text, &paths(), &routes());
    let lines = text.lines().count();
    if lines > lines_max {
        let advice = format!("{lines} lines, {lines_max} at most; it is a bird's-eye view");
        faults.push(Fault::new(path, lines, advice));
    }
    faults
}

/// Codes without a heading, headings without a code, and rows with another status.
fn unexplained(path: &str, text: &str, codes: &[(u16, &str)]) -> Vec<Fault> {
    let heading = regex(r"(?m)^##+ `?([a-z_]+)`?$");
    let explained: BTreeMap<String, usize> = heading
        .captures_iter(text)
        .map(|h| (h[1].to_owned(), line_of(text, h.get(0).map_or(0, |whole| whole.start()))))
        .collect();
    let mut faults = Vec::new();
    for (status, code) in codes {
        if !explained.contains_key(*code) {
            let advice = format!("explain `{code}` under a heading of its name; errors link to it");
            faults.push(Fault::new(path, 1, advice));
        }
        let row = regex(&format!(r"(?m)^\|\s*[\[`]?{code}[\]`(][^|]*\|\s*(\d+)\s*\|"));
        if row.captures(text).is_none_or(|row| row[1] != status.to_string()) {
            let advice = format!("give `{code}` a row in the table, with its status {status}");
            faults.push(Fault::new(path, 1, advice));
        }
    }
    let gone = explained.iter().filter(|(name, _)| !codes.iter().any(|(_, code)| code == name));
    faults.extend(gone.map(|(name, line)| {
        Fault::new(path, *line, format!("`{name}` is no code any more; strike it"))
    }));
    faults
}

/// What a file measures: the macro and the metric's name.
fn measured(source: &Source) -> Vec<(usize, String, Option<String>)> {
    let call = regex(r#"\b(counter|gauge|histogram)!\s*\(\s*("[^"]*")?"#);
    // Blanked quotes are as long as the text, so that places in code are places in the text.
    let calls = regex(r"\b(counter|gauge|histogram)!\s*\(");
    let at = calls.find_iter(&source.code).map(|call| call.start());
    at.filter_map(|at| {
        let found = call.captures_at(&source.text, at)?;
        let name = found.get(2).map(|name| name.as_str().trim_matches('"').to_owned());
        Some((source.line(at), found[1].to_owned(), name))
    })
    .collect()
}

/// Metrics that are not in the catalogue under their kind.
fn uncatalogued(source: &Source, catalogue: &[(&str, &str)]) -> Vec<Fault> {
    let measured = measured(source).into_iter();
    measured
        .filter_map(|(line, kind, name)| {
            let Some(name) = name else {
                return Some(Fault::new(&source.path, line, "write the metric's name in quotes"));
            };
            let known = catalogue.contains(&(name.as_str(), kind.as_str()));
            let advice =
                format!("no {kind} `{name}` is in telemetry::metrics::CATALOGUE; say its words");
            (!known).then(|| Fault::new(&source.path, line, advice))
        })
        .collect()
}

#[test]
fn the_architecture_names_only_what_exists() {
    let faults = document("ARCHITECTURE.md", ARCHITECTURE_LINES_MAX);
    hold("ARCHITECTURE.md is short and true", faults);
}

#[test]
fn the_readme_names_only_what_exists() {
    hold("README.md is true", document("README.md", usize::MAX));
}

#[test]
fn every_error_is_explained() {
    let path = "docs/errors.md";
    let facts = |code: &Code| {
        let (status, name, _) = code.facts();
        (status, name)
    };
    let codes: Vec<(u16, &str)> = Code::ALL.iter().map(facts).collect();
    let faults = match read(path) {
        Some(text) => unexplained(path, &text, &codes),
        None => vec![Fault::new(path, 1, format!("write {path}"))],
    };
    hold("docs/errors.md explains every code", faults);
}

#[test]
fn every_route_is_authorised_and_described() {
    let described = access::described(&meridian::http::openapi());
    let listed: Vec<(&str, String)> =
        access::TABLE.iter().map(|(method, path, _)| (*method, (*path).to_owned())).collect();
    assert!(!listed.is_empty(), "there are routes");
    hold("the authorisation table and the description are one list", parted(&listed, &described));
}

/// What is in one of two lists of routes only.
fn parted(listed: &[(&str, String)], described: &[(&str, String)]) -> Vec<Fault> {
    let only = |one: &[(&str, String)], other: &[(&str, String)], path: &str, advice: &str| {
        let missing = one.iter().filter(|route| !other.contains(route));
        let fault = |(method, route): &(&str, String)| {
            Fault::new(path, 1, format!("{method} {route} {advice}"))
        };
        missing.map(fault).collect::<Vec<_>>()
    };
    let mut faults =
        only(listed, described, "src/http/mod.rs", "is not described; add its routes!");
    faults.extend(only(
        described,
        listed,
        "src/http/access.rs",
        "is in no row; say who may call it",
    ));
    faults
}

#[test]
fn every_metric_is_in_the_catalogue_and_measured() {
    let kind = |kind: Kind| match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Seconds => "histogram",
    };
    let catalogue: Vec<(&str, &str)> = CATALOGUE.iter().map(|m| (m.name, kind(m.kind))).collect();
    let product = sources(|path| path.starts_with("src/") || path.starts_with("event-stream/src/"));
    let mut faults: Vec<Fault> =
        product.iter().flat_map(|source| uncatalogued(source, &catalogue)).collect();
    let used: BTreeSet<String> =
        product.iter().flat_map(measured).filter_map(|(_, _, name)| name).collect();
    let unused = CATALOGUE.iter().filter(|metric| !used.contains(metric.name));
    faults.extend(unused.map(|metric| {
        let advice = format!("`{}` is measured nowhere; strike it", metric.name);
        Fault::new("src/telemetry/metrics.rs", 1, advice)
    }));
    hold("metrics and their catalogue are one list", faults);
}

#[test]
fn a_document_that_names_what_is_gone_is_seen() {
    let paths = ["src/store/tx.rs", "regions/eu.json", "Cargo.toml"].map(ToOwned::to_owned);
    let routes = BTreeSet::from(["/v1/orders".to_owned()]);
    let seen = |text: &str| phantoms("a.md", text, &paths, &routes).len();
    let true_words = "`store/tx.rs` `src/store/` `tx.rs` `regions/*.json` `store/<room>.rs` `a::b` \
                      `Cargo.toml` `regions` `text/html` `/var/lib/x` `https://a.b/c` `cargo x/y` \
                      `GET /v1/orders?limit=1`\n```\n`gone/a.rs`\n```\n";
    assert_eq!(seen(true_words), 0);
    for gone in ["`store/ty.rs`", "`ty.rs`", "`region/*.json`", "`regions/eu.json/`", "`/v1/order`"]
    {
        assert_eq!(seen(gone), 1, "{gone}");
    }
    assert_eq!(document("GONE.md", 1), [Fault::new("GONE.md", 1, "write GONE.md")]);
}

#[test]
fn an_unexplained_code_is_seen() {
    let text = "| [sold_out](#sold_out) | 409 | no |\n\n## sold_out\n\nGone.\n";
    let seen = |codes: &[(u16, &str)]| unexplained("a.md", text, codes).len();
    assert_eq!(seen(&[(409, "sold_out")]), 0);
    assert_eq!(seen(&[(410, "sold_out")]), 1);
    assert_eq!(seen(&[(409, "sold_out"), (500, "internal")]), 2);
    assert_eq!(seen(&[]), 1);
}

#[test]
fn a_lost_route_is_seen() {
    let route = |path: &str| ("GET", path.to_owned());
    assert_eq!(parted(&[route("/a")], &[route("/a")]), []);
    assert_eq!(parted(&[route("/a")], &[route("/b")]).len(), 2);
}

#[test]
fn an_uncatalogued_metric_is_seen() {
    let seen =
        |text: &str| uncatalogued(&Source::new("src/a.rs", text), &[("a_total", "counter")]).len();
    assert_eq!(seen("metrics::counter!(\"a_total\", \"x\" => y).increment(1);"), 0);
    assert_eq!(seen("counter!(\"b_total\"); gauge!(\n    \"a_total\"\n);"), 2);
    assert_eq!(seen("counter!(name); // counter!(\"c\")\n"), 1);
}
