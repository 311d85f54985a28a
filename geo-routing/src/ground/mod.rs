//! What does not change with health: the names, their records, the classes of addresses, and every
//! answer in the bytes it is sent in.
//!
//! It is compiled from files, at the start and when they change; a [`crate::RoutingTable`] adds the
//! health of a moment and is cheap. It decides nothing.

/// The records of one name, signed where the zone is.
mod leaf;

/// Records in the bytes they are sent in.
mod section;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use hickory_proto::rr::{Name, RData, RecordType};
use meridian_regions::{RegionId, Registry};

use crate::answer::cookie::Secret;
use crate::dnssec::{KeyError, Keys};
use crate::location::{CLASSES_MAX, Geography, PrefixTable, TooManyClasses, UNPLACED, Whereabouts};
use crate::policy::{Steering, orders};
use crate::zone::{CHAIN_MAX, Host, Zone, ZoneError, check_together};

pub(crate) use leaf::{Leaf, Rrset};
pub(crate) use section::Section;

/// Why there is nothing to serve.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// The zones do not fit the regions.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// The places are too many kinds.
    #[error(transparent)]
    Classes(#[from] TooManyClasses),
    /// The keys of a signed zone.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A zone asks to be signed.
    #[error("zone {0} says signed = true and there are no keys; give --dnssec-keys")]
    NoKeys(String),
}

/// How the server presents itself; the same for every zone.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// What an asker of NSID (RFC 5001) is told; nothing when empty.
    pub nsid: Option<Vec<u8>>,
    /// Makes and checks server cookies (RFC 7873); without it cookies are ignored.
    pub cookies: Option<Secret>,
}

/// What a ground is compiled from.
#[derive(Clone)]
pub struct Sources {
    /// The regions.
    pub registry: Registry,
    /// The zones.
    pub zones: Vec<Zone>,
    /// Where addresses are.
    pub geography: Arc<Geography>,
    /// Directory of the zones' keys, where a zone is signed.
    pub keys: Option<std::path::PathBuf>,
    /// How the server presents itself.
    pub manners: Manners,
}

impl Sources {
    /// The embedded address table, unsigned zones, and no manners.
    pub fn new(registry: Registry, zones: Vec<Zone>) -> Self {
        let (geography, manners) = (Geography::embedded(), Manners::default());
        Self { registry, zones, geography, keys: None, manners }
    }
}

/// Everything that does not change with health.
pub struct Ground {
    pub(crate) registry: Registry,
    pub(crate) regions: Vec<RegionId>,
    pub(crate) geography: Arc<Geography>,
    pub(crate) zones: Vec<ZoneGround>,
    pub(crate) nodes: HashMap<Box<[u8]>, Node, Spread>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) prefixes: Arc<PrefixTable>,
    /// The rankings of each class, by steering.
    pub(crate) classes: Vec<Rankings>,
    pub(crate) manners: Manners,
}

/// A hash that is quick on short names. Only the operator puts names into the table, so nobody can
/// crowd it.
pub(crate) type Spread = std::hash::BuildHasherDefault<rustc_hash::FxHasher>;

/// The rankings of a class, one for each of [`crate::policy::STEERINGS`].
pub(crate) type Rankings = [Arc<[RegionId]>; 2];

/// What hosts with the same answers have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) fence: Option<String>,
    pub(crate) steering: Steering,
}

impl Policy {
    pub(crate) fn ranking<'a>(&self, rankings: &'a Rankings) -> &'a [RegionId] {
        &rankings[usize::from(self.steering == Steering::Map)]
    }
}

/// A zone and what its negative answers are made of.
pub(crate) struct ZoneGround {
    pub(crate) zone: Zone,
    pub(crate) keys: Option<Keys>,
    /// The SOA of negative answers, with their time to live.
    pub(crate) soa: Rrset,
    /// The authority section of NXDOMAIN without DNSSEC, relative to the name asked for.
    pub(crate) nxdomain: Section,
    /// What stands right above the apex in the names of the SOA: below that the section above would
    /// be compressed otherwise.
    pub(crate) soa_names: [Box<[u8]>; 2],
}

/// What stands at a name.
pub(crate) struct Node {
    /// Its number among all names.
    pub(crate) number: u32,
    pub(crate) zone: usize,
    pub(crate) stands: Stands,
}

