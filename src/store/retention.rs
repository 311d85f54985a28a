//! Deleting what was kept for its time, as the data map says it, and how old what is left is.

use meridian_regions::RegionId;

use super::datamap::{Class, Keep, Map};
use super::read::Params;
use super::{Error, Reader, Tx, sql};

/// A line of the sweeper's work list.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Rule {
    /// Which table.
    pub table: String,
    /// Where its rows are.
    pub class: Class,
    /// By which time.
    pub by: String,
    /// So many days after it.
    pub days: i64,
    /// The statement that deletes them.
    pub swept: String,
}

/// The work list of a map.
pub fn rules(map: &Map) -> Vec<Rule> {
    map.iter()
        .filter_map(|(table, about)| match &about.keep {
            Keep::Aged { by, days, swept } => Some(Rule {
                table: table.clone(),
                class: about.class,
                by: by.clone(),
                days: *days,
                swept: swept.clone(),
            }),
            Keep::With { .. } | Keep::Never { .. } => None,
        })
        .collect()
}

impl Rule {
    /// Whether the sweeper carries it out; the others have a purge of their own.
    pub fn is_swept_here(&self) -> bool {
        matches!(self.swept.as_str(), "aged" | "orders_forget" | "travellers_forget")
    }
}

impl Tx {
    /// Deletes what a rule of the work list says is over; how many rows.
    pub async fn retention_sweep(&self, home: RegionId, rule: &Rule) -> Result<u64, Error> {
        let params: &Params<'_> = &[&home.locality, &rule.days];
        match (rule.swept.as_str(), rule.class) {
            ("orders_forget", _) => self.run(&sql::retention::orders_forget, params).await,
            ("travellers_forget", _) => self.run(&sql::retention::travellers_forget, params).await,
            (_, Class::Global) => {
                let text = sql::SWEEP_AGED_GLOBAL.select(&rule.table, &rule.by);
                self.run_text(&text, &[&rule.days]).await
            }
            _ => self.run_text(&sql::SWEEP_AGED.select(&rule.table, &rule.by), params).await,
        }
    }
}

impl Reader<'_> {
    /// How long the oldest row of a rule has been past its time's begin, by region, in seconds;
    /// negative when that is still to come.
    pub async fn oldest(&self, rule: &Rule) -> Result<Vec<(String, i64)>, Error> {
        let query = match rule.class {
            Class::Global => &sql::OLDEST_GLOBAL,
            Class::Personal | Class::Regional => &sql::OLDEST,
        };
        let rows = self.text(query.0.name, &query.select(&rule.table, &rule.by)).await?;
        Ok(rows.iter().map(|row| (row.get("region"), row.get("age"))).collect())
    }
}
