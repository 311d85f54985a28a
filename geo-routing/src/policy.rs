//! Which region, and why: the rule that everything else in this crate serves.
//!
//! Pure: no packets, no clock, no network. It has two halves. [`order`] ranks the regions for a
//! place and knows nothing of health; [`route`] walks such a ranking with what is known of health.
//! The fence comes before health, so no outage can carry a question outside its jurisdiction; when
//! nothing inside is well, the nearest inside is still the answer.

use std::collections::HashMap;
use std::hash::Hasher;
use std::net::IpAddr;

pub use meridian_regions::Steering;
use meridian_regions::{Coordinates, RegionId, Registry, State};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use crate::location::{Whereabouts, carried};

/// How a region is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It takes travellers. What nothing is known of counts as healthy.
    #[default]
    Healthy,
    /// It does not answer, or badly.
    Sick,
    /// It serves those who are there and asks for nobody new.
    Draining,
}

/// The condition of each region; one that is missing is healthy.
pub type Live = HashMap<RegionId, Condition>;

/// Both, in the order in which rankings are kept.
pub(crate) const STEERINGS: [Steering; 2] = [Steering::Nearest, Steering::Map];

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Somebody in the network of this address.
    Address(IpAddr),
    /// Somebody who asked not to be placed (RFC 7871, 7.1.2: source prefix 0).
    Unknown,
}

/// Why a region was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// Its file says weight 0.
    WeightZero,
    /// It takes only a share of its clients, and this network is not in it.
    OutsideShare,
    /// An operator or the region itself asked for nobody new.
    Draining,
    /// Its probes fail.
    Sick,
    /// Its file's state serves nobody, so it is not even a last resort.
    NotServing,
    /// It is under another law than the host's fence allows.
    OutsideFence,
}

/// Every region, in the order of preference for a place.
///
/// First whoever lists the country; then by distance, or for [`Steering::Map`] the region of the
/// continent first. Right behind the first come its own fallbacks, which the region files keep
/// inside its jurisdiction; then the others by distance. A country without coordinates is
/// measured from the region that claims its continent, an unknown place from the default region.
pub(crate) fn order(
    registry: Registry,
    steering: Steering,
    whereabouts: &Whereabouts,
) -> Vec<RegionId> {
    ranked(registry, steering, whereabouts, &distances(registry, whereabouts))
}

/// The orders of preference by each of [`STEERINGS`]; distances are measured once for both.
pub(crate) fn orders(registry: Registry, whereabouts: &Whereabouts) -> [Vec<RegionId>; 2] {
    let distances = distances(registry, whereabouts);
    STEERINGS.map(|steering| ranked(registry, steering, whereabouts, &distances))
}

fn ranked(
    registry: Registry,
    steering: Steering,
    whereabouts: &Whereabouts,
    distances: &[(RegionId, f64)],
) -> Vec<RegionId> {
    let lists = |region: &RegionId| {
        whereabouts.country.is_some_and(|country| region.dns.countries.contains(&country))
    };
    let mapped = (steering == Steering::Map).then(|| match whereabouts.continent {
        Some(continent) => registry.for_continent(continent),
        None => registry.default(),
    });
    let mut ranked: Vec<(bool, bool, f64, RegionId)> =
        distances.iter().map(|(it, far)| (!lists(it), Some(*it) != mapped, *far, *it)).collect();
    ranked.sort_unstable_by(|a, b| {
        (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)).then(a.3.cmp(&b.3))
    });
    let mut ranked: Vec<RegionId> = ranked.into_iter().map(|(.., region)| region).collect();
    let Some(first) = ranked.first().copied() else {
        return ranked;
    };
    for (place, name) in (1..).zip(&first.dns.fallbacks) {
        let Some(from) = ranked.iter().position(|region| region.name == *name) else { continue };
        if from >= place {
            ranked[place..=from].rotate_right(1);
        }
    }
    ranked
}

/// Great-circle kilometres, without bias, from where distances are measured for a place.
pub(crate) fn distance_km(registry: Registry, region: RegionId, whereabouts: &Whereabouts) -> f64 {
    region.coordinates.distance_km(&origin(registry, whereabouts))
}

/// Great-circle distances after each region's bias, as Route 53's geoproximity counts it: a
/// positive bias brings a region nearer, a negative one pushes it away.
fn distances(registry: Registry, whereabouts: &Whereabouts) -> Vec<(RegionId, f64)> {
    let origin = origin(registry, whereabouts);
    let nearer = |region: RegionId| 1.0 - f64::from(region.dns.bias) / 100.0;
    registry.all().map(|it| (it, it.coordinates.distance_km(&origin) * nearer(it))).collect()
}

