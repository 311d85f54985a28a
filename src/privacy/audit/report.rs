//! What was seen, as a bundle: thirteen parts as records, a page to read, the chains of evidence
//! with their checkpoints, and the statements that were asked, all under one signature.
//!
//! 1 scope, 2 policy, 3 declared, 4 observed, 5 samples, 6 leak checks, 7 other stores,
//! 8 transfers, 9 refusals, 10 changes, 11 exceptions, 12 queries, 13 verdicts and gaps.

use std::collections::BTreeMap;
use std::path::Path;

use meridian_evidence::bundle::{CHAINS, CHECKPOINTS, WriteError, Writer};
use meridian_evidence::canonical::canonical;
use meridian_evidence::chain::{Chain, Hash, Record};
use meridian_evidence::checkpoint::Checkpoint;
use meridian_evidence::signing::Signer;
use meridian_regions::{Country, RegionId, Registry};
use serde_json::{Value, json};

use super::controls::KEYS;
use super::page::page;
use super::{Report, TableReport, look};
use crate::domain::evidence::Happening;
use crate::store::audit::MoveRow;
use crate::store::datamap::{self, Class};
use crate::store::sql;
use crate::store::{Error, Store};

/// Name and version of what makes bundles.
const TOOL: &str = concat!("meridian ", env!("CARGO_PKG_VERSION"));

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Days back that changes and transfers are told of.
    pub window_days: i64,
    /// Travellers of each region whose rows are looked at one by one.
    pub samples: i64,
    /// What the last canary run printed, if there was one.
    pub canary: Option<Value>,
    /// The one region whose travellers and chain are looked at; all of them if it is none.
    pub only: Option<RegionId>,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The database.
    #[error(transparent)]
    Store(#[from] Error),
    /// The disk, or something that cannot be evidence.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The ZIP around it.
    #[error("the bundle could not be packed: {0}")]
    Packing(String),
    /// A list that a person keeps.
    #[error("sql/exceptions.toml: {0}")]
    Exceptions(String),
}

/// What a bundle came to.
#[derive(Debug)]
pub struct Written {
    /// What was seen.
    pub report: Report,
    /// SHA-256 of the manifest, which names the bundle.
    pub fingerprint: Hash,
    /// Records of evidence in it.
    pub evidence: u64,
}

/// The head that a checkpoint says its chain had.
pub(super) fn head_of(envelope: &str) -> Option<String> {
    Checkpoint::peek(envelope).map(|it| it.head.to_string())
}

/// A numbered part: its kind of record, its title, its records.
struct Part {
    kind: &'static str,
    title: &'static str,
    records: Vec<Value>,
}

/// A chain's window: where it begins, its lines, and every checkpoint.
struct Window {
    chain: String,
    from: Chain,
    lines: Vec<String>,
    checkpoints: Vec<String>,
}

/// Looks, and writes what was seen into a directory.
pub async fn write(
    store: &Store,
    registry: Registry,
    wanted: &Wanted,
    signer: &Signer,
    dir: &Path,
) -> Result<Written, ReportError> {
    let mut bundle = Writer::create(dir)?;
    let report = look(store, registry, wanted.samples, wanted.only).await?;
    let windows = windows(store, wanted, &report.at).await?;
    let parts = parts(store, registry, wanted, &report, &windows).await?;
    let mut records = bundle.records("report.ndjson")?;
    for part in &parts {
        for body in &part.records {
            records.record(&report.at, part.kind, None, whole(body.clone()))?;
        }
    }
    records.close()?;
    let policy = canonical(&json!(parts[1].records)).map_err(WriteError::from)?;
    bundle.file("policy.json", &policy)?;
    bundle.file("queries.sql", queries_text().as_bytes())?;
    let lines: Vec<(&'static str, Vec<String>)> = parts
        .iter()
        .map(|it| (it.title, it.records.iter().map(Value::to_string).collect()))
        .collect();
    bundle.file("report.html", &page(registry, &report, &lines))?;
    let mut evidence = 0;
    for Window { chain, from, lines, checkpoints } in windows {
        // A broken chain goes in as it is: whoever verifies the bundle finds the same record.
        evidence += lines.len() as u64;
        let _ = bundle.window(&chain, from, lines)?;
        let text: String = checkpoints.iter().map(|line| format!("{line}\n")).collect();
        bundle.file(&format!("{CHAINS}{chain}{CHECKPOINTS}"), text.as_bytes())?;
    }
    let fingerprint = bundle.finish(signer, &report.at, &report.regions, TOOL)?;
    Ok(Written { report, fingerprint, evidence })
}

/// Evidence has whole numbers only; what is not, becomes text.
fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => Value::String(number.to_string()),
        Value::Array(items) => items.into_iter().map(whole).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, it)| (name, whole(it))).collect())
        }
        plain => plain,
    }
}

