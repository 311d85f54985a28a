//! The records of one name, with their signatures and the proof of what is not there.

use std::collections::BTreeMap;
use std::time::SystemTime;

use hickory_proto::rr::rdata::svcb::{IpHint, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{A, AAAA, HINFO, HTTPS, NS, SVCB};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinEncodable;
use meridian_regions::{RegionId, Registry};

use super::section::{Encoded, encode};
use crate::dnssec::{self, Keys};
use crate::zone::{Host, Zone, ZoneError};

/// Bytes of the records of one name and type, with glue: what is left of a message for them beside
/// its head, its options and signatures.
const SET_BYTES_MAX: usize = 60_000;

/// Bytes of a glue record without its owner, and of its signature.
const GLUE_BYTES: usize = 160;

/// Records of one name and type, and the signatures over them.
#[derive(Clone, Debug)]
pub(crate) struct Rrset {
    pub(crate) owner: Name,
    pub(crate) rtype: RecordType,
    pub(crate) ttl: u32,
    pub(crate) data: Vec<RData>,
    /// Empty where the zone is not signed.
    pub(crate) signatures: Vec<RData>,
}

impl Rrset {
    /// The records, owned by a name in the case it was asked in; signatures if they are wanted.
    pub(crate) fn records(&self, owner: &Name, signed: bool) -> impl Iterator<Item = Record> {
        let signatures = self.signatures.iter().filter(move |_| signed);
        let all = self.data.iter().chain(signatures);
        all.map(|data| Record::from_rdata(owner.clone(), self.ttl, data.clone()))
    }
}

/// What one name holds, for everybody or for those that a region is chosen for.
pub(crate) struct Leaf {
    /// The region whose addresses these are, by its place among the regions.
    pub(crate) region: Option<usize>,
    pub(crate) rrsets: Vec<Rrset>,
    /// The one small record that is said to ANY (RFC 8482, 4.2).
    pub(crate) any: Rrset,
    /// The proof of which types there are, in a signed zone.
    pub(crate) proof: Option<Rrset>,
    /// Glue that goes with the name servers.
    pub(crate) glue: Vec<Rrset>,
    /// All of these answers in bytes.
    pub(crate) encoded: Encoded,
}

impl Leaf {
    /// The types there are.
    pub(crate) fn types(&self) -> Vec<RecordType> {
        self.rrsets.iter().map(|rrset| rrset.rtype).collect()
    }
}

/// What a name is to hold.
#[derive(Clone, Default)]
pub(crate) struct Held {
    pub(crate) region: Option<usize>,
    pub(crate) sets: Vec<(u32, Vec<RData>)>,
    pub(crate) glue: Vec<(Name, Vec<RData>)>,
}

/// Makes leaves for one zone.
pub(super) struct Maker<'a> {
    pub(super) zone: &'a Zone,
    pub(super) keys: Option<&'a Keys>,
    pub(super) now: SystemTime,
}

