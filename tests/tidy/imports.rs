//! Who may import whom: the one table, and the few crossings it allows with their reasons.

use std::sync::LazyLock;

use regex::Regex;

use super::source::{Source, sources};
use super::tree::{Fault, hold};

/// What stands under every feature.
const FLOOR: &[&str] = &[
    "regions",
    "domain",
    "clock",
    "telemetry",
    "store",
    "catalogue",
    "places",
    "suppliers",
    "cache",
];
/// The verbs of the product. One may know another only as a crossing.
const FEATURES: &[&str] = &[
    "pricing",
    "search",
    "privacy",
    "travellers",
    "orders",
    "relay",
    "webhooks",
    "recommend",
    "lifecycle",
];

/// What may stand in one room's `use`, besides the room itself.
struct Room {
    name: &'static str,
    may: &'static [&'static [&'static str]],
}

const fn room(name: &'static str, may: &'static [&'static [&'static str]]) -> Room {
    Room { name, may }
}

/// Rooms that only put others together may know all.
const ALL: &[&str] = &["*"];

/// The floors, from the ground.
static ROOMS: &[Room] = &[
    room("regions", &[]),
    room("geo_routing", &[&["regions"]]),
    room("event_stream", &[]),
    room("evidence", &[]),
    room("clock", &[]),
    room("telemetry", &[]),
    room("domain", &[&["regions"]]),
    room("store", &[&["regions", "domain", "clock", "telemetry"]]),
    room("catalogue", &[&["regions", "domain", "clock"]]),
    room("places", &[&["regions", "domain", "clock", "telemetry", "catalogue"]]),
    room("suppliers", &[&["regions", "domain", "clock", "telemetry", "catalogue"]]),
    room("cache", &[&["regions", "domain", "clock"]]),
    room("pricing", &[FLOOR]),
    room("search", &[FLOOR]),
    room("privacy", &[FLOOR, &["evidence"]]),
    room("travellers", &[FLOOR]),
    room("orders", &[FLOOR]),
    room("relay", &[FLOOR, &["event_stream"]]),
    room("webhooks", &[FLOOR]),
    room("recommend", &[FLOOR]),
    room("lifecycle", &[FLOOR, &["geo_routing"]]),
    room("worker", &[FLOOR, FEATURES]),
    room("http", &[FLOOR, FEATURES]),
    room("web", &[FLOOR, FEATURES, &["http"]]),
    room(
        "config",
        &[&[
            "regions",
            "geo_routing",
            "domain",
            "clock",
            "telemetry",
            "store",
            "catalogue",
            "suppliers",
        ]],
    ),
    room("node", &[ALL]),
    room("demo", &[ALL]),
    room("main", &[ALL]),
];

/// A path that one room may name against the table, and why.
struct Crossing {
    from: &'static str,
    to: &'static str,
    why: &'static str,
}

const fn crossing(from: &'static str, to: &'static str, why: &'static str) -> Crossing {
    Crossing { from, to, why }
}

/// Every crossing there is.
static CROSSINGS: &[Crossing] = &[
    crossing(
        "orders",
        "worker::Dispatch",
        "hands an accepted order to the worker of the same node; a lost one is picked up later",
    ),
    crossing("search", "pricing", "an offer is a journey with its price"),
    crossing("orders", "search", "a booking looks once more at what was offered"),
    crossing(
        "orders",
        "privacy",
        "passengers and payment tokens are sealed before they are stored",
    ),
    crossing(
        "orders",
        "travellers::hash_token",
        "an order is booked in a session, found by its hash",
    ),
    crossing("webhooks", "privacy", "addresses and secrets of endpoints are sealed and opened"),
    crossing("travellers", "privacy", "a traveller's data key is made and wrapped at sign-up"),
    crossing(
        "lifecycle",
        "travellers::moving",
        "moving travellers home is a step of a region's life",
    ),
    crossing("lifecycle", "privacy::keys", "whoever moves travellers reads the keys for it"),
];

