//! From `regions/` to the database: which statements make it hold the listed regions.
//!
//! Planning only reads. On PostgreSQL a region is a partition of every personal table; on
//! CockroachDB it is a region of the database, inside the super region of its jurisdiction.

use std::collections::{BTreeMap, BTreeSet};

use meridian_regions::{RegionId, Registry};
use serde::{Deserialize, Serialize};

use super::connect::DatabaseUrl;
use super::datamap::{self, Class};
use super::engine::Engine;
use super::error::Error;

const PARTITION: &str = include_str!("../../sql/regions/partition.postgres.sql");
const PRESENT_POSTGRES: &str = include_str!("../../sql/regions/present.postgres.sql");
const PRESENT_COCKROACH: &str = include_str!("../../sql/regions/present.cockroach.sql");
const PRIMARY_REGION: &str = include_str!("../../sql/regions/primary_region.cockroach.sql");
const ADD_REGION: &str = include_str!("../../sql/regions/add_region.cockroach.sql");
const SESSION_COCKROACH: &str = include_str!("../../sql/regions/session.cockroach.sql");
const SUPER_REGION: &str = include_str!("../../sql/regions/super_region.cockroach.sql");
const SUPER_REGION_CHANGE: &str =
    include_str!("../../sql/regions/super_region_change.cockroach.sql");
const SUPER_REGION_DROP: &str = include_str!("../../sql/regions/super_region_drop.cockroach.sql");
const DROP_REGION: &str = include_str!("../../sql/regions/drop_region.cockroach.sql");
const DROP_PARTITION: &str = include_str!("../../sql/regions/drop_partition.postgres.sql");

pub(super) async fn plan(
    client: &tokio_postgres::Client,
    engine: Engine,
    url: &DatabaseUrl,
    registry: &Registry,
) -> Result<Vec<String>, Error> {
    let present = present(client, engine).await?;
    Ok(if engine.is_cockroach() {
        cockroach(registry, url.database_name(), &present)
    } else {
        postgres(registry, &present)
    })
}

/// The regions that a CockroachDB database has, or the partitions of a PostgreSQL one.
pub(super) async fn present(
    client: &tokio_postgres::Client,
    engine: Engine,
) -> Result<BTreeSet<String>, Error> {
    let question = if engine.is_cockroach() { PRESENT_COCKROACH } else { PRESENT_POSTGRES };
    #[expect(
        clippy::disallowed_methods,
        reason = "the migrator's own connection, outside the pool"
    )]
    let rows = client.query(question, &[]).await?;
    Ok(rows.iter().filter_map(|row| row.get(0)).collect())
}

/// What the migrator's session must be told before anything else.
pub(super) fn session(cockroach: bool) -> Vec<String> {
    if cockroach { vec![fill(SESSION_COCKROACH, &[])] } else { Vec::new() }
}

/// Each personal table's partition for each region, as far as it is not present yet.
pub fn postgres(registry: &Registry, present: &BTreeSet<String>) -> Vec<String> {
    let personal: Vec<&String> = datamap::tables()
        .iter()
        .filter(|(_, table)| table.class == Class::Personal)
        .map(|(name, _)| name)
        .collect();
    let mut statements = Vec::new();
    for region in registry.with_rows() {
        let absent = |table: &&&String| !present.contains(&format!("{table}_{}", region.locality));
        for table in personal.iter().filter(absent) {
            let names = [("table", table.as_str()), ("region", region.locality.as_str())];
            statements.push(fill(PARTITION, &names));
        }
    }
    statements
}

/// The primary first, then the others, then a super region for each law whose regions are all new.
pub fn cockroach(registry: &Registry, database: &str, present: &BTreeSet<String>) -> Vec<String> {
    let mut statements = Vec::new();
    let primary = registry.primary();
    if present.is_empty() {
        let names = [("database", database), ("region", primary.locality.as_str())];
        statements.push(fill(PRIMARY_REGION, &names));
    }
    let mut laws: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let regions: Vec<_> = registry.with_rows().collect();
    for region in &regions {
        if *region != primary && !present.contains(&region.locality) {
            let names = [("database", database), ("region", region.locality.as_str())];
            statements.push(fill(ADD_REGION, &names));
        }
        laws.entry(&region.jurisdiction).or_default().push(format!("\"{}\"", region.locality));
    }
    // A super region of fewer than three rules SURVIVE REGION FAILURE out, so the goal is left at
    // CockroachDB's default: the loss of a zone.
    // Changing a super region moves data, so only `meridian regions` does that, as a planned step.
    if present.is_empty() {
        for (law, members) in laws {
            let members = members.join(", ");
            let names = [("database", database), ("jurisdiction", law), ("regions", &members)];
            statements.push(fill(SUPER_REGION, &names));
        }
    }
    statements
}