/// The point that distances are measured from.
fn origin(registry: Registry, whereabouts: &Whereabouts) -> Coordinates {
    whereabouts.coordinates.unwrap_or_else(|| match whereabouts.continent {
        Some(continent) => registry.for_continent(continent).coordinates,
        None => registry.default().coordinates,
    })
}

/// Where a ranking leads with the health of a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Regions with the share of clients, in percent, that each takes of those who come so far.
    /// The last one takes all.
    pub(crate) shares: Vec<(RegionId, u8)>,
    /// No region inside the fence takes newcomers, and the nearest was chosen all the same.
    pub(crate) fail_static: bool,
}

/// Walks a ranking. `None` only if the fence holds no region that serves anybody.
///
/// The first region that nothing speaks against takes its weight's share, the next one its share
/// of the rest, and so on; the last one takes all who come so far. If something speaks against
/// each: the nearest that is alive but draining, else the nearest that is sick, never one outside
/// the fence.
pub(crate) fn route(order: &[RegionId], live: &Live, fence: Option<&str>) -> Option<Route> {
    let mut shares: Vec<(RegionId, u8)> = Vec::new();
    for region in order.iter().filter(|region| against(**region, live, fence).is_none()) {
        shares.push((*region, region.dns.weight));
        if region.dns.weight >= 100 {
            break;
        }
    }
    if let Some((_, weight)) = shares.last_mut() {
        // Behind the last there is nobody to pass anybody on to.
        *weight = 100;
        return Some(Route { shares, fail_static: false });
    }
    let first = |wanted: &[Skip]| {
        let mut fits = order.iter().filter(|region| {
            against(**region, live, fence).is_some_and(|skip| wanted.contains(&skip))
        });
        fits.next().copied()
    };
    let last_resort =
        first(&[Skip::Draining, Skip::WeightZero]).or_else(|| first(&[Skip::Sick]))?;
    Some(Route { shares: vec![(last_resort, 100)], fail_static: true })
}

impl Route {
    /// The region for a client, and whether another network of the same place may get another.
    pub(crate) fn choose(&self, client: Client) -> (RegionId, bool) {
        let shared = self.shares.len() > 1;
        let taken = self.shares.iter().find(|(region, weight)| in_share(*region, *weight, client));
        let (region, _) = taken.unwrap_or_else(|| &self.shares[self.shares.len() - 1]);
        (*region, shared)
    }
}

/// Bits of a client's address that decide its share: the networks that resolvers speak for.
pub(crate) const SHARE_BITS_V4: u8 = 24;
/// The same for IPv6.
pub(crate) const SHARE_BITS_V6: u8 = 48;

/// Whether a client's network is in a region's share. It depends on the region and the network
/// only, so a network stays where it is while a weight grows, on every server alike. Who is not to
/// be placed is the last to be moved.
pub(crate) fn in_share(region: RegionId, weight: u8, client: Client) -> bool {
    if weight >= 100 {
        return true;
    }
    let Client::Address(address) = client else { return false };
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    hasher.write(region.name.as_bytes());
    match address {
        IpAddr::V4(v4) => hasher.write(&v4.octets()[..3]),
        IpAddr::V6(v6) => match carried(u128::from(v6)) {
            Some((v4, _)) => hasher.write(&v4.to_be_bytes()[..3]),
            None => hasher.write(&v6.octets()[..6]),
        },
    }
    hasher.finish() % 100 < u64::from(weight)
}

/// What speaks against sending a newcomer to a region. The worst is named.
pub(crate) fn against(region: RegionId, live: &Live, fence: Option<&str>) -> Option<Skip> {
    let condition = live.get(&region).copied().unwrap_or_default();
    if fence.is_some_and(|law| region.jurisdiction != law) {
        Some(Skip::OutsideFence)
    } else if !serves(region) {
        Some(Skip::NotServing)
    } else if condition == Condition::Sick {
        Some(Skip::Sick)
    } else if condition == Condition::Draining || !region.state.takes_traffic() {
        Some(Skip::Draining)
    } else if region.dns.weight == 0 {
        Some(Skip::WeightZero)
    } else {
        None
    }
}

/// Whether anybody at all is served there, so that it may be a last resort and is worth a probe.
pub(crate) fn serves(region: RegionId) -> bool {
    matches!(region.state, State::Active | State::Draining)
}