/// The kinds of names.
pub(crate) enum Stands {
    /// The same for everybody; nothing at all at an empty non-terminal.
    Same(Leaf),
    /// An alias (RFC 1034, 3.6.2).
    Alias(Leaf),
    /// One leaf a region, in the order of [`Ground::regions`], picked by a policy.
    Geo { host: String, policy: usize, leaves: Vec<Leaf> },
}

impl Stands {
    /// What it holds for somebody.
    pub(crate) fn any_leaf(&self) -> &Leaf {
        match self {
            Self::Same(leaf) | Self::Alias(leaf) => leaf,
            Self::Geo { leaves, .. } => &leaves[0],
        }
    }
}

impl Ground {
    /// Compiles what the files say. Signatures are made now and hold for a week.
    pub fn new(sources: &Sources, now: SystemTime) -> Result<Self, GroundError> {
        let Sources { registry, zones, geography, keys, manners } = sources.clone();
        check_together(&zones)?;
        let (classes, class_of) = classes(registry, &geography.atlas().places)?;
        let prefixes = geography.prefixes(&class_of);
        let mut ground = Self {
            registry,
            regions: registry.all().collect(),
            geography,
            zones: Vec::new(),
            nodes: HashMap::default(),
            policies: Vec::new(),
            prefixes,
            classes,
            manners,
        };
        for zone in zones {
            let origin = zone.origin();
            zone.check(registry).map_err(|error| error.of(&origin))?;
            let keys = match (zone.signed, &keys) {
                (false, _) => None,
                (true, Some(dir)) => Some(Keys::load(dir, &zone.origin)?),
                (true, None) => return Err(GroundError::NoKeys(zone.origin())),
            };
            ground.add(zone, keys, now).map_err(|error| error.of(&origin))?;
        }
        ground.check_aliases()?;
        Ok(ground)
    }

    /// The name in lower case as it is sent, which is how names are looked up.
    pub(crate) fn wire(name: &Name) -> Box<[u8]> {
        let mut wire = Vec::with_capacity(name.len() + 1);
        for label in name.iter() {
            wire.push(u8::try_from(label.len()).expect("a label has at most 63 bytes"));
            wire.extend(label.iter().map(u8::to_ascii_lowercase));
        }
        wire.push(0);
        wire.into()
    }

    /// What stands at a name.
    pub(crate) fn node(&self, name: &Name) -> Option<&Node> {
        self.nodes.get(&Self::wire(name))
    }

    /// The zone that a name lies in.
    pub(crate) fn zone_of(&self, name: &Name) -> Option<&ZoneGround> {
        self.zones.iter().find(|it| it.zone.origin.zone_of(name))
    }

    /// What there is, in one line.
    pub(crate) fn summary(&self) -> String {
        let zones: Vec<String> = self.zones.iter().map(|it| it.zone.origin()).collect();
        format!(
            "{}: {} names, {} regions; addresses of {} in {} classes, {} KiB",
            zones.join(", "),
            self.nodes.len(),
            self.regions.len(),
            self.geography.build_date(),
            self.classes.len(),
            self.prefixes.bytes() / 1024,
        )
    }

    /// Percentage of IPv4 addresses that another ground sends elsewhere when everybody is well,
    /// rounded down: one of each 65,536 is asked.
    pub(crate) fn moved_percent(&self, other: &Self) -> u32 {
        fn first(ground: &Ground, address: u32) -> Option<&RegionId> {
            let class = usize::from(ground.prefixes.find(IpAddr::V4(address.into())).class);
            ground.classes[class][0].first()
        }
        let samples = (0..=u16::MAX).map(|high| u32::from(high) << 16 | 0x8001);
        let moved = samples.filter(|it| first(self, *it) != first(other, *it)).count();
        u32::try_from((moved * 100) >> 16).expect("it is at most 100")
    }

