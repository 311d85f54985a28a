//! The zone: which names exist, who serves them and how long answers keep.
//!
//! A zone file names no region: the fixed name of each comes from the region files.

/// The shape of a zone file.
mod file;

use std::collections::BTreeMap;
use std::path::Path;

use hickory_proto::rr::rdata::{CNAME, SOA, SVCB};
use hickory_proto::rr::{Name, RData, RecordType};
use meridian_regions::{RegionId, Registry, State};

use crate::policy::{Steering, serves};

const EMBEDDED: &str = include_str!("../../zones/meridian.toml");

/// Links of a chain of aliases that are followed.
pub(crate) const CHAIN_MAX: usize = 8;

/// What is wrong with a zone.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    /// The file cannot be read.
    #[error("zone file {path} cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// The reason.
        error: std::io::Error,
    },
    /// The file does not have the shape of zones/meridian.toml.
    #[error("the zone does not have the shape of zones/meridian.toml: {0}")]
    Shape(#[from] toml::de::Error),
    /// A name is not a DNS name.
    #[error("{field} \"{name}\" is no DNS name: {reason}")]
    Name {
        /// Where it stands.
        field: &'static str,
        /// What stands there.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A time to live that RFC 2181 does not know.
    #[error("{field} is {ttl} seconds; a time to live is at most 2147483647 (RFC 2181, 8)")]
    Ttl {
        /// Where it stands.
        field: &'static str,
        /// What stands there.
        ttl: u32,
    },
    /// A record that cannot be read or does not belong there.
    #[error("record {name} {rtype} is refused: {reason}")]
    Record {
        /// Its owner.
        name: String,
        /// Its type.
        rtype: String,
        /// Why, and what to write instead.
        reason: String,
    },
    /// No name server, or one without an address.
    #[error("the zone needs at least one name server, and each an address; check [[nameservers]]")]
    Nameservers,
    /// Nothing to ask for.
    #[error("zone {0} has neither a host nor a record; add [hosts.api] or [[records]]")]
    Empty(String),
    /// Which zone.
    #[error("zone {0}: {1}")]
    Of(String, Box<Self>),
    /// No zone at all.
    #[error("there is no zone to serve; give a zone file or a directory with one")]
    NoZone,
    /// Two things have one name.
    #[error("{0} is claimed twice; rename a host, a record, a name server or a region")]
    Twice(String),
    /// One zone inside another.
    #[error("zone {inner} lies inside zone {outer}; write its names there, zones are not nested")]
    Nested {
        /// The inner one.
        inner: String,
        /// The outer one.
        outer: String,
    },
    /// An alias that leads nowhere, or round and round.
    #[error("alias {0} leads to no name of the zone, or in a circle; point it at an existing name")]
    Alias(String),
    /// A host's fence holds nobody.
    #[error("host \"{host}\" is fenced to \"{fence}\", where no region serves; name another law")]
    EmptyFence {
        /// The host.
        host: String,
        /// Its fence.
        fence: String,
    },
    /// No region serves at all.
    #[error("host \"{0}\" has no region that serves; bring one up")]
    NoRegion(String),
    /// Nobody has this name.
    #[error("\"{host}\" is no host of the zone; there are: {known}")]
    UnknownHost {
        /// The name asked for.
        host: String,
        /// The names there are.
        known: String,
    },
}

impl ZoneError {
    /// The same, saying which zone it is about.
    pub(crate) fn of(self, origin: &str) -> Self {
        Self::Of(origin.to_owned(), Box::new(self))
    }
}

/// A zone that was read and checked; see zones/meridian.toml for the shape.
#[derive(Clone, Debug)]
pub struct Zone {
    pub(crate) origin: Name,
    pub(crate) ttl_geo: u32,
    pub(crate) ttl_static: u32,
    pub(crate) ttl_negative: u32,
    pub(crate) soa: SOA,
    pub(crate) nameservers: Vec<Nameserver>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) records: BTreeMap<(Name, RecordType), RecordSet>,
    /// The label above which each region has its fixed name.
    pub(crate) region_hosts: Option<String>,
    /// Whether its answers are signed, for which there must be keys.
    pub(crate) signed: bool,
}

/// A server of the zone and its glue.
#[derive(Clone, Debug)]
pub(crate) struct Nameserver {
    pub(crate) name: Name,
    pub(crate) addresses: Vec<RData>,
}

/// A name whose answer depends on where one asks from.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) label: String,
    pub(crate) name: Name,
    pub(crate) fence: Option<String>,
    pub(crate) steering: Steering,
    /// What a service binding says of every region; the hints are the region's addresses.
    pub(crate) https: Option<SVCB>,
}

