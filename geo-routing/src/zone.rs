//! The zone: which names exist, who serves them and how long answers keep.
//!
//! A zone file names no region: the fixed name of each comes from the region files.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData};
use meridian_regions::{RegionId, Registry, State};
use serde::Deserialize;

use crate::policy::serves;

const EMBEDDED: &str = include_str!("../zones/meridian.toml");

/// The label above which each region has its fixed name.
const REGION_HOSTS: &str = "api";

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
    /// No name server, or one without an address.
    #[error("the zone needs at least one name server, and each an address; check [[nameservers]]")]
    Nameservers,
    /// Two things have one name.
    #[error("{0} is claimed twice; rename a host, a name server or a region")]
    Twice(Name),
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneFile {
    origin: String,
    ttl_geo: u32,
    ttl_static: u32,
    ttl_negative: u32,
    soa: SoaFile,
    nameservers: Vec<NameserverFile>,
    hosts: BTreeMap<String, HostFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SoaFile {
    primary: String,
    responsible: String,
    serial: u32,
    refresh: i32,
    retry: i32,
    expire: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameserverFile {
    name: String,
    #[serde(default)]
    ipv4: Vec<Ipv4Addr>,
    #[serde(default)]
    ipv6: Vec<Ipv6Addr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostFile {
    fence: Option<String>,
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
        let file: ZoneFile = toml::from_str(text)?;
        let mut origin = name("origin", &file.origin, None)?;
        origin.set_fqdn(true);
        let below = |field, label: &str| name(field, label, Some(&origin));
        let soa = SOA::new(
            below("soa.primary", &file.soa.primary)?,
            below("soa.responsible", &file.soa.responsible)?,
            file.soa.serial,
            file.soa.refresh,
            file.soa.retry,
            file.soa.expire,
            file.ttl_negative,
        );
        let mut nameservers = Vec::new();
        for server in file.nameservers {
            let v4 = server.ipv4.into_iter().map(|ip| RData::A(ip.into()));
            let v6 = server.ipv6.into_iter().map(|ip| RData::AAAA(ip.into()));
            let addresses: Vec<RData> = v4.chain(v6).collect();
            if addresses.is_empty() {
                return Err(ZoneError::Nameservers);
            }
            nameservers.push(Nameserver { name: below("nameserver", &server.name)?, addresses });
        }
        if nameservers.is_empty() {
            return Err(ZoneError::Nameservers);
        }
        let mut hosts = Vec::new();
        for (label, host) in file.hosts {
            hosts.push(Host { name: below("host", &label)?, label, fence: host.fence });
        }
        let (ttl_geo, ttl_static) = (file.ttl_geo, file.ttl_static);
        let ttl_negative = file.ttl_negative;
        Ok(Self { origin, ttl_geo, ttl_static, ttl_negative, soa, nameservers, hosts })
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
        registry
            .all()
            .filter(|region| region.state != State::Removed)
            .map(|region| {
                let label = format!("{}.{REGION_HOSTS}", region.name);
                Ok((name("region", &label, Some(&self.origin))?, region))
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
}

fn name(field: &'static str, text: &str, origin: Option<&Name>) -> Result<Name, ZoneError> {
    let refuse = |reason: String| ZoneError::Name { field, name: text.to_owned(), reason };
    if text.is_empty() || text.contains(|c: char| c.is_whitespace()) {
        return Err(refuse("it is empty or holds a space".to_owned()));
    }
    Name::parse(text, origin).map_err(|error| refuse(error.to_string()))
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