fn known(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

/// The room that a file belongs to.
fn room_of(path: &str) -> &str {
    if path.starts_with("regions/") {
        return "regions";
    }
    if path.starts_with("geo-routing/") {
        return "geo_routing";
    }
    if path.starts_with("event-stream/") {
        return "event_stream";
    }
    let inner = path.strip_prefix("src/").unwrap_or(path);
    inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs")
}

/// Every path out of a file's crate root or into another crate of ours, with its line.
fn reached(source: &Source) -> Vec<(usize, String)> {
    static HEAD: LazyLock<Regex> = LazyLock::new(|| {
        let crates = r"\b(crate|meridian(?:_regions|_geo_routing|_event_stream)?)\s*::\s*";
        Regex::new(&format!(r"{crates}|\b(?:super\s*::\s*)+")).expect("the pattern is right")
    });
    let mut reached = Vec::new();
    for head in HEAD.captures_iter(&source.code) {
        let whole = head.get(0).expect("a match has a whole");
        let mut paths = Vec::new();
        match head.get(1).map(|name| name.as_str()) {
            Some("meridian_regions") => paths.push("regions".to_owned()),
            Some("meridian_geo_routing") => paths.push("geo_routing".to_owned()),
            Some("meridian_event_stream") => paths.push("event_stream".to_owned()),
            // Inside a leaf crate, `crate` is the leaf itself.
            Some("crate") if !source.path.starts_with("src/") => {}
            None if whole.as_str().matches("super").count() != depth(source, whole.start()) => {}
            _ => {
                leaves(source.code.as_bytes(), &mut whole.end(), "", &mut paths);
            }
        }
        let line = source.line(whole.start());
        reached.extend(paths.into_iter().map(|path| (line, path)));
    }
    reached
}

/// How many `super::` lead from a place to the crate's root.
fn depth(source: &Source, at: usize) -> usize {
    static INLINE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bmod\s+[\w$]+\s*").expect("the pattern is right"));
    let Some(inner) = source.path.strip_prefix("src/") else { return usize::MAX };
    let file = match inner.trim_end_matches(".rs") {
        "main" | "lib" => 0,
        module => module.trim_end_matches("/mod").split('/').count(),
    };
    file + source.blocks(&INLINE).iter().filter(|block| block.contains(&at)).count()
}

/// The paths of a use tree or of a path in an expression: `{a, b::{c, d}}` is `a`, `b::c`, `b::d`.
fn leaves(code: &[u8], at: &mut usize, prefix: &str, found: &mut Vec<String>) {
    let skip = |at: &mut usize| {
        while code.get(*at).is_some_and(u8::is_ascii_whitespace) {
            *at += 1;
        }
    };
    skip(at);
    if code.get(*at) == Some(&b'{') {
        while !matches!(code.get(*at), None | Some(b'}')) {
            *at += 1;
            leaves(code, at, prefix, found);
            // An alias is not a path.
            while !matches!(code.get(*at), None | Some(b',' | b'}')) {
                *at += 1;
            }
        }
        *at += 1;
        return;
    }
    let start = *at;
    while code.get(*at).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_*".contains(byte)) {
        *at += 1;
    }
    let name = String::from_utf8_lossy(&code[start..*at]);
    if name.is_empty() {
        return;
    }
    let path = format!("{prefix}{name}");
    let end = *at;
    skip(at);
    if code[*at..].starts_with(b"::") && !code[*at + 2..].starts_with(b"<") {
        *at += 2;
        leaves(code, at, &format!("{path}::"), found);
    } else {
        *at = end;
        found.push(path);
    }
}

