//! How a server is: for people, for tools, and as gauges for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::policy::Condition;
use crate::state::Override;

/// How a server is.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Each region: what counts, what the probes found, and what was ordered.
    pub regions: BTreeMap<String, RegionStatus>,
    /// Whether the probes are not believed because most regions turned sick at once.
    pub holding: bool,
    /// The day the address table was made, `yyyymmdd`.
    pub geo_db_build_date: u32,
    /// Its age in days.
    pub geo_db_age_days: i32,
    /// The zones that are served.
    pub zones: Vec<String>,
    /// How often files were read again, and how it went.
    pub loads: Loads,
}

/// How a region is.
#[derive(Clone, Debug, Serialize)]
pub struct RegionStatus {
    /// What answers go by.
    pub condition: Condition,
    /// What the probes found.
    pub found: Condition,
    /// What an operator ordered.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    pub order: Option<Override>,
}

/// How often files were read again since the start.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Loads {
    /// Taken into use.
    pub taken: u64,
    /// Refused, with the reason in the log; what was in use stayed.
    pub refused: u64,
    /// Of those taken into use, how many brought a new address database.
    pub geo_db: u64,
}

impl Status {
    /// Gauges in the Prometheus text exposition format, version 0.0.4.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, rows: Vec<(String, String)>| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in rows {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        let conditions = self.regions.iter().flat_map(|(name, region)| {
            [Condition::Healthy, Condition::Sick, Condition::Draining].map(|condition| {
                let state = format!("{condition:?}").to_lowercase();
                let value = u8::from(region.condition == condition).to_string();
                (format!("{{region=\"{name}\",state=\"{state}\"}}"), value)
            })
        });
        family(
            "geo_routing_region_state",
            "gauge",
            "1 for the state that answers go by.",
            conditions.collect(),
        );
        let ordered = self.regions.iter().map(|(name, region)| {
            let value = u8::from(region.order.is_some()).to_string();
            (format!("{{region=\"{name}\"}}"), value)
        });
        family(
            "geo_routing_region_override",
            "gauge",
            "1 while an operator's order is there.",
            ordered.collect(),
        );
        let outcomes = [("taken", self.loads.taken), ("refused", self.loads.refused)];
        let outcomes =
            outcomes.map(|(it, count)| (format!("{{outcome=\"{it}\"}}"), count.to_string()));
        family(
            "geo_routing_loads_total",
            "counter",
            "Files read again, by outcome.",
            outcomes.into(),
        );
        for (name, kind, help, value) in [
            (
                "geo_routing_probes_disbelieved",
                "gauge",
                "1 while the last good set is kept against the probes.",
                u64::from(self.holding),
            ),
            (
                "geo_routing_geo_db_age_days",
                "gauge",
                "Days since the address table was made.",
                u64::try_from(self.geo_db_age_days).unwrap_or(0),
            ),
            (
                "geo_routing_geo_db_loads_total",
                "counter",
                "Address databases taken into use since the start.",
                self.loads.geo_db,
            ),
        ] {
            family(name, kind, help, vec![(String::new(), value.to_string())]);
        }
        text
    }
}