/// A statement about the database's regions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The statement.
    pub text: String,
    /// The region or partition that is there afterwards, or is not; as `present` names it.
    pub names: String,
    /// What becomes of that.
    pub makes: Makes,
}

/// What a change makes of what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Makes {
    /// It is there afterwards.
    Room,
    /// It is gone afterwards.
    Nothing,
    /// Something else.
    Order,
}

impl Change {
    /// Whether there is nothing to do any more: neither may be said twice.
    pub fn is_done(&self, present: &BTreeSet<String>) -> bool {
        match self.makes {
            Makes::Room => present.contains(&self.names),
            Makes::Nothing => !present.contains(&self.names),
            Makes::Order => false,
        }
    }
}

/// What makes the database hold one more region. On CockroachDB its law's super region is made, or
/// told its whole new list.
pub fn add(registry: &Registry, region: RegionId, database: Option<&str>) -> Vec<Change> {
    let Some(database) = database else {
        return each_personal(PARTITION, region, Makes::Room);
    };
    let others = same_law(registry, region);
    let template = if others.is_empty() { SUPER_REGION } else { SUPER_REGION_CHANGE };
    let law = law(template, database, region, others.into_iter().chain([region]));
    vec![of_database(ADD_REGION, database, region, Makes::Room), law]
}

/// What makes the database hold one region less; nothing of it may be left.
pub fn remove(registry: &Registry, region: RegionId, database: Option<&str>) -> Vec<Change> {
    let Some(database) = database else {
        return each_personal(DROP_PARTITION, region, Makes::Nothing);
    };
    let others = same_law(registry, region);
    let template = if others.is_empty() { SUPER_REGION_DROP } else { SUPER_REGION_CHANGE };
    let law = law(template, database, region, others);
    vec![law, of_database(DROP_REGION, database, region, Makes::Nothing)]
}

fn of_database(template: &str, database: &str, region: RegionId, makes: Makes) -> Change {
    let names = [("database", database), ("region", region.locality.as_str())];
    Change { text: fill(template, &names), names: region.locality.clone(), makes }
}

/// The other regions with rows under a region's law.
fn same_law(registry: &Registry, region: RegionId) -> Vec<RegionId> {
    let others = registry.with_rows();
    others.filter(|it| *it != region && it.jurisdiction == region.jurisdiction).collect()
}

fn law(
    template: &str,
    database: &str,
    region: RegionId,
    members: impl IntoIterator<Item = RegionId>,
) -> Change {
    let mut members: Vec<String> =
        members.into_iter().map(|it| format!("\"{}\"", it.locality)).collect();
    members.sort();
    let (jurisdiction, members) = (region.jurisdiction.as_str(), members.join(", "));
    let names = [("database", database), ("jurisdiction", jurisdiction), ("regions", &members)];
    Change { text: fill(template, &names), names: jurisdiction.to_owned(), makes: Makes::Order }
}

/// A statement for a region's part of each personal table.
fn each_personal(template: &str, region: RegionId, makes: Makes) -> Vec<Change> {
    let personal = datamap::tables().iter().filter(|(_, table)| table.class == Class::Personal);
    let change = |table: &str| {
        let names = [("table", table), ("region", region.locality.as_str())];
        Change {
            text: fill(template, &names),
            names: format!("{table}_{}", region.locality),
            makes,
        }
    };
    personal.map(|(table, _)| change(table)).collect()
}

/// Fills a template with names from `regions/` and the data map, which are checked identifiers.
fn fill(template: &str, names: &[(&str, &str)]) -> String {
    let mut text: String =
        template.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    for (key, value) in names {
        text = text.replace(&format!("{{{key}}}"), value);
    }
    text
}
