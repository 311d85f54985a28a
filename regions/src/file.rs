//! The shape of the files: what a region and a jurisdiction say of themselves.

use std::fmt;
use std::str::FromStr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::place::{Continent, Coordinates, Country};

/// `<name>.json`: one region. The JSON Schema beside the files says the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionFile {
    /// Editors read it; nobody else does.
    #[serde(rename = "$schema", default, skip_serializing)]
    pub schema: Option<String>,
    /// The name, which is also the file's name.
    pub name: String,
    /// Four characters that stand in every id of a personal thing homed here.
    pub id_tag: String,
    /// Where the region is in its life.
    pub state: State,
    /// The cloud that runs it.
    pub cloud: String,
    /// What that cloud calls the region.
    pub cloud_region: String,
    /// The `region` tier of the database nodes' locality, and the value of the region column.
    pub locality: String,
    /// Whether the database calls this its primary region.
    pub primary: bool,
    /// A key of `policy/jurisdictions.json`.
    pub jurisdiction: String,
    /// The town, for people.
    pub place: String,
    /// The point that "nearest" measures to.
    pub coordinates: Coordinates,
    /// The countries whose residents it homes.
    pub homes: Vec<Country>,
    /// What GeoDNS does with it.
    pub dns: Dns,
    /// Where it answers.
    pub endpoints: Endpoints,
    /// Its private network.
    pub network: Network,
    /// What it carries.
    pub capacity: Capacity,
    /// Whom to call.
    pub contacts: Contacts,
}

/// A region's life, in order; `removed` files stay, so that a tag is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Written down, nothing built.
    Planned,
    /// Terraform is building it.
    Provisioning,
    /// Its database nodes are joining.
    Joining,
    /// Serving.
    Active,
    /// Serving those who are there; DNS sends nobody new.
    Draining,
    /// Serving nobody; its rows are still there.
    Drained,
    /// Its rows are being moved away.
    Removing,
    /// Gone; the file keeps its tag from being reused.
    Removed,
}

impl State {
    /// The states that may follow; only these pass a review.
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Planned => &[Self::Provisioning],
            Self::Provisioning => &[Self::Joining],
            Self::Joining => &[Self::Active],
            Self::Active => &[Self::Draining],
            Self::Draining => &[Self::Active, Self::Drained],
            Self::Drained => &[Self::Removing],
            Self::Removing => &[Self::Removed],
            Self::Removed => &[],
        }
    }

    /// Whether the database has (or must have) this region.
    pub fn holds_rows(self) -> bool {
        !matches!(self, Self::Planned | Self::Provisioning | Self::Removed)
    }

    /// Whether DNS may send a newcomer here.
    pub fn takes_traffic(self) -> bool {
        matches!(self, Self::Active)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Planned => "planned",
            Self::Provisioning => "provisioning",
            Self::Joining => "joining",
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Removing => "removing",
            Self::Removed => "removed",
        })
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_value(serde_json::Value::String(text.to_owned()))
            .map_err(|_| format!("\"{text}\" is no state of a region's life"))
    }
}

/// What GeoDNS does with a region.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// Continents whose unlisted countries come here, and whose departures' seats are kept here.
    pub continents: Vec<Continent>,
    /// Whether an address that no table knows comes here.
    pub default: bool,
    /// Countries that come here whatever the distance says.
    pub countries: Vec<Country>,
    /// Percent of those for whom it is nearest that it takes, 0 to 100, for gradual shifts; the
    /// others go to the next region. 0 takes nobody.
    pub weight: u8,
    /// Makes the region nearer (up to 99) or farther (down to -99) than it is, in percent of the
    /// distance, as Route 53's geoproximity does.
    #[serde(default)]
    pub bias: i8,
    /// Regions of the same jurisdiction that take over, in order.
    pub fallbacks: Vec<String>,
}

/// Where a region answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// The origin of its API, without a path.
    pub api: String,
    /// Where its nodes take what other nodes of the house pass on, over mutual TLS; without it
    /// nothing is passed on to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Addresses for A answers.
    pub ipv4: Vec<std::net::Ipv4Addr>,
    /// Addresses for AAAA answers.
    pub ipv6: Vec<std::net::Ipv6Addr>,
}

/// The private network of a region.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its addresses, which no other region has: database nodes talk across regions.
    pub cidr: Ipv4Net,
    /// Failure domains of the cloud region, at least three.
    pub zones: Vec<String>,
}

/// What a region carries.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// Requests per second it is sized for.
    pub requests_per_second: u32,
    /// Fewest API nodes.
    pub nodes_min: u32,
    /// Most API nodes.
    pub nodes_max: u32,
    /// Database nodes, a multiple of the zones.
    pub database_nodes: u32,
}

/// Whom to call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contacts {
    /// Operations.
    pub operations: String,
    /// Data protection officer.
    pub privacy: String,
}

/// A law and whom it binds: an entry of `policy/jurisdictions.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jurisdiction {
    /// For people.
    pub name: String,
    /// The act.
    pub law: String,
    /// Countries whose residents must be homed under this law.
    pub residents: Vec<Country>,
    /// Whether a request for personal data may be passed on, and to whom.
    pub forwarding: Forwarding,
}

/// A host that is answered for by region: an entry of `policy/hosts.json`. What else a name server
/// says of it stands in its zone file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Only regions under this law, whatever fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<String>,
    /// What regions are ranked by.
    #[serde(default)]
    pub steering: Steering,
}

/// What the regions of a host are ranked by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Steering {
    /// The region that lists the country, else the nearest by biased great-circle distance.
    #[default]
    Nearest,
    /// The region that lists the country, else the one that claims its continent.
    Map,
}

/// Whether a node may pass a request for personal data on to its home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forwarding {
    /// Never: the answer is 421 and the client goes there itself.
    None,
    /// To regions of the same jurisdiction only.
    Within,
}