/// Every chain from the last checkpoint before the window on.
async fn windows(store: &Store, wanted: &Wanted, at: &str) -> Result<Vec<Window>, Error> {
    let mut windows = Vec::new();
    let at: jiff::Timestamp =
        at.parse().map_err(|_| Error::Unreadable("the database's time".into()))?;
    let begin = at.saturating_sub(jiff::SignedDuration::from_hours(wanted.window_days.max(0) * 24));
    let begin = begin.unwrap_or(jiff::Timestamp::MIN);
    for chain in store.fresh().chains().await? {
        if wanted.only.is_some_and(|region| region.name != chain) {
            continue;
        }
        let signed = store.fresh().checkpoints(&chain).await?;
        let before = signed.iter().rfind(|(_, at)| *at < begin);
        let before = before.and_then(|(it, _)| Checkpoint::peek(&it.envelope));
        let from =
            before.map_or_else(|| Chain::begin(&chain), |it| Chain::resume(it.records, it.head));
        let mut lines: Vec<String> = Vec::new();
        loop {
            let next = from.next + lines.len() as u64;
            let next = i64::try_from(next).unwrap_or(i64::MAX);
            let page = store.fresh().records_page(&chain, next).await?;
            if page.is_empty() {
                break;
            }
            lines.extend(page.into_iter().map(|(_, line)| line));
        }
        let checkpoints = signed.into_iter().map(|(it, _)| it.envelope).collect();
        windows.push(Window { chain, from, lines, checkpoints });
    }
    Ok(windows)
}

async fn parts(
    store: &Store,
    registry: Registry,
    wanted: &Wanted,
    report: &Report,
    windows: &[Window],
) -> Result<Vec<Part>, ReportError> {
    let moves = store.fresh().moves(wanted.window_days).await?;
    let part = |kind, title, records| Part { kind, title, records };
    Ok(vec![
        part("scope", "1 Scope", vec![scope(wanted, report)]),
        part("policy", "2 Policy", policy(registry)),
        part("declared", "3 Declared", declared(report)),
        part("observed", "4 Observed", observed(report)),
        part("sample", "5 Samples", report.samples.iter().map(|it| json!(it)).collect()),
        part("leak_check", "6 Leak checks", leak_checks(report)),
        part("store", "7 Other stores", stores(wanted)),
        part("transfer", "8 Transfers", transfers(store, registry, &moves, windows).await?),
        part("refused", "9 Refused", counted(windows, &[Happening::ResidenceRefused])),
        part("change", "10 Changes", changes(&moves, windows)),
        part("exception", "11 Exceptions", exceptions()?),
        part("query", "12 Queries", queries(report)?),
        part("verdict", "13 Verdicts", report.controls.iter().map(|it| json!(it)).collect()),
        part("finding", "13 Findings", report.violations.iter().map(|it| json!(it)).collect()),
        part("gap", "13 Gaps", report.limits.iter().map(|it| json!({ "gap": it })).collect()),
    ])
}

fn scope(wanted: &Wanted, report: &Report) -> Value {
    let queries: String = sql::ALL.iter().map(|query| query.text).collect();
    json!({
        "database": report.database, "engine": report.engine, "at": report.at,
        "window_days": wanted.window_days, "regions": report.regions, "tool": TOOL,
        "query_catalogue_sha256": Hash::of(queries.as_bytes()),
    })
}

/// Which table may be where, by whom it was said.
fn policy(registry: Registry) -> Vec<Value> {
    let mut records: Vec<Value> = datamap::tables()
        .iter()
        .map(|(table, about)| {
            let allowed = match about.class {
                Class::Personal => "the home region of each row, copies under its law only",
                Class::Regional => "one region of each row",
                Class::Global => "every region",
            };
            json!({
                "table": table, "class": about.class.name(), "allowed": allowed,
                "purpose": about.purpose, "lawful_basis": about.lawful_basis,
                "retention": about.retention,
            })
        })
        .collect();
    records.extend(registry.with_rows().map(|region| {
        let law = registry.jurisdiction(region);
        json!({
            "region": region.name, "law": law.law,
            "homes": region.homes.iter().map(Country::code).collect::<Vec<_>>(),
            "approved_by": region.contacts.privacy,
        })
    }));
    records
}

