//! The shape of a zone file, and what is refused in one.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::rdata::{SOA, SVCB};
use hickory_proto::rr::{Name, RData, RecordType};
use serde::Deserialize;

use super::{Host, Nameserver, RecordSet, Zone, ZoneError};
use crate::policy::Steering;

/// The longest time to live (RFC 2181, 8).
const TTL_MAX: u32 = i32::MAX as u32;

/// Longest name: a proof puts a label of one byte in front (RFC 4470).
const NAME_BYTES_MAX: usize = 250;

/// Types that `[[records]]` may hold. NS and SOA have their own sections, and what belongs to
/// DNSSEC is made by the server.
const TYPES: [RecordType; 12] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::CAA,
    RecordType::CNAME,
    RecordType::HTTPS,
    RecordType::MX,
    RecordType::NAPTR,
    RecordType::SRV,
    RecordType::SSHFP,
    RecordType::SVCB,
    RecordType::TLSA,
    RecordType::TXT,
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ZoneFile {
    origin: String,
    ttl_geo: u32,
    ttl_static: u32,
    ttl_negative: u32,
    #[serde(default)]
    signed: bool,
    region_hosts: Option<String>,
    soa: SoaFile,
    nameservers: Vec<NameserverFile>,
    #[serde(default)]
    hosts: BTreeMap<String, HostFile>,
    #[serde(default)]
    records: Vec<RecordFile>,
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
    #[serde(default)]
    steering: Steering,
    https: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordFile {
    name: String,
    r#type: String,
    data: Vec<String>,
    ttl: Option<u32>,
}

impl ZoneFile {
    pub(super) fn into_zone(self) -> Result<Zone, ZoneError> {
        let mut origin = name("origin", &self.origin, None)?;
        origin.set_fqdn(true);
        for (field, ttl) in [
            ("ttl_geo", self.ttl_geo),
            ("ttl_static", self.ttl_static),
            ("ttl_negative", self.ttl_negative),
        ] {
            check_ttl(field, ttl)?;
        }
        if self.hosts.is_empty() && self.records.is_empty() {
            return Err(ZoneError::Empty(origin.to_ascii()));
        }
        let below = |field, label: &str| name(field, label, Some(&origin));
        let soa = SOA::new(
            below("soa.primary", &self.soa.primary)?,
            below("soa.responsible", &self.soa.responsible)?,
            self.soa.serial,
            self.soa.refresh,
            self.soa.retry,
            self.soa.expire,
            self.ttl_negative,
        );
        let nameservers = self.nameservers.into_iter().map(|it| it.into_nameserver(&origin));
        let nameservers = nameservers.collect::<Result<Vec<_>, _>>()?;
        if nameservers.is_empty() {
            return Err(ZoneError::Nameservers);
        }
        let hosts = self.hosts.into_iter().map(|(label, host)| host.into_host(label, &origin));
        let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
        let mut records = BTreeMap::new();
        for record in self.records {
            let (key, set) = record.into_set(&origin, self.ttl_static)?;
            if records.insert(key.clone(), set).is_some() {
                return Err(ZoneError::Twice(key.0.to_ascii()));
            }
        }
        Ok(Zone {
            origin,
            ttl_geo: self.ttl_geo,
            ttl_static: self.ttl_static,
            ttl_negative: self.ttl_negative,
            soa,
            nameservers,
            hosts,
            records,
            region_hosts: self.region_hosts,
            signed: self.signed,
        })
    }
}

impl NameserverFile {
    fn into_nameserver(self, origin: &Name) -> Result<Nameserver, ZoneError> {
        let v4 = self.ipv4.into_iter().map(|ip| RData::A(ip.into()));
        let v6 = self.ipv6.into_iter().map(|ip| RData::AAAA(ip.into()));
        let addresses: Vec<RData> = v4.chain(v6).collect();
        if addresses.is_empty() {
            return Err(ZoneError::Nameservers);
        }
        Ok(Nameserver { name: name("nameserver", &self.name, Some(origin))?, addresses })
    }
}

impl HostFile {
    fn into_host(self, label: String, origin: &Name) -> Result<Host, ZoneError> {
        let name = name("host", &label, Some(origin))?;
        if !origin.zone_of(&name) {
            let reason = "it is outside the zone".to_owned();
            return Err(ZoneError::Name { field: "host", name: label, reason });
        }
        let https = self.https.map(|text| binding(&name, &text)).transpose()?;
        let (fence, steering) = (self.fence, self.steering);
        Ok(Host { label, name, fence, steering, https })
    }
}

/// The service binding of a host (RFC 9460): in service mode, without hints, which are added for
/// the region that is answered.
fn binding(name: &Name, text: &str) -> Result<SVCB, ZoneError> {
    let refuse = |reason: String| ZoneError::Record {
        name: name.to_ascii(),
        rtype: "HTTPS".to_owned(),
        reason,
    };
    match RData::try_from_str(RecordType::HTTPS, text) {
        Ok(RData::HTTPS(binding)) if binding.svc_priority == 0 => {
            Err(refuse("alias mode has no place beside addresses; write 1 . alpn=h2".to_owned()))
        }
        Ok(RData::HTTPS(binding)) => Ok(binding.0),
        Ok(_) => Err(refuse("it is no service binding; write 1 . alpn=h2".to_owned())),
        Err(error) => Err(refuse(format!("{error}; write 1 . alpn=h2"))),
    }
}

impl RecordFile {
    fn into_set(
        self,
        origin: &Name,
        ttl_static: u32,
    ) -> Result<((Name, RecordType), RecordSet), ZoneError> {
        let refuse = |reason: &str| ZoneError::Record {
            name: self.name.clone(),
            rtype: self.r#type.clone(),
            reason: reason.to_owned(),
        };
        let rtype = self.r#type.parse::<RecordType>().ok().filter(|it| TYPES.contains(it));
        let rtype = rtype.ok_or_else(|| {
            let known: Vec<String> = TYPES.iter().map(ToString::to_string).collect();
            refuse(&format!("write one of {}", known.join(", ")))
        })?;
        let owner = match self.name.as_str() {
            "@" => origin.clone(),
            relative => name("record", relative, Some(origin))?,
        };
        if !origin.zone_of(&owner) {
            return Err(refuse("its name is outside the zone"));
        }
        let ttl = self.ttl.unwrap_or(ttl_static);
        check_ttl("ttl of a record", ttl)?;
        let mut data = Vec::new();
        for text in &self.data {
            let parsed = RData::try_from_str(rtype, text)
                .map_err(|error| refuse(&format!("\"{text}\" cannot be read: {error}")))?;
            if !is_whole(&parsed) {
                return Err(refuse(&format!("\"{text}\" has a name that does not end in a dot")));
            }
            if data.contains(&parsed) {
                return Err(refuse(&format!("\"{text}\" stands there twice")));
            }
            data.push(parsed);
        }
        if data.is_empty() {
            return Err(refuse("data is empty; write at least one value"));
        }
        if rtype == RecordType::CNAME && (data.len() > 1 || owner == *origin) {
            return Err(refuse("an alias has one target and does not stand at the apex"));
        }
        Ok(((owner, rtype), RecordSet { ttl, data }))
    }
}

/// Names inside data are not relative, so each has to say where it ends.
fn is_whole(data: &RData) -> bool {
    match data {
        RData::CNAME(target) => target.0.is_fqdn(),
        RData::MX(mx) => mx.exchange.is_fqdn(),
        RData::SRV(srv) => srv.target.is_fqdn(),
        RData::SVCB(binding) => binding.target_name.is_fqdn(),
        RData::HTTPS(binding) => binding.0.target_name.is_fqdn(),
        _ => true,
    }
}

fn check_ttl(field: &'static str, ttl: u32) -> Result<(), ZoneError> {
    if ttl > TTL_MAX { Err(ZoneError::Ttl { field, ttl }) } else { Ok(()) }
}

/// A name as a file writes it, relative to an origin unless it ends in a dot.
pub(super) fn name(
    field: &'static str,
    text: &str,
    origin: Option<&Name>,
) -> Result<Name, ZoneError> {
    let refuse = |reason: String| ZoneError::Name { field, name: text.to_owned(), reason };
    if text.is_empty() || text.contains(|c: char| c.is_whitespace()) {
        return Err(refuse("it is empty or holds a space".to_owned()));
    }
    let name = Name::parse(text, origin).map_err(|error| refuse(error.to_string()))?;
    if name.iter().flatten().any(|byte| !byte.is_ascii_graphic()) {
        return Err(refuse("only visible ASCII is served; write other scripts as xn--".to_owned()));
    }
    if name.iter().any(|label| label == b"*") {
        return Err(refuse("wildcards are not served; list the names".to_owned()));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(refuse("it is too long; 250 bytes leave room for a proof's label".to_owned()));
    }
    // Names are compared in lower case, and what we write is found again as it is kept.
    Ok(name.to_lowercase())
}
