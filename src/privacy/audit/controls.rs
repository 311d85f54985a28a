//! What the audit checks, one control at a time, each with a name that stays: kept, violated, or
//! not to be seen on this database, which is said and never taken for kept.

use serde::Serialize;

/// A control's name.
pub type Id = &'static str;

/// Every table and column is explained.
pub const MAPPED: Id = "LOC-01";
/// Every table is split as its class promises.
pub const CLASSES: Id = "LOC-02";
/// Every copy of a personal range is under the law of its rows' home.
pub const REPLICAS: Id = "LOC-03";
/// Whoever leads such a range is, too.
pub const LEADERS: Id = "LOC-04";
/// Every partition tells all of its copies where to be, under that law only.
pub const CONSTRAINTS: Id = "LOC-05";
/// No key lies outside the partitions.
pub const GAPS: Id = "LOC-06";
/// Regions that keep copies among themselves are under one law.
pub const SUPER_REGIONS: Id = "LOC-07";
/// Nothing personal is in a key, an index, or a table that is copied everywhere.
pub const KEYS: Id = "LOC-08";
/// Every partition is of a region that may hold rows.
pub const PARTITIONS: Id = "LOC-09";
/// Every row is with its traveller or its order, in a region that is known.
pub const ROWS: Id = "LOC-10";
/// Every account is where its country allows.
pub const ACCOUNTS: Id = "LOC-11";
/// The directory leads to where the account is.
pub const DIRECTORY: Id = "LOC-12";
/// Sampled rows lie in the partition or range of their region.
pub const SAMPLES: Id = "LOC-13";
/// Every chain of evidence holds, up to its signed checkpoints.
pub const CHAINS: Id = "EVI-01";
/// Whatever happened is linked, and signed not long ago.
pub const FRESHNESS: Id = "EVI-02";
/// What travellers asked under the law was answered in time.
pub const REQUESTS: Id = "PRI-01";

/// Every control and what it says, in order.
pub const ALL: [(Id, &str); 16] = [
    (MAPPED, "every table and column is explained by the data map"),
    (CLASSES, "every table is split as its class promises"),
    (REPLICAS, "every copy of a personal range is under the law of its rows' home"),
    (LEADERS, "whoever leads such a range is under that law"),
    (CONSTRAINTS, "every partition tells all of its copies where to be, under that law only"),
    (GAPS, "no key lies outside the partitions"),
    (SUPER_REGIONS, "regions that keep copies among themselves are under one law"),
    (KEYS, "nothing personal is in a key, an index, or a table that is copied everywhere"),
    (PARTITIONS, "every partition is of a region that may hold rows"),
    (ROWS, "every row is with its traveller or its order, in a region that is known"),
    (ACCOUNTS, "every account is where its country of residence allows"),
    (DIRECTORY, "the log-in directory leads to where the account is"),
    (SAMPLES, "sampled rows lie in the partition or range of their region"),
    (CHAINS, "every chain of evidence holds, up to its signed checkpoints"),
    (FRESHNESS, "what happened is linked within minutes and signed within the hour"),
    (REQUESTS, "what travellers asked under the law was answered in time"),
];

/// A thing that is where it must not be, without saying who it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which control it breaks.
    pub control: Id,
    /// In which table.
    pub table: String,
    /// In which region.
    pub region: String,
    /// What it is: a range, a column, an id, or how many rows.
    pub what: String,
    /// Why it must not be there.
    pub why: String,
}

impl Violation {
    /// A violation of a control.
    pub fn new(control: Id, table: &str, region: &str, what: &str, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { control, table: table.into(), region: region.into(), what: what.into(), why }
    }
}

/// What became of a control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Control {
    /// Its name.
    pub control: Id,
    /// What it says.
    pub says: &'static str,
    /// kept, violated or not_observable.
    pub verdict: &'static str,
    /// How many violations; or why it cannot be seen.
    pub because: String,
}

/// Every control's verdict. What cannot be seen is named with its reason.
pub fn verdicts(violations: &[Violation], unseen: &[(Id, &str)]) -> Vec<Control> {
    let one = |(control, says): (Id, &'static str)| {
        let found = violations.iter().filter(|it| it.control == control).count();
        let reason = unseen.iter().find(|(id, _)| *id == control).map(|(_, reason)| *reason);
        let (verdict, because) = match (found, reason) {
            (0, Some(reason)) => ("not_observable", reason.to_owned()),
            (0, None) => ("kept", "nothing was found against it".to_owned()),
            (found, _) => ("violated", format!("{found} finding(s)")),
        };
        Control { control, says, verdict, because }
    };
    ALL.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_never_taken_for_kept() {
        let found = [Violation::new(GAPS, "t", "r", "range 1", "keys")];
        let verdicts = verdicts(&found, &[(REPLICAS, "one machine"), (GAPS, "one machine")]);
        let of =
            |id: Id| verdicts.iter().find(|it| it.control == id).expect("it is listed").verdict;
        assert_eq!(of(GAPS), "violated");
        assert_eq!(of(REPLICAS), "not_observable");
        assert_eq!(of(ROWS), "kept");
    }
}