fn declared(report: &Report) -> Vec<Value> {
    let of = |it: &TableReport| -> Value {
        let (promised, declared) = (&it.declared, &it.observed);
        json!({ "table": it.table, "promised": promised, "declared": declared })
    };
    report.tables.iter().map(of).collect()
}

fn observed(report: &Report) -> Vec<Value> {
    let mut records: Vec<Value> = report
        .tables
        .iter()
        .map(|it| {
            json!({
                "table": it.table, "rows": it.rows, "places": it.places, "storage": it.storage,
            })
        })
        .collect();
    if let Some(cluster) = &report.cluster {
        for (table, ranges) in &cluster.ranges {
            records.extend(ranges.iter().map(|it| json!({ "table": table, "range": it })));
        }
        for (table, zones) in &cluster.zones {
            records.extend(zones.iter().map(|it| json!({ "table": table, "zone": it })));
        }
        records.push(json!({ "super_regions": cluster.super_regions }));
    }
    records
}

fn leak_checks(report: &Report) -> Vec<Value> {
    let found = |what: &str| report.violations.iter().filter(|it| it.control == what).count();
    vec![
        json!({ "check": "personal columns in keys, indexes and GLOBAL tables",
            "found": found(KEYS) }),
        json!({ "check": "personal columns outside personal tables",
            "found": super::personal_in_global().len() }),
        json!({ "check": "sealed columns", "columns": sealed() }),
    ]
}

fn sealed() -> Vec<String> {
    datamap::tables()
        .iter()
        .flat_map(|(table, about)| about.columns.iter().map(move |it| (table, it)))
        .filter(|(_, (_, column))| column.sealed)
        .map(|(table, (column, _))| format!("{table}.{column}"))
        .collect()
}

/// Stores besides the database, and what was seen of them.
fn stores(wanted: &Wanted) -> Vec<Value> {
    let canary = match &wanted.canary {
        Some(figures) => json!({ "store": "canary run", "figures": figures }),
        None => json!({ "store": "canary run", "figures": null,
            "note": "no run was given; `make canary` makes one" }),
    };
    let mut stores: Vec<Value> = [
        ("cache", "in memory, places and offers only"),
        ("search index", "in memory, places only"),
        ("logs, traces, metrics", "routes and codes; personal types print a tag"),
        ("event stream", "ids and states only"),
        ("webhooks", "ids and states only, to addresses that travellers gave"),
        ("DNS query log", "none is written"),
    ]
    .into_iter()
    .map(|(store, holds)| json!({ "store": store, "holds": holds }))
    .collect();
    stores.push(canary);
    stores
}

/// What left its home, to whom, and what allows it.
async fn transfers(
    store: &Store,
    registry: Registry,
    moves: &[MoveRow],
    windows: &[Window],
) -> Result<Vec<Value>, Error> {
    let mut records = Vec::new();
    for (region, country, orders) in store.fresh().disclosures().await? {
        records.push(json!({
            "home": region, "recipient": "the airline that flies", "country": country,
            "orders": orders, "what": "names and dates of birth of those who fly",
            "mechanism": "Art. 49(1)(b) GDPR: the contract of carriage",
        }));
    }
    for (region, payments) in store.fresh().payments_told().await? {
        records.push(json!({
            "home": region, "recipient": "the payment provider", "payments": payments,
            "what": "a token and an amount", "mechanism": "Art. 28 GDPR: processor",
        }));
    }
    let law = |name: &str| registry.by_locality(name).map(|it| it.jurisdiction.clone());
    let mut counts: BTreeMap<(String, String), i64> = BTreeMap::new();
    for it in moves {
        *counts.entry((it.from.clone(), it.to.clone())).or_default() += 1;
    }
    for ((from, to), travellers) in counts {
        let same = law(&from) == law(&to);
        let mechanism = if same { "under one law" } else { "declared residence" };
        records.push(json!({
            "home": from, "recipient": to, "travellers": travellers, "what": "a move of the home",
            "mechanism": mechanism,
        }));
    }
    records.extend(counted(windows, &[Happening::RequestForwarded]));
    Ok(records)
}

/// Records of some kinds, their bodies as they are.
fn of_kind(windows: &[Window], kinds: &[Happening]) -> Vec<(String, Record)> {
    let wanted = |kind: &str| kinds.iter().any(|it| it.name() == kind);
    windows
        .iter()
        .flat_map(|window| window.lines.iter().map(move |line| (&window.chain, line)))
        .filter_map(|(chain, line)| Some((chain.clone(), serde_json::from_str(line).ok()?)))
        .filter(|(_, record): &(String, Record)| wanted(&record.kind))
        .collect()
}