    fn add(&mut self, zone: Zone, keys: Option<Keys>, now: SystemTime) -> Result<(), ZoneError> {
        let number = self.zones.len();
        let maker = leaf::Maker { zone: &zone, keys: keys.as_ref(), now };
        let soa = maker.rrset(&zone.origin, zone.ttl_negative, vec![RData::SOA(zone.soa.clone())]);
        let fixed = maker.fixed(self.registry)?;
        let mut names: Vec<Name> = Vec::new();
        for (name, held) in &fixed {
            maker.check(name, held)?;
            let leaf = maker.leaf(name, held, &soa);
            let stands = match zone.alias(name) {
                Some(_) => Stands::Alias(leaf),
                None => Stands::Same(leaf),
            };
            names.push(name.clone());
            self.claim(name, number, stands)?;
        }
        for host in &zone.hosts {
            for region in &self.regions {
                maker.check(&host.name, &maker.held(host, 0, *region))?;
            }
            let stands = self.geo(&maker, host, &soa);
            names.push(host.name.clone());
            self.claim(&host.name, number, stands)?;
        }
        for name in gaps(&zone.origin, &names) {
            if self.node(&name).is_none() {
                let leaf = maker.leaf(&name, &leaf::Held::default(), &soa);
                self.claim(&name, number, Stands::Same(leaf))?;
            }
        }
        let nxdomain = section::nxdomain(&zone, &soa);
        let apex_labels = zone.origin.iter().count();
        let below_apex = |name: &Name| match zone.origin.zone_of(name) {
            true => Self::wire(&name.trim_to(apex_labels + 1)),
            false => Self::wire(name),
        };
        let soa_names = [below_apex(&zone.soa.mname), below_apex(&zone.soa.rname)];
        self.zones.push(ZoneGround { zone, keys, soa, nxdomain, soa_names });
        Ok(())
    }

    fn claim(&mut self, name: &Name, zone: usize, stands: Stands) -> Result<(), ZoneError> {
        let number = u32::try_from(self.nodes.len()).expect("names fit into memory");
        match self.nodes.insert(Self::wire(name), Node { number, zone, stands }) {
            None => Ok(()),
            Some(_) => Err(ZoneError::Twice(name.to_ascii())),
        }
    }

    fn geo(&mut self, maker: &leaf::Maker<'_>, host: &Host, soa: &Rrset) -> Stands {
        let policy = Policy { fence: host.fence.clone(), steering: host.steering };
        let known = self.policies.iter().position(|it| *it == policy);
        let policy = known.unwrap_or_else(|| {
            self.policies.push(policy);
            self.policies.len() - 1
        });
        let regions = self.regions.iter().enumerate();
        let leaves = regions.map(|(at, region)| maker.regional(host, at, *region, soa));
        Stands::Geo { host: host.name.to_ascii(), policy, leaves: leaves.collect() }
    }

    /// Every alias of ours that points into a zone of ours ends at a name, in a few steps.
    fn check_aliases(&self) -> Result<(), ZoneError> {
        for zone in self.zones.iter().map(|it| &it.zone) {
            for (name, rtype) in zone.records.keys() {
                if *rtype != RecordType::CNAME {
                    continue;
                }
                let mut at = name.clone();
                for step in 0.. {
                    let Some(target) = zone.alias(&at) else { break };
                    let target = target.0.clone();
                    let lost = zone.origin.zone_of(&target) && self.node(&target).is_none();
                    if lost || step >= CHAIN_MAX {
                        return Err(ZoneError::Alias(name.to_ascii()).of(&zone.origin()));
                    }
                    at = target.to_lowercase();
                }
            }
        }
        Ok(())
    }
}

/// The rankings of all places, and which place has which.
fn classes(
    registry: Registry,
    places: &[Whereabouts],
) -> Result<(Vec<Rankings>, Vec<u16>), TooManyClasses> {
    let mut known: HashMap<[Vec<RegionId>; 2], u16, Spread> = HashMap::default();
    let mut classes: Vec<Rankings> = Vec::new();
    let mut class_of = Vec::with_capacity(places.len());
    for place in places {
        let orders = orders(registry, place);
        let class = known.get(&orders).copied().unwrap_or_else(|| {
            let class = u16::try_from(classes.len()).unwrap_or(u16::MAX);
            classes.push(orders.clone().map(Arc::from));
            known.insert(orders, class);
            class
        });
        class_of.push(class);
    }
    if classes.len() > CLASSES_MAX {
        return Err(TooManyClasses(classes.len()));
    }
    debug_assert_eq!(class_of.first(), Some(&UNPLACED), "nowhere is the first place");
    Ok((classes, class_of))
}

/// A name with something below it exists, though empty (RFC 8020): NODATA, not NXDOMAIN.
fn gaps(origin: &Name, names: &[Name]) -> Vec<Name> {
    let mut gaps = Vec::new();
    for name in names {
        let mut above = name.base_name();
        while origin.zone_of(&above) && above != *origin {
            gaps.push(above.clone());
            above = above.base_name();
        }
    }
    gaps
}
