//! The locality audit: for every table what was promised, what the database says, where the rows
//! are, and everything that is where it must not be, control by control.
//!
//! [`locality`] looks; [`report`] writes what was seen as a bundle that anybody can check offline;
//! [`traveller`] shows the rows of one person, without what is in them.

pub mod chains;
pub mod cluster;
pub mod controls;
pub mod judge;
pub mod page;
pub mod report;
pub mod traveller;

use std::collections::{BTreeMap, BTreeSet};

use meridian_regions::{RegionId, Registry};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use self::cluster::{Answers, Cluster};
use self::controls::{
    ACCOUNTS, CLASSES, CONSTRAINTS, Control, DIRECTORY, FRESHNESS, GAPS, Id, KEYS, LEADERS, MAPPED,
    PARTITIONS, REPLICAS, REQUESTS, ROWS, SAMPLES, SUPER_REGIONS, Violation,
};
use self::traveller::Held;
use crate::store::audit::{Misplaced, Owner, RowsPerRegion, Stored};
use crate::store::datamap::{self, Class};
use crate::store::{Error, Store};

/// Tables of our tools, which hold nothing of ours.
const TOOLS: &[&str] = &["refinery_schema_history"];
/// Accounts of each region whose rows are looked at one by one.
pub const SAMPLES_USUAL: i64 = 20;

/// What the audit found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Which database answered.
    pub engine: String,
    /// Its name.
    pub database: String,
    /// When, by its clock, RFC 3339.
    pub at: String,
    /// The regions that may hold rows.
    pub regions: Vec<String>,
    /// Table by table.
    pub tables: Vec<TableReport>,
    /// Rows of sampled travellers, and where they lie.
    pub samples: Vec<Sample>,
    /// What a CockroachDB cluster says of its copies; nothing on PostgreSQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
    /// Every control and what became of it.
    pub controls: Vec<Control>,
    /// Everything that is where it must not be. Empty is what we promise.
    pub violations: Vec<Violation>,
    /// What this audit cannot see, so that nobody believes it did.
    pub limits: Vec<String>,
}

/// What was found of one table.
#[derive(Debug, Serialize)]
pub struct TableReport {
    /// Its name.
    pub table: String,
    /// Its class by the data map.
    pub class: Class,
    /// What its class promises on this engine.
    pub declared: String,
    /// What the engine says.
    pub observed: String,
    /// Rows by region.
    pub rows: RowsPerRegion,
    /// Where the rows of each region lie, as the engine says.
    pub places: BTreeMap<String, Vec<String>>,
    /// The files that hold them, on PostgreSQL.
    pub storage: Vec<Stored>,
}

/// The rows of sampled travellers of one region.
#[derive(Debug, Serialize)]
pub struct Sample {
    /// Whose.
    pub region: String,
    /// How many travellers.
    pub travellers: usize,
    /// Rows by the place that holds them.
    pub places: BTreeMap<String, i64>,
    /// Rows that lie elsewhere.
    pub elsewhere: i64,
}

/// Audits a database against the data map and the regions.
pub async fn locality(store: &Store, registry: &Registry) -> Result<Report, Error> {
    look(store, *registry, SAMPLES_USUAL, None).await
}

/// The same, with so many travellers of each region, or of one region only, looked at one by one.
pub async fn look(
    store: &Store,
    registry: Registry,
    samples: i64,
    only: Option<RegionId>,
) -> Result<Report, Error> {
    let (database, at) = store.fresh().identity().await?;
    let mut violations = unmapped(store).await?;
    violations.extend(personal_in_global());
    violations.extend(personal_in_keys(store, &database).await?);
    let tables = tables(store, registry, &mut violations).await?;
    violations.extend(of(ACCOUNTS, store.fresh().misplaced_travellers(&registry).await?));
    violations.extend(of(DIRECTORY, store.fresh().misplaced_directory().await?));
    let cluster = match store.engine().is_cockroach() {
        true => Some(Cluster::read(&ask(store, registry, &database).await?)),
        false => None,
    };
    if let Some(cluster) = &cluster {
        violations.extend(judge::judge(registry, cluster));
    }
    let regions: Vec<RegionId> =
        registry.with_rows().filter(|it| only.is_none_or(|only| only == *it)).collect();
    let samples = sample(store, &regions, samples, &mut violations).await?;
    violations.extend(chains::hold(store).await?);
    for region in registry.with_rows() {
        violations.extend(chains::freshness(store, region).await?);
    }
    for (region, kind, requests) in store.fresh().overdue().await? {
        let why = format!("{requests} were not answered within the month that the law gives");
        violations.push(Violation::new(REQUESTS, "privacy_request", &region, &kind, why));
    }
    let regions = registry.with_rows().map(|region| region.name.clone()).collect();
    let controls = controls::verdicts(&violations, &unseen(store));
    let (engine, at) = (store.engine().to_string(), at.to_string());
    let limits = limits(store);
    Ok(Report {
        engine,
        database,
        at,
        regions,
        tables,
        samples,
        cluster,
        controls,
        violations,
        limits,
    })
}

