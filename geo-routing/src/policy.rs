//! Which region, and why: the rule that everything else in this crate serves.
//!
//! Pure: no packets, no clock, no network. The fence comes before health, so no outage can carry a
//! question outside its jurisdiction; when nothing inside is well, the nearest inside is still the
//! answer.

use std::collections::HashMap;

use meridian_regions::{Continent, Coordinates, Country, RegionId, Registry, State};
use serde::Serialize;

use crate::location::{Geography, Subnet};

/// How a region is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
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

/// What is known of where a question comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Whereabouts {
    /// The country, when it is known.
    pub country: Option<Country>,
    /// Its continent.
    pub continent: Option<Continent>,
    /// Its population-weighted centre, when one is known.
    pub coordinates: Option<Coordinates>,
}

impl Whereabouts {
    /// What the table knows of a country.
    pub fn of(geography: &Geography, country: Option<Country>) -> Self {
        let place = country.and_then(|country| geography.place(country));
        Self {
            country,
            continent: place.map(|place| place.continent),
            coordinates: place.and_then(|place| place.coordinates),
        }
    }
}

/// Why a region was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// Its file says weight 0.
    WeightZero,
    /// An operator or the region itself asked for nobody new.
    Draining,
    /// Its probes fail.
    Sick,
    /// Its file's state serves nobody, so it is not even a last resort.
    NotServing,
    /// It is under another law than the host's fence allows.
    OutsideFence,
}

/// A region as the rule saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Considered {
    pub(crate) region: RegionId,
    pub(crate) distance_km: f64,
    pub(crate) condition: Condition,
    pub(crate) skipped: Option<Skip>,
}

/// What the rule decided.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    /// Every region, in the order of preference; those outside the fence come last.
    pub(crate) considered: Vec<Considered>,
    /// `None` only if the fence holds no region that serves anybody.
    pub(crate) chosen: Option<RegionId>,
    /// No region inside the fence takes newcomers, and the nearest was chosen all the same.
    pub(crate) fail_static: bool,
}

/// Orders the regions for a place and picks one.
///
/// Fence, then override by `dns.countries`, then great-circle distance from the country (from the
/// region that claims its continent when it has no coordinates, from the default region when it is
/// unknown); the first that nothing speaks against. If something speaks against each: the nearest
/// that is alive but draining, else the nearest that is sick, never one outside.
pub(crate) fn order(
    registry: Registry,
    live: &Live,
    fence: Option<&str>,
    whereabouts: &Whereabouts,
) -> Decision {
    let origin = origin(registry, whereabouts);
    let claims = |region: RegionId| {
        whereabouts.country.is_some_and(|country| region.dns.countries.contains(&country))
    };
    let mut considered: Vec<Considered> = registry
        .all()
        .map(|region| {
            let condition = live.get(&region).copied().unwrap_or_default();
            let fenced_out = fence.is_some_and(|law| region.jurisdiction != law);
            let skipped =
                if fenced_out { Some(Skip::OutsideFence) } else { against(region, condition) };
            let distance_km = region.coordinates.distance_km(&origin);
            Considered { region, distance_km, condition, skipped }
        })
        .collect();
    considered.sort_by(|a, b| {
        let outside = |it: &Considered| it.skipped == Some(Skip::OutsideFence);
        (outside(a), !claims(a.region))
            .cmp(&(outside(b), !claims(b.region)))
            .then(a.distance_km.total_cmp(&b.distance_km))
            .then(a.region.cmp(&b.region))
    });
    let first = |wanted: &[Option<Skip>]| {
        considered.iter().find(|it| wanted.contains(&it.skipped)).map(|it| it.region)
    };
    let well = first(&[None]);
    let last_resort = || {
        first(&[Some(Skip::Draining), Some(Skip::WeightZero)])
            .or_else(|| first(&[Some(Skip::Sick)]))
    };
    let chosen = well.or_else(last_resort);
    Decision { chosen, fail_static: well.is_none() && chosen.is_some(), considered }
}

/// The point that distances are measured from.
fn origin(registry: Registry, whereabouts: &Whereabouts) -> Coordinates {
    whereabouts.coordinates.unwrap_or_else(|| match whereabouts.continent {
        Some(continent) => registry.for_continent(continent).coordinates,
        None => registry.default().coordinates,
    })
}

/// What speaks against sending a newcomer to a region inside the fence. The worst is named.
fn against(region: RegionId, condition: Condition) -> Option<Skip> {
    if !serves(region) {
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

/// Why a question gets the answer it gets; for people and for `meridian geodns explain`.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The host asked for, as the zone names it.
    pub host: String,
    /// The network the question comes from.
    pub subnet: Subnet,
    /// Where the table puts it.
    pub location: Whereabouts,
    /// Bits of the network that the answer holds for (the scope of RFC 7871).
    pub scope: u8,
    /// The only jurisdiction this host may answer with, when it has a fence.
    pub fence: Option<String>,
    /// Every region in the order of preference.
    pub candidates: Vec<Candidate>,
    /// The region answered with.
    pub chosen: String,
    /// True when nothing inside the fence takes newcomers and the answer was given all the same.
    pub fail_static: bool,
}

/// One line of an [`Explanation`].
#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    /// The region's name.
    pub region: String,
    /// Great-circle kilometres from the point that distances were measured from.
    pub distance_km: f64,
    /// Its condition.
    pub condition: Condition,
    /// Why it was passed over; nothing when it may be chosen.
    pub skipped: Option<Skip>,
}

impl From<&Considered> for Candidate {
    fn from(it: &Considered) -> Self {
        Self {
            region: it.region.name.clone(),
            distance_km: it.distance_km.round(),
            condition: it.condition,
            skipped: it.skipped,
        }
    }
}
