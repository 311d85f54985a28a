//! The locality audit: for every table what was promised, what the database says, where the rows
//! are, and everything that is where it must not be.

use std::collections::{BTreeMap, BTreeSet};

use meridian_regions::Registry;
use serde::Serialize;

use crate::store::audit::{Misplaced, Owner, RowsPerRegion};
use crate::store::datamap::{self, Category, Class};
use crate::store::{Error, Store};

/// Tables of our tools, which hold nothing of ours.
const TOOLS: &[&str] = &["refinery_schema_history"];

/// What the audit found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Which database answered.
    pub engine: String,
    /// The regions that may hold rows.
    pub regions: Vec<String>,
    /// Table by table.
    pub tables: Vec<TableReport>,
    /// Everything that is where it must not be. Empty is what we promise.
    pub violations: Vec<Misplaced>,
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
}

/// Audits a database against the data map and the regions.
pub async fn locality(store: &Store, registry: &Registry) -> Result<Report, Error> {
    let mut violations = unmapped(store).await?;
    violations.extend(personal_in_global());
    let localities = store.localities().await?;
    let mut tables = Vec::new();
    for (name, table) in datamap::tables() {
        let declared = declared(table.class, store.engine().is_cockroach());
        let observed =
            localities.get(name).cloned().unwrap_or_else(|| "there is no such table".into());
        if observed != declared {
            let why = format!("{declared} was promised, {observed} is there");
            violations.push(misplaced(name, "every region", "the table", why));
        }
        let rows = store.fresh().rows_per_region(name, table.class).await?;
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        if table.class == Class::Personal {
            for (region, place) in store.placements(name).await? {
                places.entry(region).or_default().push(place);
            }
            violations.extend(foreign_places(registry, store, name, &places));
            if let Some(owner) = owner(name) {
                violations.extend(store.fresh().misplaced_rows(name, owner).await?);
            }
        }
        violations.extend(unknown_regions(registry, name, table.class, &rows));
        let table_report = TableReport {
            table: name.clone(),
            class: table.class,
            declared: declared.to_owned(),
            observed,
            rows,
            places,
        };
        tables.push(table_report);
    }
    violations.extend(store.fresh().misplaced_travellers(registry).await?);
    violations.extend(store.fresh().misplaced_directory().await?);
    let regions = registry.with_rows().map(|region| region.name.clone()).collect();
    let engine = store.engine().to_string();
    Ok(Report { engine, regions, tables, violations, limits: limits(store) })
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

fn misplaced(table: &str, region: &str, what: &str, why: impl Into<String>) -> Misplaced {
    Misplaced { table: table.into(), region: region.into(), what: what.into(), why: why.into() }
}

/// Tables and columns that nobody has said what they hold.
async fn unmapped(store: &Store) -> Result<Vec<Misplaced>, Error> {
    let map = datamap::tables();
    let partitions: BTreeSet<String> = partitions(store).await?;
    let columns = store.fresh().columns().await?;
    Ok(columns
        .iter()
        .filter(|(table, _)| !TOOLS.contains(&table.as_str()) && !partitions.contains(table))
        .filter(|(table, column)| {
            !map.get(table).is_some_and(|about| about.columns.contains_key(column))
        })
        .map(|(table, column)| {
            misplaced(table, "every region", column, "the data map does not say what this holds")
        })
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
fn personal_in_global() -> Vec<Misplaced> {
    datamap::tables()
        .iter()
        .filter(|(_, table)| table.class != Class::Personal)
        .flat_map(|(name, table)| {
            table
                .columns
                .iter()
                .filter(|(_, column)| {
                    !matches!(column.category, Category::None | Category::Pseudonym)
                })
                .map(move |(column, _)| {
                    misplaced(name, "every region", column, "personal data outside a home region")
                })
        })
        .collect()
}

fn unknown_regions(
    registry: &Registry,
    table: &str,
    class: Class,
    rows: &RowsPerRegion,
) -> Vec<Misplaced> {
    if class == Class::Global {
        return Vec::new();
    }
    let known = |name: &str| registry.with_rows().any(|region| region.locality == name);
    rows.iter()
        .filter(|(region, _)| !known(region))
        .map(|(region, count)| {
            let why = "regions/ has no such region with rows";
            misplaced(table, region, &format!("{count} rows"), why)
        })
        .collect()
}

/// Places outside the law of the region whose rows they hold.
fn foreign_places(
    registry: &Registry,
    store: &Store,
    table: &str,
    places: &BTreeMap<String, Vec<String>>,
) -> Vec<Misplaced> {
    let mut found = Vec::new();
    for (region, places) in places {
        let Some(home) = registry.by_locality(region) else {
            let why = "this partition is of no region in regions/";
            found.push(misplaced(table, region, &places.join(", "), why));
            continue;
        };
        if !store.engine().is_cockroach() {
            continue;
        }
        for name in places.iter().flat_map(|config| constrained_regions(config)) {
            let same_law = registry
                .by_locality(&name)
                .is_some_and(|place| place.jurisdiction == home.jurisdiction);
            if !same_law {
                let why = format!("a replica of {region}'s rows may lie there, under another law");
                found.push(misplaced(table, &name, "replicas", why));
            }
        }
    }
    found
}

/// The regions that a zone configuration names: `constraints = '{+region=a: 1}'`.
fn constrained_regions(config: &str) -> BTreeSet<String> {
    config
        .split("+region=")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next())
        .map(str::to_owned)
        .collect()
}

fn limits(store: &Store) -> Vec<String> {
    let mut limits = vec![
        "what other companies keep (airlines, the payment provider) is not in this database".into(),
        "backups and logs are not looked at".into(),
    ];
    if !store.engine().is_cockroach() {
        limits.push(
            "PostgreSQL runs in one place: a partition shows the split of the rows by region, not \
             where a disk stands; on CockroachDB the same tables are REGIONAL BY ROW"
                .into(),
        );
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_configurations_are_read() {
        let config = "ALTER PARTITION … USING num_replicas = 4, constraints = \
                      '{+region=eu-central: 1, +region=eu-west: 1}', \
                      lease_preferences = '[[+region=eu-central]]'";
        let regions: Vec<String> = constrained_regions(config).into_iter().collect();
        assert_eq!(regions, ["eu-central", "eu-west"]);
    }

    #[test]
    fn the_data_map_keeps_people_out_of_global_tables() {
        assert_eq!(personal_in_global(), []);
    }
}