fn of(control: Id, found: Vec<Misplaced>) -> impl Iterator<Item = Violation> {
    let violation = move |it: Misplaced| Violation {
        control,
        table: it.table,
        region: it.region,
        what: it.what,
        why: it.why,
    };
    found.into_iter().map(violation)
}

/// Every table of the data map: promised, declared, and where its rows are.
async fn tables(
    store: &Store,
    registry: Registry,
    violations: &mut Vec<Violation>,
) -> Result<Vec<TableReport>, Error> {
    let localities = store.localities().await?;
    let mut tables = Vec::new();
    for (name, table) in datamap::tables() {
        let declared = declared(table.class, store.engine().is_cockroach());
        let observed =
            localities.get(name).cloned().unwrap_or_else(|| "there is no such table".into());
        if observed != declared {
            let why = format!("{declared} was promised, {observed} is there");
            violations.push(Violation::new(CLASSES, name, "every region", "the table", why));
        }
        let rows = store.fresh().rows_per_region(name, table.class).await?;
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut storage = Vec::new();
        if table.class == Class::Personal {
            for (region, place) in store.placements(name).await? {
                places.entry(region).or_default().push(place);
            }
            violations.extend(unknown_places(registry, name, &places));
            if let Some(owner) = owner(name) {
                let found = store.fresh().misplaced_rows(name, owner).await?;
                violations.extend(of(ROWS, found));
            }
            if !store.engine().is_cockroach() {
                storage = store.storage(name).await?;
            }
        }
        violations.extend(unknown_regions(registry, name, table.class, &rows));
        let (table, class, declared) = (name.clone(), table.class, declared.to_owned());
        tables.push(TableReport { table, class, declared, observed, rows, places, storage });
    }
    Ok(tables)
}

/// Asks a CockroachDB cluster everything that it says of its copies.
async fn ask(store: &Store, registry: Registry, database: &str) -> Result<Answers, Error> {
    let mut answers =
        Answers { super_regions: store.super_regions(database).await?, ..Answers::default() };
    for (name, table) in datamap::tables() {
        if table.class != Class::Personal {
            continue;
        }
        let (ranges, zones) = store.ranges(name).await?;
        answers.ranges.insert(name.clone(), ranges);
        answers.zones.insert(name.clone(), zones);
        let mut begins = BTreeMap::new();
        for region in registry.with_rows() {
            if let Some(key) = store.keys_begin(name, &region.locality).await? {
                begins.insert(region.locality.clone(), key);
            }
        }
        answers.begins.insert(name.clone(), begins);
    }
    Ok(answers)
}

