//! The routing table: the ground and the health of a moment, in one immutable snapshot.
//!
//! Every decision is made when the table is built, for each policy and each class of addresses, so
//! answering is two look-ups. A change of health builds the next table; nothing in this one ever
//! changes.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use meridian_regions::{Country, RegionId};

use crate::answer::Kind;
use crate::clock;
use crate::dnssec::{self, Encloser};
use crate::ground::{Ground, Leaf, Node, Rrset, Stands, ZoneGround};
use crate::location::{Found, Whereabouts};
use crate::policy::{Client, Live, Route, SHARE_BITS_V4, SHARE_BITS_V6, order, orders, route};
use crate::zone::CHAIN_MAX;

/// What is said to a question about one name and type.
#[derive(Clone, Debug)]
pub struct Answer {
    /// NOERROR, NXDOMAIN or REFUSED.
    pub rcode: ResponseCode,
    /// What kind of an answer it is.
    pub kind: Kind,
    /// The answer section, owned by the name in the case it was asked in.
    pub answers: Vec<Record>,
    /// The authority section: the SOA of a negative answer, and the proof of it.
    pub authorities: Vec<Record>,
    /// The additional section: glue.
    pub additionals: Vec<Record>,
    /// Bits of the client's address that the answer holds for; 0 when it holds for everybody.
    pub scope: u8,
    /// The region that was chosen, by its place among the regions.
    pub region: Option<usize>,
    /// Whether that region was chosen although nothing inside the fence takes newcomers.
    pub fail_static: bool,
}

/// An immutable snapshot that answers questions.
pub struct RoutingTable {
    ground: Arc<Ground>,
    live: Live,
    /// By policy, then by class.
    choices: Vec<Vec<Choice>>,
}

/// Where a class is sent.
struct Choice {
    /// The region's place in [`Ground::regions`].
    first: usize,
    fail_static: bool,
    /// Set while more than one region takes a share.
    shared: Option<Route>,
}

/// A region for a client.
pub(crate) struct Chosen {
    /// The region's place in [`Ground::regions`], which is its leaf's.
    pub(crate) index: usize,
    pub(crate) scope: u8,
    pub(crate) fail_static: bool,
}

impl RoutingTable {
    /// Compiles the snapshot. The ground was checked, so no state of health can make it fail.
    pub fn compile(ground: Arc<Ground>, live: Live) -> Self {
        let index = |region: RegionId| {
            let place = ground.regions.iter().position(|it| *it == region);
            place.expect("a ranking holds regions of the registry only")
        };
        let choices = ground.policies.iter().map(|policy| {
            let routes = ground.classes.iter().map(|rankings| {
                let ranking = policy.ranking(rankings);
                let route = route(ranking, &live, policy.fence.as_deref())
                    .expect("the zone was checked: each fence holds a region that serves");
                Choice {
                    first: index(route.shares[0].0),
                    fail_static: route.fail_static,
                    shared: (route.shares.len() > 1).then_some(route),
                }
            });
            routes.collect()
        });
        let choices = choices.collect();
        Self { ground, live, choices }
    }

    pub(crate) fn ground(&self) -> &Arc<Ground> {
        &self.ground
    }

    /// The health it was compiled with.
    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    /// Where a client's address is; nowhere if the client does not want to be placed.
    pub(crate) fn locate(&self, client: Client) -> Found {
        match client {
            Client::Unknown => Found::default(),
            Client::Address(address) => self.ground.prefixes.find(address),
        }
    }

    /// The same for a batch of addresses; each comes with its number.
    pub(crate) fn locate_all(&self, addresses: &[IpAddr], each: impl FnMut(usize, Found)) {
        self.ground.prefixes.find_all(addresses, each);
    }

    /// The region for a client, and how much of the address space around it gets the same.
    pub(crate) fn choose(&self, policy: usize, client: Client) -> Chosen {
        self.choose_at(policy, client, self.locate(client))
    }

    /// The same for a client that was located.
    pub(crate) fn choose_at(&self, policy: usize, client: Client, found: Found) -> Chosen {
        let choice = &self.choices[policy][usize::from(found.class)];
        let Some(route) = &choice.shared else {
            let (index, scope) = (choice.first, found.prefix);
            return Chosen { index, scope, fail_static: choice.fail_static };
        };
        let (region, _) = route.choose(client);
        let place = self.ground.regions.iter().position(|it| *it == region);
        let scope = match client {
            Client::Unknown => 0,
            Client::Address(IpAddr::V6(_)) if found.carrier == 0 => found.prefix.max(SHARE_BITS_V6),
            Client::Address(_) => found.prefix.max(found.carrier + SHARE_BITS_V4),
        };
        Chosen { index: place.unwrap_or(choice.first), scope, fail_static: choice.fail_static }
    }