impl Maker<'_> {
    /// A set with its signatures. All data are of one type, and there is at least one.
    pub(super) fn rrset(&self, owner: &Name, ttl: u32, data: Vec<RData>) -> Rrset {
        let rtype = data.first().map_or(RecordType::NULL, RData::record_type);
        let signature = self.keys.map(|keys| keys.sign(owner, ttl, &data, self.now));
        let signatures = signature.into_iter().collect();
        Rrset { owner: owner.clone(), rtype, ttl, data, signatures }
    }

    /// Everything that is the same for everybody.
    pub(super) fn fixed(&self, registry: Registry) -> Result<BTreeMap<Name, Held>, ZoneError> {
        let zone = self.zone;
        let mut fixed: BTreeMap<Name, Held> = BTreeMap::new();
        fixed.insert(zone.origin.clone(), self.apex());
        for server in &zone.nameservers {
            // A server outside the zone is somebody else's to answer for.
            if zone.origin.zone_of(&server.name) {
                let held = Held { sets: self.addresses(&server.addresses), ..Held::default() };
                if fixed.insert(server.name.clone(), held).is_some() {
                    return Err(ZoneError::Twice(server.name.to_ascii()));
                }
            }
        }
        for (name, region) in zone.region_names(registry)? {
            let sets = self.addresses(&addresses(region));
            let region = registry.all().position(|it| it == region);
            let held = Held { region, sets, ..Held::default() };
            if fixed.insert(name.clone(), held).is_some() {
                return Err(ZoneError::Twice(name.to_ascii()));
            }
        }
        for ((name, rtype), set) in &zone.records {
            let held = fixed.entry(name.clone()).or_default();
            let taken = held.sets.iter().any(|(_, data)| data[0].record_type() == *rtype);
            held.sets.push((set.ttl, set.data.clone()));
            let lonely = *rtype != RecordType::CNAME && zone.alias(name).is_none();
            if taken || !(lonely || held.sets.len() == 1) {
                return Err(ZoneError::Twice(name.to_ascii()));
            }
        }
        Ok(fixed)
    }

    fn apex(&self) -> Held {
        let zone = self.zone;
        let servers = zone.nameservers.iter();
        let mut sets = vec![
            (zone.ttl_static, vec![RData::SOA(zone.soa.clone())]),
            (zone.ttl_static, servers.map(|it| RData::NS(NS(it.name.clone()))).collect()),
        ];
        if let Some(keys) = self.keys {
            sets.push((zone.ttl_static, keys.dnskeys()));
        }
        let inside = zone.nameservers.iter().filter(|it| zone.origin.zone_of(&it.name));
        let glue = inside.map(|it| (it.name.clone(), it.addresses.clone())).collect();
        Held { region: None, sets, glue }
    }

    /// Addresses as one set a family.
    fn addresses(&self, addresses: &[RData]) -> Vec<(u32, Vec<RData>)> {
        let of = |rtype| {
            let family = addresses.iter().filter(move |data| data.record_type() == rtype);
            (self.zone.ttl_static, family.cloned().collect::<Vec<_>>())
        };
        let families = [of(RecordType::A), of(RecordType::AAAA)];
        families.into_iter().filter(|(_, data)| !data.is_empty()).collect()
    }

    /// Refuses what cannot be sent, or not as a whole.
    pub(super) fn check(&self, name: &Name, held: &Held) -> Result<(), ZoneError> {
        let refuse = |rtype: RecordType, reason: String| ZoneError::Record {
            name: name.to_ascii(),
            rtype: rtype.to_string(),
            reason,
        };
        let mut glue = 0;
        for (owner, addresses) in &held.glue {
            glue += addresses.len() * (owner.len() + GLUE_BYTES);
        }
        for (ttl, data) in &held.sets {
            let mut bytes = if data[0].record_type() == RecordType::NS { glue } else { 0 };
            for data in data {
                let record = Record::from_rdata(name.clone(), *ttl, data.clone());
                let rtype = record.record_type();
                let one = record.to_bytes().map_err(|error| {
                    refuse(rtype, format!("it cannot be sent ({error}); shorten its data"))
                })?;
                bytes += one.len();
            }
            if bytes > SET_BYTES_MAX {
                let reason = format!("its data take {bytes} bytes; {SET_BYTES_MAX} can be sent");
                return Err(refuse(data[0].record_type(), reason));
            }
        }
        Ok(())
    }

    /// What a host holds for those that a region is chosen for.
    pub(super) fn regional(&self, host: &Host, at: usize, region: RegionId, soa: &Rrset) -> Leaf {
        self.leaf(&host.name, &self.held(host, at, region), soa)
    }

    /// The same before it is signed and encoded.
    pub(super) fn held(&self, host: &Host, at: usize, region: RegionId) -> Held {
        let mut sets = self.addresses(&addresses(region));
        if let Some(binding) = &host.https {
            sets.push((0, vec![RData::HTTPS(HTTPS(hinted(binding, region)))]));
        }
        for set in &mut sets {
            set.0 = self.zone.ttl_geo;
        }
        Held { region: Some(at), sets, glue: Vec::new() }
    }

    /// Signs and encodes what a name holds.
    pub(super) fn leaf(&self, name: &Name, held: &Held, soa: &Rrset) -> Leaf {
        let sets = held.sets.iter();
        let rrsets: Vec<Rrset> =
            sets.map(|(ttl, data)| self.rrset(name, *ttl, data.clone())).collect();
        let types: Vec<RecordType> = rrsets.iter().map(|rrset| rrset.rtype).collect();
        let proof = self.keys.map(|_| {
            let nsec = dnssec::nodata(name, self.zone.ttl_negative, &types);
            self.rrset(name, self.zone.ttl_negative, vec![nsec.data])
        });
        let hinfo = RData::HINFO(HINFO::new("RFC8482".to_owned(), String::new()));
        // RFC 8482, 4.2: nothing may be made up beside an alias.
        let alias = rrsets.iter().find(|rrset| rrset.rtype == RecordType::CNAME).cloned();
        let any = alias.unwrap_or_else(|| self.rrset(name, self.zone.ttl_static, vec![hinfo]));
        let glue = held.glue.iter().flat_map(|(name, addresses)| {
            let sets = self.addresses(addresses).into_iter();
            sets.map(|(ttl, data)| self.rrset(name, ttl, data)).collect::<Vec<_>>()
        });
        let glue: Vec<Rrset> = glue.collect();
        let encoded = encode(name, &rrsets, &any, proof.as_ref(), &glue, soa);
        Leaf { region: held.region, rrsets, any, proof, glue, encoded }
    }
}

/// Where a region answers.
fn addresses(region: RegionId) -> Vec<RData> {
    let v4 = region.endpoints.ipv4.iter().map(|ip| RData::A((*ip).into()));
    let v6 = region.endpoints.ipv6.iter().map(|ip| RData::AAAA((*ip).into()));
    v4.chain(v6).collect()
}

/// A service binding with a region's addresses as its hints, in ascending order of keys as RFC
/// 9460, 2.2 wants.
fn hinted(binding: &SVCB, region: RegionId) -> SVCB {
    let mut params = binding.svc_params.clone();
    params.retain(|(key, _)| !matches!(key, SvcParamKey::Ipv4Hint | SvcParamKey::Ipv6Hint));
    let v4: Vec<A> = region.endpoints.ipv4.iter().map(|ip| A(*ip)).collect();
    let v6: Vec<AAAA> = region.endpoints.ipv6.iter().map(|ip| AAAA(*ip)).collect();
    if !v4.is_empty() {
        params.push((SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(v4))));
    }
    if !v6.is_empty() {
        params.push((SvcParamKey::Ipv6Hint, SvcParamValue::Ipv6Hint(IpHint(v6))));
    }
    params.sort_by_key(|(key, _)| u16::from(*key));
    SVCB::new(binding.svc_priority, binding.target_name.clone(), params)
}
