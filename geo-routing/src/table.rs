//! The routing table: zone, regions and health compiled into one immutable snapshot.
//!
//! Every decision is made when the table is built, for each host and each country, so answering is
//! two look-ups. A change of health builds the next table; nothing in this one ever changes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{HINFO, NS};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use meridian_regions::{Country, RegionId, Registry};

use crate::location::{Geography, Subnet};
use crate::policy::{Candidate, Explanation, Live, Whereabouts, order};
use crate::zone::{Zone, ZoneError};

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Somebody in the network of this address.
    Address(IpAddr),
    /// Somebody who asked not to be placed (RFC 7871, 7.1.2: source prefix 0).
    Unknown,
}

/// What is said to a question about one name and type.
#[derive(Clone, Debug)]
pub struct Answer {
    /// NOERROR, NXDOMAIN or REFUSED.
    pub rcode: ResponseCode,
    /// The answer section, owned by the name in the case it was asked in.
    pub answers: Vec<Record>,
    /// The authority section: the SOA of a negative answer.
    pub authorities: Vec<Record>,
    /// The additional section: glue.
    pub additionals: Vec<Record>,
    /// Bits of the client's address that the answer holds for; 0 when it holds for everybody.
    pub scope: u8,
    /// The region that was chosen, for the counters.
    pub region: Option<RegionId>,
    /// Whether that region was chosen although nothing inside the fence takes newcomers.
    pub fail_static: bool,
}

/// An immutable snapshot that answers questions.
pub struct RoutingTable {
    geography: &'static Geography,
    zone: Arc<Zone>,
    nodes: HashMap<Name, Node>,
}

/// What stands at a name.
enum Node {
    Apex,
    /// The same for everybody; nothing at all at an empty non-terminal.
    Fixed {
        addresses: Vec<RData>,
        region: Option<RegionId>,
    },
    /// One region per country, and one for those whose country is unknown.
    Geo(HashMap<Option<Country>, Route>),
}

#[derive(Clone, Copy)]
struct Route {
    region: RegionId,
    fail_static: bool,
}

impl RoutingTable {
    /// Compiles the snapshot. It fails on what the zone and the regions say, never on health.
    pub fn compile(registry: Registry, zone: Arc<Zone>, live: &Live) -> Result<Self, ZoneError> {
        zone.check(registry)?;
        let geography = Geography::embedded();
        let mut nodes = HashMap::from([(zone.origin.clone(), Node::Apex)]);
        let mut claim = |name: &Name, node: Node| match nodes.insert(name.clone(), node) {
            None => Ok(()),
            Some(_) => Err(ZoneError::Twice(name.clone())),
        };
        for host in &zone.hosts {
            let routes = routes(registry, live, host.fence.as_deref(), geography);
            claim(&host.name, Node::Geo(routes))?;
        }
        for (name, region) in zone.region_names(registry)? {
            claim(&name, Node::Fixed { addresses: addresses(region), region: Some(region) })?;
        }
        for server in &zone.nameservers {
            // A server outside the zone is somebody else's to answer for.
            if zone.origin.zone_of(&server.name) {
                let addresses = server.addresses.clone();
                claim(&server.name, Node::Fixed { addresses, region: None })?;
            }
        }
        fill_gaps(&zone.origin, &mut nodes);
        Ok(Self { geography, zone, nodes })
    }

    /// Answers a question of class IN. Pure: the same question always gets the same answer.
    pub fn answer(&self, name: &Name, qtype: RecordType, client: Client) -> Answer {
        let transfer = matches!(qtype, RecordType::AXFR | RecordType::IXFR);
        if transfer || !self.zone.origin.zone_of(name) {
            return Answer::of(ResponseCode::Refused);
        }
        let Some(node) = self.nodes.get(name) else {
            return self.negative(ResponseCode::NXDomain);
        };
        // RFC 8482, 4.2: one small record instead of everything there is.
        if qtype == RecordType::ANY {
            let hinfo = HINFO::new("RFC8482".to_owned(), String::new());
            return self.positive(name, [RData::HINFO(hinfo)], self.zone.ttl_static);
        }
        match node {
            Node::Apex => self.apex(name, qtype),
            Node::Fixed { addresses, region } => {
                let wanted = addresses.iter().filter(|data| data.record_type() == qtype).cloned();
                Answer { region: *region, ..self.positive(name, wanted, self.zone.ttl_static) }
            }
            Node::Geo(routes) if matches!(qtype, RecordType::A | RecordType::AAAA) => {
                let (country, scope) = self.place(client);
                let route = routes.get(&country).or_else(|| routes.get(&None));
                let route = route.expect("compile writes a route for the unknown");
                let wanted =
                    addresses(route.region).into_iter().filter(|data| data.record_type() == qtype);
                let answer = self.positive(name, wanted, self.zone.ttl_geo);
                // A region without addresses of the family is empty for its own countries only, so
                // even that negative answer is scoped: it must not be kept for everybody.
                let (region, fail_static) = (Some(route.region), route.fail_static);
                Answer { scope, region, fail_static, ..answer }
            }
            Node::Geo(_) => self.negative(ResponseCode::NoError),
        }
    }

    /// Every decision in the table: the host in full, the country (`None`: unknown), the region.
    pub fn decisions(&self) -> impl Iterator<Item = (String, Option<Country>, RegionId)> {
        self.nodes.iter().flat_map(|(name, node)| {
            let routes = match node {
                Node::Geo(routes) => Some(routes),
                Node::Apex | Node::Fixed { .. } => None,
            };
            let all = routes.into_iter().flatten();
            all.map(move |(country, route)| (name.to_ascii(), *country, route.region))
        })
    }