/// Whether `to` is `prefix` or something in it.
fn within(to: &str, prefix: &str) -> bool {
    to.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn faults(source: &Source) -> Vec<Fault> {
    let from = room_of(&source.path);
    if from == "lib" {
        return Vec::new();
    }
    let fault = |line: usize, advice: String| Fault::new(&source.path, line, advice);
    let Some(room) = known(from) else {
        let advice = format!("`{from}` is in no import table; say in tests/tidy what it may know");
        return vec![fault(1, advice)];
    };
    let may = |to: &str| room.may.iter().any(|some| some.contains(&to) || *some == ALL);
    let crosses = |path: &str| CROSSINGS.iter().any(|c| c.from == from && within(path, c.to));
    reached(source)
        .into_iter()
        .filter_map(|(line, path)| {
            let to = path.split("::").next().unwrap_or(&path);
            if to == from || may(to) || crosses(&path) {
                return None;
            }
            let advice = format!("`{from}` may not know `{path}`; move what it needs down a floor");
            Some(fault(line, advice))
        })
        .collect()
}

fn house() -> Vec<Source> {
    sources(|path| {
        let folders = ["src/", "regions/src/", "geo-routing/src/", "event-stream/src/"];
        folders.iter().any(|folder| path.starts_with(folder))
    })
}

#[test]
fn nobody_knows_the_floor_above() {
    hold("a room imports only what its floor may know", house().iter().flat_map(faults).collect());
}

#[test]
fn every_crossing_is_used_and_has_a_reason() {
    let reached: Vec<(String, String)> = house()
        .iter()
        .flat_map(|source| {
            let from = room_of(&source.path).to_owned();
            reached(source).into_iter().map(move |(_, path)| (from.clone(), path))
        })
        .collect();
    let unused = CROSSINGS.iter().filter(|crossing| {
        let used = |(from, to): &(String, String)| from == crossing.from && within(to, crossing.to);
        crossing.why.is_empty() || !reached.iter().any(used)
    });
    let unused = unused.map(|crossing| {
        let advice = format!("nobody crosses from {} to {}; strike it", crossing.from, crossing.to);
        Fault::new("tests/tidy/imports.rs", 1, advice)
    });
    hold("a crossing exists because code needs it", unused.collect());
}

#[test]
fn a_forbidden_import_is_seen_in_every_spelling() {
    let seen = |path: &str, text: &str| faults(&Source::new(path, text)).len();
    assert_eq!(seen("src/places/mod.rs", "use crate::store::Store;"), 1);
    assert_eq!(seen("src/places/mod.rs", "use crate::{clock::Clock, store::{Store as S, Tx}};"), 2);
    assert_eq!(seen("src/places/mod.rs", "fn f() -> crate::suppliers::Outcome { x }"), 1);
    assert_eq!(seen("src/places/mod.rs", "use super::store::Store;"), 1);
    assert_eq!(seen("src/places/index.rs", "mod t { use super::super::super::http; }"), 1);
    assert_eq!(seen("src/orders/mod.rs", "use crate::worker::Worker;"), 1);
    assert_eq!(seen("src/orders/mod.rs", "use crate::worker::{Dispatch, Worker};"), 1);
    assert_eq!(seen("src/http/orders.rs", "use crate::worker::Dispatch;"), 1);
    assert_eq!(seen("src/domain/ids.rs", "use meridian_geo_routing::Live;"), 1);
    assert_eq!(seen("src/orders/mod.rs", "use meridian_event_stream::Event;"), 1);
    assert_eq!(seen("event-stream/src/lib.rs", "use meridian_regions::Registry;"), 1);
    assert_eq!(seen("regions/src/file.rs", "use meridian::domain::ids;"), 1);
    assert_eq!(seen("src/attic.rs", ""), 1);
}

#[test]
fn an_allowed_import_is_left_alone() {
    let seen = |path: &str, text: &str| faults(&Source::new(path, text)).len();
    assert_eq!(seen("src/orders/mod.rs", "use crate::worker::Dispatch;\nuse crate::store::*;"), 0);
    assert_eq!(
        seen("src/store/orders.rs", "use super::{Error, sql};\n// crate::http is above\n"),
        0
    );
    assert_eq!(seen("src/node.rs", "use crate::worker::Worker;"), 0);
    assert_eq!(seen("regions/src/file.rs", "use crate::place::Country;"), 0);
}
