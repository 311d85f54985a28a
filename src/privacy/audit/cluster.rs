//! What a CockroachDB cluster says of itself, through `SHOW` statements alone: which copies of
//! which ranges are where, who leads them, what each partition is told about its copies, and which
//! regions keep to themselves. Rows of text in, values out; nothing here asks a database, so that
//! recorded answers are read by the same lines as live ones.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Rows of text by column, as a statement answered them.
pub type Rows = Vec<BTreeMap<String, String>>;

/// Everything that was asked of a cluster.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// `SHOW RANGES FROM TABLE … WITH INDEXES, DETAILS`, by table.
    pub ranges: BTreeMap<String, Rows>,
    /// `SHOW RANGE FROM TABLE … FOR ROW`: where the keys of each region begin, by table and region.
    pub begins: BTreeMap<String, BTreeMap<String, String>>,
    /// `SHOW PARTITIONS FROM TABLE …`, by table.
    pub zones: BTreeMap<String, Rows>,
    /// `SHOW SUPER REGIONS FROM DATABASE …`.
    pub super_regions: Rows,
}

/// A cluster, as it says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cluster {
    /// Ranges by table.
    pub ranges: BTreeMap<String, Vec<Range>>,
    /// What partitions are told, by table.
    pub zones: BTreeMap<String, Vec<Zone>>,
    /// Regions that keep their copies among themselves, by name.
    pub super_regions: BTreeMap<String, BTreeSet<String>>,
}

/// A stretch of keys that lies together.
#[derive(Clone, Debug, Serialize)]
pub struct Range {
    /// Its number.
    pub id: String,
    /// Of which index.
    pub index: String,
    /// Where its keys begin.
    pub start: String,
    /// The region whose rows it holds; `None` for what lies before, between and behind them.
    pub home: Option<String>,
    /// Its copies.
    pub replicas: Vec<Replica>,
    /// How many keys it holds; `None` when that was not said.
    pub live_keys: Option<i64>,
}

/// A copy of a range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replica {
    /// The store that holds it.
    pub store: String,
    /// The region that its node says it is in; `None` when it says none.
    pub region: Option<String>,
    /// What it may do.
    pub kind: ReplicaKind,
    /// Whether it leads: every read and write passes it.
    pub leads: bool,
}

/// What a copy may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaKind {
    /// Votes.
    Voter,
    /// Follows.
    NonVoter,
    /// Catches up before it votes.
    Learner,
}

impl ReplicaKind {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Voter => "voting",
            Self::NonVoter => "non-voting",
            Self::Learner => "learning",
        }
    }
}

/// What a partition is told about its copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Zone {
    /// Of which index.
    pub index: String,
    /// The region whose rows it is about.
    pub partition: String,
    /// How many copies.
    pub replicas: Option<u64>,
    /// How many copies must be where; a region alone stands for all of them.
    pub constraints: Vec<Constraint>,
    /// The same of those that vote.
    pub voters: Vec<Constraint>,
    /// Who leads, the most wanted first.
    pub leases: Vec<String>,
}

/// How many copies must be in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Constraint {
    /// Where.
    pub region: String,
    /// How many; `None` for all.
    pub copies: Option<u64>,
}

/// A column of a row, empty when it is not there.
fn cell<'a>(row: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    row.get(name).map_or("", String::as_str)
}

fn list(text: &str, separator: char) -> Vec<&str> {
    text.split(separator).map(str::trim).filter(|it| !it.is_empty()).collect()
}

/// The region in a locality such as `region=eu-central,zone=a`.
fn region_of(locality: &str) -> Option<String> {
    let tier = locality.split(',').find_map(|tier| tier.trim().strip_prefix("region="))?;
    (!tier.is_empty()).then(|| tier.to_owned())
}

/// The first component of a key, as `…/"\x80"/…` shows it; `None` for what lies between partitions.
fn begin(key: &str) -> Option<&str> {
    let from = key.find('"')?;
    let length = key[from + 1..].find('"')? + 2;
    let (component, rest) = key[from..].split_at(length);
    (!rest.starts_with("/PrefixEnd")).then_some(component)
}

impl Cluster {
    /// Reads what was answered.
    pub fn read(answers: &Answers) -> Self {
        let nothing = BTreeMap::new();
        let ranges = answers
            .ranges
            .iter()
            .map(|(table, rows)| {
                let begins = answers.begins.get(table).unwrap_or(&nothing);
                (table.clone(), rows.iter().map(|row| range(row, begins)).collect())
            })
            .collect();
        let zones = answers
            .zones
            .iter()
            .map(|(table, rows)| (table.clone(), rows.iter().map(zone).collect()))
            .collect();
        let members = |row: &BTreeMap<String, String>| {
            list(cell(row, "regions"), ',').into_iter().map(str::to_owned).collect()
        };
        let super_regions = answers
            .super_regions
            .iter()
            .map(|row| (cell(row, "super_region_name").to_owned(), members(row)))
            .collect();
        Self { ranges, zones, super_regions }
    }
}