/// Looks at some travellers of each region, row by row.
async fn sample(
    store: &Store,
    regions: &[RegionId],
    most: i64,
    violations: &mut Vec<Violation>,
) -> Result<Vec<Sample>, Error> {
    let mut samples = Vec::new();
    for region in regions.iter().copied() {
        let mut people = store.fresh().sample_travellers(region, Uuid::new_v4(), most).await?;
        let short = most - i64::try_from(people.len()).unwrap_or(most);
        if short > 0 {
            // From the begin, as far as the first look did not get there.
            let before = store.fresh().sample_travellers(region, Uuid::nil(), short).await?;
            people.extend(before.into_iter().filter(|it| !people.contains(it)).collect::<Vec<_>>());
        }
        let mut places: BTreeMap<String, i64> = BTreeMap::new();
        let mut elsewhere = 0;
        for person in &people {
            for Held { table, place, rows, at_home } in traveller::held(store, *person).await? {
                *places.entry(place.clone()).or_default() += rows;
                if !at_home {
                    elsewhere += rows;
                    let what = format!("{rows} rows of a sampled traveller");
                    let why = format!("they lie in {place}");
                    violations.push(Violation::new(SAMPLES, &table, &region.locality, &what, why));
                }
            }
        }
        let travellers = people.len();
        samples.push(Sample { region: region.name.clone(), travellers, places, elsewhere });
    }
    Ok(samples)
}

/// What a class promises, in the engine's words.
fn declared(class: Class, cockroach: bool) -> &'static str {
    match (class, cockroach) {
        (Class::Personal, false) => "partitioned by LIST (region)",
        (Class::Regional | Class::Global, false) => "one table",
        (Class::Personal | Class::Regional, true) => "REGIONAL BY ROW AS region",
        (Class::Global, true) => "GLOBAL",
    }
}

/// To what a personal table's rows belong, read off its columns.
fn owner(table: &str) -> Option<Owner> {
    let columns = &datamap::tables().get(table)?.columns;
    if columns.contains_key("order_id") {
        Some(Owner::Order)
    } else if columns.contains_key("traveller_id") {
        Some(Owner::Traveller)
    } else {
        None
    }
}

/// Tables and columns that nobody has said what they hold.
async fn unmapped(store: &Store) -> Result<Vec<Violation>, Error> {
    let map = datamap::tables();
    let partitions: BTreeSet<String> = partitions(store).await?;
    let columns = store.fresh().columns().await?;
    let why = "the data map does not say what this holds";
    Ok(columns
        .iter()
        .filter(|(table, _)| !TOOLS.contains(&table.as_str()) && !partitions.contains(table))
        .filter(|(table, column)| {
            !map.get(table).is_some_and(|about| about.columns.contains_key(column))
        })
        .map(|(table, column)| Violation::new(MAPPED, table, "every region", column, why))
        .collect())
}

/// On PostgreSQL a partition is a table of its own in the catalogue.
async fn partitions(store: &Store) -> Result<BTreeSet<String>, Error> {
    let mut names = BTreeSet::new();
    if store.engine().is_cockroach() {
        return Ok(names);
    }
    let personal = datamap::tables().iter().filter(|(_, table)| table.class == Class::Personal);
    for (name, _) in personal {
        names.extend(store.placements(name).await?.into_iter().map(|(_, place)| place));
    }
    Ok(names)
}

/// A GLOBAL table is a copy in every region, so it may stand for a person but never tell of one.
fn personal_in_global() -> Vec<Violation> {
    let why = "personal data outside a home region";
    datamap::tables()
        .iter()
        .filter(|(_, table)| table.class != Class::Personal)
        .flat_map(|(name, table)| {
            let telling = table.columns.iter().filter(|(_, column)| column.category.tells());
            telling.map(move |(column, _)| Violation::new(KEYS, name, "every region", column, why))
        })
        .collect()
}

/// What is in a key or an index shows up in plans, in ranges and in statistics.
async fn personal_in_keys(store: &Store, database: &str) -> Result<Vec<Violation>, Error> {
    let map = datamap::tables();
    let telling = |table: &str, column: &str| {
        let about = map.get(table).and_then(|it| it.columns.get(column));
        about.is_some_and(|it| it.category.tells())
    };
    let keys = store.keys(database).await?;
    Ok(keys
        .iter()
        .filter(|[table, _, column]| telling(table, column))
        .map(|[table, index, column]| {
            let why = format!("personal data in the index {index}");
            Violation::new(KEYS, table, "every region", column, why)
        })
        .collect())
}

