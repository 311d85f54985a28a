//! From `regions/` to the database: which statements make it hold the listed regions.
//!
//! Planning only reads. On PostgreSQL a region is a partition of every personal table; on
//! CockroachDB it is a region of the database, inside the super region of its jurisdiction.

use std::collections::{BTreeMap, BTreeSet};

use meridian_regions::Registry;

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

pub(super) async fn plan(
    client: &tokio_postgres::Client,
    engine: Engine,
    url: &DatabaseUrl,
    registry: &Registry,
) -> Result<Vec<String>, Error> {
    let question = if engine.is_cockroach() { PRESENT_COCKROACH } else { PRESENT_POSTGRES };
    #[expect(
        clippy::disallowed_methods,
        reason = "the migrator's own connection, outside the pool"
    )]
    let rows = client.query(question, &[]).await?;
    let present: BTreeSet<String> = rows.iter().filter_map(|row| row.get(0)).collect();
    Ok(if engine.is_cockroach() {
        cockroach(registry, url.database_name(), &present)
    } else {
        postgres(registry, &present)
    })
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

/// Fills a template with names from `regions/` and the data map, which are checked identifiers.
fn fill(template: &str, names: &[(&str, &str)]) -> String {
    let mut text: String =
        template.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    for (key, value) in names {
        text = text.replace(&format!("{{{key}}}"), value);
    }
    text
}