fn range(row: &BTreeMap<String, String>, begins: &BTreeMap<String, String>) -> Range {
    let start = cell(row, "start_key");
    // Each region's keys begin with a byte that the database chose; it is asked for, never guessed.
    let home = begin(start).and_then(|own| {
        let of = begins.iter().find(|(_, key)| begin(key) == Some(own));
        of.map(|(region, _)| region.clone())
    });
    let stores = list(cell(row, "replicas"), ',');
    let localities: Vec<&str> = cell(row, "replica_localities").split(';').collect();
    let non_voters = list(cell(row, "non_voting_replicas"), ',');
    let learners = list(cell(row, "learner_replicas"), ',');
    let leader = cell(row, "lease_holder");
    let mut replicas: Vec<Replica> = stores
        .iter()
        .enumerate()
        .map(|(at, store)| Replica {
            store: (*store).to_owned(),
            region: localities.get(at).and_then(|it| region_of(it)),
            kind: match () {
                () if learners.contains(store) => ReplicaKind::Learner,
                () if non_voters.contains(store) => ReplicaKind::NonVoter,
                () => ReplicaKind::Voter,
            },
            leads: *store == leader,
        })
        .collect();
    // Who leads is told twice; where the two differ, both count.
    let led_from = region_of(cell(row, "lease_holder_locality"));
    let known = |it: &Replica| it.leads && it.region == led_from;
    if !leader.is_empty() && !replicas.iter().any(known) {
        replicas.push(Replica {
            store: leader.to_owned(),
            region: led_from,
            kind: ReplicaKind::Voter,
            leads: true,
        });
    }
    Range {
        id: cell(row, "range_id").to_owned(),
        index: cell(row, "index_name").to_owned(),
        start: start.to_owned(),
        home,
        replicas,
        live_keys: cell(row, "live_keys").parse().ok(),
    }
}

/// Reads `ALTER PARTITION … USING num_replicas = 4, constraints = '{+region=a: 3, …}', …`.
fn zone(row: &BTreeMap<String, String>) -> Zone {
    let text = cell(row, "full_zone_config");
    let number = |name: &str| -> Option<u64> {
        let rest = assigned(text, name)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    Zone {
        index: cell(row, "index_name").to_owned(),
        partition: cell(row, "partition_name").to_owned(),
        replicas: number("num_replicas"),
        constraints: constraints(quoted(text, "constraints")),
        voters: constraints(quoted(text, "voter_constraints")),
        leases: regions_in(quoted(text, "lease_preferences")),
    }
}

/// What stands behind `name = `, where the name is a word of its own.
fn assigned<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let whole = |at: usize| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || c == '_'))
    };
    let at = text
        .match_indices(name)
        .map(|(at, _)| at)
        .find(|at| whole(*at) && text[at + name.len()..].trim_start().starts_with('='))?;
    Some(text[at + name.len()..].trim_start().trim_start_matches('=').trim_start())
}

fn quoted<'a>(text: &'a str, name: &str) -> &'a str {
    let inside = assigned(text, name).and_then(|rest| rest.strip_prefix('\''));
    inside.and_then(|rest| rest.split('\'').next()).unwrap_or("")
}

fn constraints(text: &str) -> Vec<Constraint> {
    text.split("+region=")
        .skip(1)
        .map(|rest| {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
            let (region, rest) = rest.split_at(end.unwrap_or(rest.len()));
            let copies = rest.trim_start().strip_prefix(':').map(str::trim_start);
            let copies = copies.and_then(|it| it.split(|c: char| !c.is_ascii_digit()).next());
            Constraint { region: region.to_owned(), copies: copies.and_then(|it| it.parse().ok()) }
        })
        .collect()
}

fn regions_in(text: &str) -> Vec<String> {
    constraints(text).into_iter().map(|it| it.region).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_configurations_are_read() {
        let row = BTreeMap::from([(
            "full_zone_config".to_owned(),
            "ALTER PARTITION \"eu-central\" OF INDEX t.x CONFIGURE ZONE USING\n\
             num_replicas = 4,\n num_voters = 3,\n\
             constraints = '{+region=eu-central: 3, +region=eu-west: 1}',\n\
             voter_constraints = '[+region=eu-central]',\n\
             lease_preferences = '[[+region=eu-central]]'"
                .to_owned(),
        )]);
        let zone = zone(&row);
        assert_eq!(zone.replicas, Some(4));
        let of = |region: &str, copies| Constraint { region: region.to_owned(), copies };
        assert_eq!(zone.constraints, [of("eu-central", Some(3)), of("eu-west", Some(1))]);
        assert_eq!(zone.voters, [of("eu-central", None)]);
        assert_eq!(zone.leases, ["eu-central"]);
    }

    #[test]
    fn keys_tell_partitions_from_what_lies_between_them() {
        assert_eq!(begin("…/\"\\x80\""), Some("\"\\x80\""));
        assert_eq!(begin("/Table/107/5/\"\\x80\"/\"\\x01…\""), Some("\"\\x80\""));
        assert_eq!(begin("…/\"\\x80\"/PrefixEnd"), None);
        assert_eq!(begin("…/TableMin"), None);
        assert_eq!(region_of("region=us-east,az=b"), Some("us-east".to_owned()));
        assert_eq!(region_of("az=b"), None);
    }
}