fn unknown_regions(
    registry: Registry,
    table: &str,
    class: Class,
    rows: &RowsPerRegion,
) -> Vec<Violation> {
    if class == Class::Global {
        return Vec::new();
    }
    let known = |name: &str| registry.with_rows().any(|region| region.locality == name);
    rows.iter()
        .filter(|(region, _)| !known(region))
        .map(|(region, count)| {
            let why = "regions/ has no such region with rows";
            Violation::new(ROWS, table, region, &format!("{count} rows"), why)
        })
        .collect()
}

/// Partitions that are of no region.
fn unknown_places(
    registry: Registry,
    table: &str,
    places: &BTreeMap<String, Vec<String>>,
) -> Vec<Violation> {
    let known = |region: &str| -> Option<RegionId> { registry.by_locality(region) };
    places
        .iter()
        .filter(|(region, _)| known(region).is_none())
        .map(|(region, places)| {
            let why = "this partition is of no region in regions/";
            Violation::new(PARTITIONS, table, region, &places.join(", "), why)
        })
        .collect()
}

/// Controls that this database cannot show, and why.
fn unseen(store: &Store) -> Vec<(Id, &'static str)> {
    if store.engine().is_cockroach() {
        return Vec::new();
    }
    let why =
        "PostgreSQL runs in one place and has no ranges; its partitions are looked at instead";
    [REPLICAS, LEADERS, CONSTRAINTS, GAPS, SUPER_REGIONS].map(|id| (id, why)).to_vec()
}

fn limits(store: &Store) -> Vec<String> {
    let mut limits: Vec<String> = [
        "what other companies keep (airlines, the payment provider) is not in this database",
        "backups are not looked at; they are told whom to forget again when they are restored",
        "logs, traces and metrics are not looked at by this audit; the canary run searches them",
        "whoever rules the database could take away what happened until it is linked, about a \
         second, and rewrite the chain until it is signed, at most ten minutes",
        "a database believes the place that its machines say they are in",
    ]
    .map(str::to_owned)
    .to_vec();
    limits.push(match store.engine().is_cockroach() {
        true => "keys of rows may be in the cluster's own tables, which are copied to all regions \
                 (cockroach issues 70913 to 70916): hence random ids and nothing personal in keys; \
                 deleted rows stay readable for the time of gc.ttlseconds; the database may \
                 override a constraint to save data"
            .to_owned(),
        false => {
            "PostgreSQL runs in one place: a partition shows the split of the rows by region, \
                  not where a disk stands; on CockroachDB the same tables are REGIONAL BY ROW"
                .to_owned()
        }
    });
    limits
}

/// What a worker looks at every few minutes: its own region's rows, their places and its evidence.
pub async fn glance(
    store: &Store,
    registry: Registry,
    region: RegionId,
    samples: i64,
) -> Result<(i64, Value), Error> {
    let mut violations = Vec::new();
    let mut tables = serde_json::Map::new();
    for (name, table) in datamap::tables().iter().filter(|(_, it)| it.class == Class::Personal) {
        let rows = store.fresh().rows_in_region(name, region).await?;
        let places = store.placements(name).await?.into_iter().fold(
            BTreeMap::<String, Vec<String>>::new(),
            |mut places, (region, place)| {
                places.entry(region).or_default().push(place);
                places
            },
        );
        violations.extend(unknown_places(registry, name, &places));
        let declared = declared(table.class, store.engine().is_cockroach());
        tables.insert(name.clone(), json!({ "rows": rows, "promised": declared }));
    }
    sample(store, &[region], samples, &mut violations).await?;
    violations.extend(chains::freshness(store, region).await?);
    for (of, kind, requests) in store.fresh().overdue().await? {
        if of == region.locality {
            let why = format!("{requests} were not answered within the month that the law gives");
            violations.push(Violation::new(REQUESTS, "privacy_request", &of, &kind, why));
        }
    }
    let seen = [PARTITIONS, SAMPLES, FRESHNESS, REQUESTS];
    let controls: Vec<Control> = controls::verdicts(&violations, &[])
        .into_iter()
        .filter(|it| seen.contains(&it.control))
        .collect();
    let count = i64::try_from(violations.len()).unwrap_or(i64::MAX);
    Ok((count, json!({ "tables": tables, "controls": controls, "violations": violations })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_map_keeps_people_out_of_global_tables() {
        assert_eq!(personal_in_global(), []);
    }
}