    /// Answers a question of class IN. The same question always gets the same answer, but for the
    /// signatures over a name that does not exist, which are made when it is asked for.
    pub fn answer(
        &self,
        name: &Name,
        qtype: RecordType,
        client: Client,
        dnssec_ok: bool,
    ) -> Answer {
        let asked = Asked { name, qtype, client, dnssec_ok };
        let transfer = matches!(qtype, RecordType::AXFR | RecordType::IXFR);
        let Some(zone) = self.ground.zone_of(name).filter(|_| !transfer) else {
            return Answer::of(ResponseCode::Refused, Kind::Refused);
        };
        self.answer_in(zone, &asked, 0)
    }

    fn answer_in(&self, zone: &ZoneGround, asked: &Asked<'_>, links: usize) -> Answer {
        let Some(node) = self.ground.node(asked.name) else {
            return self.no_name(zone, asked);
        };
        match &node.stands {
            Stands::Same(leaf) => asked.leaf(zone, node, leaf),
            Stands::Alias(leaf) => {
                let wants_alias = matches!(asked.qtype, RecordType::CNAME | RecordType::ANY);
                let target = zone.zone.alias(&asked.name.to_lowercase());
                let proves = asked.is_proof(zone);
                match target.filter(|_| !wants_alias && !proves && links <= CHAIN_MAX) {
                    None => asked.leaf(zone, node, leaf),
                    Some(target) => self.follow(zone, asked, node, leaf, &target.0, links),
                }
            }
            Stands::Geo { policy, leaves, .. } => {
                // What no region has is absent for everybody; what only some have is absent for
                // their clients alone, and must not be kept for all.
                let geographic = leaves
                    .iter()
                    .any(|leaf| leaf.rrsets.iter().any(|rrset| rrset.rtype == asked.qtype));
                if !geographic {
                    return Answer { region: None, ..asked.leaf(zone, node, &leaves[0]) };
                }
                let Chosen { index, scope, fail_static } = self.choose(*policy, asked.client);
                let answer = asked.leaf(zone, node, &leaves[index]);
                Answer { scope, fail_static, region: Some(index), ..answer }
            }
        }
    }

    /// An alias and what it leads to, as far as that is ours (RFC 1034, 4.3.2).
    fn follow(
        &self,
        zone: &ZoneGround,
        asked: &Asked<'_>,
        node: &Node,
        leaf: &Leaf,
        target: &Name,
        links: usize,
    ) -> Answer {
        let alias = leaf.rrsets.iter().flat_map(|it| it.records(asked.name, asked.dnssec_ok));
        let alias: Vec<Record> = alias.collect();
        let kind = Kind::Records(node.number);
        if !zone.zone.origin.zone_of(target) {
            return Answer { answers: alias, ..Answer::of(ResponseCode::NoError, kind) };
        }
        let mut answer = self.answer_in(zone, &Asked { name: target, ..*asked }, links + 1);
        answer.answers.splice(0..0, alias);
        answer
    }

    /// RFC 2308: the SOA says how long the absence keeps; RFC 4470 proves it.
    fn no_name(&self, zone: &ZoneGround, asked: &Asked<'_>) -> Answer {
        let origin = &zone.zone.origin;
        let number = self.ground.zones.iter().position(|it| it.zone.origin == *origin);
        let kind = Kind::NoName(u32::try_from(number.unwrap_or(0)).unwrap_or(u32::MAX));
        let mut answer = Answer::of(ResponseCode::NXDomain, kind);
        answer.authorities.extend(zone.soa.records(origin, asked.dnssec_ok));
        if let Some(keys) = zone.keys.as_ref().filter(|_| asked.dnssec_ok) {
            let ttl = zone.zone.ttl_negative;
            let name = asked.name.to_lowercase();
            let mut encloser = name.base_name();
            let node = loop {
                match self.ground.node(&encloser) {
                    Some(node) => break node,
                    None => encloser = encloser.base_name(),
                }
            };
            let types = node.stands.any_leaf().types();
            let encloser = Encloser { name: encloser, types: &types, origin };
            for nsec in dnssec::nxdomain(&name, &encloser, ttl) {
                let data = std::slice::from_ref(&nsec.data);
                let signature = keys.sign(&nsec.name, ttl, data, clock::now());
                let signature = Record::from_rdata(nsec.name.clone(), ttl, signature);
                answer.authorities.extend([nsec, signature]);
            }
        }
        answer
    }