    fn place(&self, client: Client) -> (Option<Country>, u8) {
        match client {
            Client::Unknown => (None, 0),
            Client::Address(address) => {
                let location = self.geography.locate(address);
                (location.country, location.prefix)
            }
        }
    }

    fn apex(&self, name: &Name, qtype: RecordType) -> Answer {
        let zone = &self.zone;
        match qtype {
            RecordType::SOA => self.positive(name, [RData::SOA(zone.soa.clone())], zone.ttl_static),
            RecordType::NS => {
                let servers = zone.nameservers.iter().map(|it| RData::NS(NS(it.name.clone())));
                let mut answer = self.positive(name, servers, zone.ttl_static);
                for server in &zone.nameservers {
                    let glue = server.addresses.iter().map(|data| {
                        Record::from_rdata(server.name.clone(), zone.ttl_static, data.clone())
                    });
                    answer.additionals.extend(glue);
                }
                answer
            }
            _ => self.negative(ResponseCode::NoError),
        }
    }

    /// The records, or the empty answer if there are none.
    fn positive(&self, name: &Name, data: impl IntoIterator<Item = RData>, ttl: u32) -> Answer {
        let records = data.into_iter().map(|data| Record::from_rdata(name.clone(), ttl, data));
        let answers: Vec<Record> = records.collect();
        if answers.is_empty() {
            return self.negative(ResponseCode::NoError);
        }
        Answer { answers, ..Answer::of(ResponseCode::NoError) }
    }

    /// RFC 2308: the SOA says how long the absence keeps.
    fn negative(&self, rcode: ResponseCode) -> Answer {
        let soa = RData::SOA(self.zone.soa.clone());
        let record = Record::from_rdata(self.zone.origin.clone(), self.zone.ttl_negative, soa);
        Answer { authorities: vec![record], ..Answer::of(rcode) }
    }
}

impl Answer {
    fn of(rcode: ResponseCode) -> Self {
        Self {
            rcode,
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            scope: 0,
            region: None,
            fail_static: false,
        }
    }

    /// Whether the AA bit is set: for all but what is refused.
    pub fn authoritative(&self) -> bool {
        self.rcode != ResponseCode::Refused
    }
}

/// The choice for every country and for the unknown.
fn routes(
    registry: Registry,
    live: &Live,
    fence: Option<&str>,
    geography: &Geography,
) -> HashMap<Option<Country>, Route> {
    Country::all()
        .map(Some)
        .chain([None])
        .map(|country| {
            let decision = order(registry, live, fence, &Whereabouts::of(geography, country));
            let region = decision.chosen.expect("the zone was checked: each fence holds a region");
            (country, Route { region, fail_static: decision.fail_static })
        })
        .collect()
}

fn addresses(region: RegionId) -> Vec<RData> {
    let v4 = region.endpoints.ipv4.iter().map(|ip| RData::A((*ip).into()));
    let v6 = region.endpoints.ipv6.iter().map(|ip| RData::AAAA((*ip).into()));
    v4.chain(v6).collect()
}

/// A name with something below it exists, though empty (RFC 8020): NODATA, not NXDOMAIN.
fn fill_gaps(origin: &Name, nodes: &mut HashMap<Name, Node>) {
    let names: Vec<Name> = nodes.keys().cloned().collect();
    for name in names {
        let mut above = name.base_name();
        while origin.zone_of(&above) && above != *origin {
            let parent = above.base_name();
            nodes.entry(above).or_insert(Node::Fixed { addresses: Vec::new(), region: None });
            above = parent;
        }
    }
}

/// Why a host is answered as it is for a network; the host is named as in the zone (`api`) or in
/// full (`api.meridian.example`).
pub fn explain(
    registry: Registry,
    zone: &Zone,
    live: &Live,
    host: &str,
    subnet: Subnet,
) -> Result<Explanation, ZoneError> {
    zone.check(registry)?;
    let asked = host.trim_end_matches('.');
    let is_asked = |name: &Name| {
        let full = name.to_ascii();
        let relative = full.strip_suffix(&format!(".{}", zone.origin()));
        asked.eq_ignore_ascii_case(full.trim_end_matches('.'))
            || relative.is_some_and(|relative| asked.eq_ignore_ascii_case(relative))
    };
    let geography = Geography::embedded();
    let located = geography.locate(subnet.address());
    let (country, scope) =
        if subnet.prefix() == 0 { (None, 0) } else { (located.country, located.prefix) };
    let location = Whereabouts::of(geography, country);
    if let Some(host) = zone.hosts.iter().find(|host| is_asked(&host.name)) {
        let decision = order(registry, live, host.fence.as_deref(), &location);
        let chosen = decision.chosen.expect("the zone was checked: each fence holds a region");
        return Ok(Explanation {
            host: host.name.to_ascii(),
            subnet,
            location,
            scope,
            fence: host.fence.clone(),
            candidates: decision.considered.iter().map(Candidate::from).collect(),
            chosen: chosen.name.clone(),
            fail_static: decision.fail_static,
        });
    }
    let fixed = zone.region_names(registry)?;
    if let Some((name, region)) = fixed.iter().find(|(name, _)| is_asked(name)) {
        return Ok(Explanation {
            host: name.to_ascii(),
            subnet,
            location,
            scope: 0,
            fence: None,
            candidates: Vec::new(),
            chosen: region.name.clone(),
            fail_static: false,
        });
    }
    let known = zone.hosts.iter().map(|host| &host.name).chain(fixed.iter().map(|(name, _)| name));
    let known = known.map(Name::to_ascii).collect::<Vec<_>>().join(", ");
    Err(ZoneError::UnknownHost { host: host.to_owned(), known })
}