/// Records of one name and type.
#[derive(Clone, Debug)]
pub(crate) struct RecordSet {
    pub(crate) ttl: u32,
    pub(crate) data: Vec<RData>,
}

impl Zone {
    /// The zone this build was made with.
    pub fn embedded() -> Self {
        Self::parse(EMBEDDED).expect("the build embeds a sound zone, which a test parses")
    }

    /// A zone from a file.
    pub fn from_path(path: &Path) -> Result<Self, ZoneError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ZoneError::Unreadable { path: path.display().to_string(), error })?;
        Self::parse(&text)
    }

    /// A zone from the text of a file.
    pub fn parse(text: &str) -> Result<Self, ZoneError> {
        toml::from_str::<file::ZoneFile>(text)?.into_zone()
    }

    /// The apex, fully qualified.
    pub fn origin(&self) -> String {
        self.origin.to_ascii()
    }

    /// The fixed names: always this region's own addresses. A removed region has none.
    pub(crate) fn region_names(
        &self,
        registry: Registry,
    ) -> Result<Vec<(Name, RegionId)>, ZoneError> {
        let Some(above) = &self.region_hosts else {
            return Ok(Vec::new());
        };
        registry
            .all()
            .filter(|region| region.state != State::Removed)
            .map(|region| {
                let label = format!("{}.{above}", region.name);
                let name = file::name("region_hosts", &label, Some(&self.origin))?;
                if !self.origin.zone_of(&name) {
                    let reason = "it is outside the zone".to_owned();
                    return Err(ZoneError::Name { field: "region_hosts", name: label, reason });
                }
                Ok((name, region))
            })
            .collect()
    }

    /// Refuses a zone that could leave a question without a region: whatever happens to health
    /// later, each fence holds one that serves.
    pub(crate) fn check(&self, registry: Registry) -> Result<(), ZoneError> {
        for host in &self.hosts {
            let inside = |region: &RegionId| {
                host.fence.as_ref().is_none_or(|fence| region.jurisdiction == *fence)
            };
            if !registry.all().filter(inside).any(serves) {
                let label = host.label.clone();
                return Err(match &host.fence {
                    Some(fence) => ZoneError::EmptyFence { host: label, fence: fence.clone() },
                    None => ZoneError::NoRegion(label),
                });
            }
        }
        Ok(())
    }

    /// Where an alias leads inside the zone: to the end of its chain, or out of the zone.
    pub(crate) fn alias(&self, name: &Name) -> Option<&CNAME> {
        match self.records.get(&(name.clone(), RecordType::CNAME))?.data.first()? {
            RData::CNAME(target) => Some(target),
            _ => None,
        }
    }
}

/// Refuses zones that get in each other's way.
pub(crate) fn check_together(zones: &[Zone]) -> Result<(), ZoneError> {
    if zones.is_empty() {
        return Err(ZoneError::NoZone);
    }
    for (index, zone) in zones.iter().enumerate() {
        for other in &zones[index + 1..] {
            let (outer, inner) =
                match (zone.origin.zone_of(&other.origin), other.origin.zone_of(&zone.origin)) {
                    (true, true) => return Err(ZoneError::Twice(zone.origin())),
                    (true, false) => (zone, other),
                    (false, true) => (other, zone),
                    (false, false) => continue,
                };
            let (outer, inner) = (outer.origin(), inner.origin());
            return Err(ZoneError::Nested { inner, outer });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(from: &str, to: &str) -> String {
        let text = EMBEDDED.replacen(from, to, 1);
        assert_ne!(text, EMBEDDED, "the test changes something");
        match Zone::parse(&text) {
            Ok(zone) => {
                let registry = Registry::embedded().expect("the embedded regions are sound");
                zone.check(registry).expect_err("the zone is refused").to_string()
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_embedded_zone_is_sound() {
        let zone = Zone::embedded();
        assert_eq!(zone.origin(), "meridian.example.");
        zone.check(Registry::embedded().expect("the embedded regions are sound"))
            .expect("every fence holds a region");
    }

    #[test]
    fn a_bad_zone_says_what_is_wrong() {
        assert!(refusal("ttl_geo", "ttl_gee").contains("ttl_gee"));
        assert!(refusal("fence = \"eu\"", "fence = \"mars\"").contains("no region serves"));
        assert!(refusal("\"meridian.example.\"", "\"\"").contains("origin"));
        assert!(refusal("ipv4 = [\"192.0.2.53\"]", "ipv4 = [\"x\"]").contains("ipv4"));
        let no_glue =
            EMBEDDED.replace("ipv4 = [", "ipv4 = [] #").replace("ipv6 = [", "ipv6 = [] #");
        assert!(Zone::parse(&no_glue).expect_err("refused").to_string().contains("name server"));
    }
}