    /// The parts of a place's clients that each region gets for a host, nearest first; nobody for a
    /// host that is in no zone.
    pub fn shares(&self, host: &str, place: &Whereabouts) -> Vec<(RegionId, f64)> {
        let ground = &self.ground;
        let mut hosts = ground.zones.iter().flat_map(|it| &it.zone.hosts);
        let Some(host) = hosts.find(|it| it.name.to_ascii() == host) else { return Vec::new() };
        let order = order(ground.registry, host.steering, place);
        let route = route(&order, &self.live, host.fence.as_deref());
        let mut rest = 1.0;
        let part = |(region, weight): (RegionId, u8)| {
            let part = rest * f64::from(weight) / 100.0;
            rest -= part;
            (region, part)
        };
        route.into_iter().flat_map(|route| route.shares).map(part).collect()
    }

    /// Every decision for a country's centre (`None`: unknown): the host in full, the country, and
    /// the region that most of its clients get.
    pub fn decisions(&self) -> Vec<(String, Option<Country>, RegionId)> {
        let mut decisions = Vec::new();
        for node in self.ground.nodes.values() {
            let Stands::Geo { host, policy, .. } = &node.stands else { continue };
            for country in Country::all().map(Some).chain([None]) {
                let place = match country {
                    Some(country) => self.ground.geography.centre(country),
                    None => Whereabouts::default(),
                };
                let rankings = orders(self.ground.registry, &place).map(Arc::from);
                let class = self.ground.classes.iter().position(|it| *it == rankings);
                // A country without an address of its own in the table has no class.
                let Some(class) = class else { continue };
                let region = self.ground.regions[self.choices[*policy][class].first];
                decisions.push((host.clone(), country, region));
            }
        }
        decisions
    }
}

/// A question.
#[derive(Clone, Copy)]
struct Asked<'a> {
    name: &'a Name,
    qtype: RecordType,
    client: Client,
    dnssec_ok: bool,
}

impl Asked<'_> {
    /// Whether it asks a signed zone for a signature or a proof itself.
    fn is_proof(&self, zone: &ZoneGround) -> bool {
        zone.keys.is_some() && matches!(self.qtype, RecordType::RRSIG | RecordType::NSEC)
    }

    fn leaf(&self, zone: &ZoneGround, node: &Node, leaf: &Leaf) -> Answer {
        let region = leaf.region;
        if self.is_proof(zone) {
            return Answer { region, ..self.proof(node, leaf) };
        }
        let found = match self.qtype {
            RecordType::ANY => Some(&leaf.any),
            wanted => leaf.rrsets.iter().find(|rrset| rrset.rtype == wanted),
        };
        let Some(rrset) = found else {
            let mut answer = Answer::of(ResponseCode::NoError, Kind::NoData(node.number));
            answer.authorities.extend(zone.soa.records(&zone.zone.origin, self.dnssec_ok));
            let proof = leaf.proof.iter().filter(|_| self.dnssec_ok);
            answer.authorities.extend(proof.flat_map(|it| it.records(&it.owner, true)));
            return Answer { region, ..answer };
        };
        let mut answer = self.records(node, rrset);
        if rrset.rtype == RecordType::NS {
            let glue = leaf.glue.iter().flat_map(|it| it.records(&it.owner, self.dnssec_ok));
            answer.additionals.extend(glue);
        }
        Answer { region, ..answer }
    }

    fn records(&self, node: &Node, rrset: &Rrset) -> Answer {
        let mut answer = Answer::of(ResponseCode::NoError, Kind::Records(node.number));
        answer.answers.extend(rrset.records(self.name, self.dnssec_ok));
        answer
    }

    /// The signatures of one set (RFC 8482, 4.1: one is enough), or the proof of all types.
    fn proof(&self, node: &Node, leaf: &Leaf) -> Answer {
        let mut answer = Answer::of(ResponseCode::NoError, Kind::Records(node.number));
        if self.qtype == RecordType::NSEC {
            let proof = leaf.proof.iter();
            answer.answers.extend(proof.flat_map(|it| it.records(self.name, self.dnssec_ok)));
        } else {
            let rrset = leaf.rrsets.first().unwrap_or(&leaf.any);
            let signatures = rrset.signatures.iter().cloned();
            answer
                .answers
                .extend(signatures.map(|it| Record::from_rdata(self.name.clone(), rrset.ttl, it)));
        }
        answer
    }
}

impl Answer {
    fn of(rcode: ResponseCode, kind: Kind) -> Self {
        Self {
            rcode,
            kind,
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

    /// The addresses in it.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.answers.iter().filter_map(|record| match &record.data {
            RData::A(v4) => Some(IpAddr::V4(v4.0)),
            RData::AAAA(v6) => Some(IpAddr::V6(v6.0)),
            _ => None,
        })
    }
}