/// Records that count: summed by chain and by everything in them but the count.
fn counted(windows: &[Window], kinds: &[Happening]) -> Vec<Value> {
    let mut sums: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (chain, record) in of_kind(windows, kinds) {
        let mut body = record.body;
        let count = body["count"].as_u64().unwrap_or(1);
        if let Some(fields) = body.as_object_mut() {
            fields.remove("count");
        }
        *sums.entry((chain, body.to_string())).or_default() += count;
    }
    sums.into_iter()
        .map(|((chain, about), count)| {
            let about: Value = serde_json::from_str(&about).unwrap_or(Value::Null);
            json!({ "region": chain, "about": about, "count": count })
        })
        .collect()
}

fn changes(moves: &[MoveRow], windows: &[Window]) -> Vec<Value> {
    let mut records: Vec<Value> = moves.iter().map(|it| json!({ "move": it })).collect();
    let kinds = [
        Happening::StaffGranted,
        Happening::KeysRotated,
        Happening::Erased,
        Happening::ErasedAgain,
        Happening::RetentionSwept,
    ];
    records.extend(of_kind(windows, &kinds).into_iter().map(|(chain, record)| {
        json!({ "region": chain, "seq": record.seq, "at": record.at, "kind": record.kind,
            "body": record.body })
    }));
    records
}

/// What is not as it should be and is known: who owns it and until when.
fn exceptions() -> Result<Vec<Value>, ReportError> {
    let text = include_str!("../../../sql/exceptions.toml");
    let list: toml::Table =
        toml::from_str(text).map_err(|error| ReportError::Exceptions(error.to_string()))?;
    let value = serde_json::to_value(list.get("exception"))
        .map_err(|error| ReportError::Exceptions(error.to_string()))?;
    Ok(value.as_array().cloned().unwrap_or_default())
}

/// The statements that an auditor asks again, and what they answered.
fn queries(report: &Report) -> Result<Vec<Value>, ReportError> {
    let result = |value: &Value| -> Result<Hash, ReportError> {
        Ok(Hash::of(&canonical(&whole(value.clone())).map_err(WriteError::from)?))
    };
    let by_table = |of: fn(&TableReport) -> Value| -> Value {
        report
            .tables
            .iter()
            .map(|it| (it.table.clone(), of(it)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let mut results: BTreeMap<&str, Value> = BTreeMap::new();
    results.insert("audit/localities", by_table(|it| json!(it.observed)));
    results.insert("audit/placements", by_table(|it| json!(it.places)));
    results.insert("audit/rows_per_region", by_table(|it| json!(it.rows)));
    results.insert("audit/storage", by_table(|it| json!(it.storage)));
    asked()
        .into_iter()
        .map(|(name, text)| {
            let base = name.split('.').next().unwrap_or(name);
            let result_sha256 = results.get(base).map(&result).transpose()?;
            Ok(json!({
                "query": name, "text_sha256": Hash::of(text.as_bytes()),
                "result_sha256": result_sha256,
            }))
        })
        .collect()
}

/// The statements of the audit, by name.
fn asked() -> Vec<(&'static str, &'static str)> {
    let both = [&sql::LOCALITIES.postgres, &sql::LOCALITIES.cockroach];
    let tables = [
        &sql::ROWS_PER_REGION,
        &sql::ROWS_ALL,
        &sql::MISPLACED_ROWS,
        &sql::MISPLACED_ORDER_ROWS,
        &sql::PLACEMENTS_COCKROACH,
        &sql::KEYS_COCKROACH,
        &sql::RANGES_COCKROACH,
        &sql::RANGE_OF_ROW_COCKROACH,
        &sql::ZONES_COCKROACH,
        &sql::SUPER_REGIONS_COCKROACH,
    ];
    let plain = [&sql::PLACEMENTS_POSTGRES, &sql::KEYS_POSTGRES, &sql::STORAGE_POSTGRES];
    let catalogue = sql::ALL.iter().copied().filter(|it| it.name.starts_with("audit/"));
    both.into_iter()
        .chain(plain)
        .chain(tables.into_iter().map(|it| &it.0))
        .chain(catalogue)
        .map(|query| (query.name, query.text))
        .collect()
}

fn queries_text() -> String {
    let mut text = String::from("-- Every statement that the audit asks; {table} is each table.\n");
    for (name, query) in asked() {
        text.push_str(&format!("\n-- {name}\n{query}"));
    }
    text
}
