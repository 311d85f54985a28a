//! Why a host is answered as it is for a network, in words for people and tools.

use serde::Serialize;

use crate::ground::{Policy, ZoneGround};
use crate::location::{Subnet, Whereabouts};
use crate::policy::{Client, Condition, Skip, Steering, against, distance_km, in_share, order};
use crate::table::RoutingTable;
use crate::zone::{Host, ZoneError};
use meridian_regions::RegionId;

/// Why a question gets the answer it gets; for people and for `geo-routing explain`.
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
    /// What the regions are ranked by.
    pub steering: Steering,
    /// Every region in the order of preference; those outside the fence come last.
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
    /// Great-circle kilometres, without bias, from the point that distances were measured from.
    pub distance_km: f64,
    /// Its condition.
    pub condition: Condition,
    /// The share of its clients it takes, in percent.
    pub weight: u8,
    /// Why it was passed over; nothing when it may be chosen.
    pub skipped: Option<Skip>,
}

impl RoutingTable {
    /// Why a host is answered as it is; the host is named as in the zone (`api`) or in full
    /// (`api.meridian.example`).
    pub fn explain(&self, host: &str, subnet: Subnet) -> Result<Explanation, ZoneError> {
        let asked = host.trim_end_matches('.').to_ascii_lowercase();
        let mut known = Vec::new();
        for ZoneGround { zone, .. } in &self.ground().zones {
            let origin = zone.origin();
            let is_asked = |name: &str| {
                let relative = name.strip_suffix(&origin).and_then(|it| it.strip_suffix('.'));
                asked == name.trim_end_matches('.') || relative == Some(&asked)
            };
            if let Some(host) = zone.hosts.iter().find(|host| is_asked(&host.name.to_ascii())) {
                return Ok(self.explain_host(host, subnet));
            }
            let fixed = zone.region_names(self.ground().registry)?;
            if let Some((name, region)) = fixed.iter().find(|(name, _)| is_asked(&name.to_ascii()))
            {
                return Ok(self.explain_fixed(name.to_ascii(), *region, subnet));
            }
            known.extend(zone.hosts.iter().map(|host| host.name.to_ascii()));
            known.extend(fixed.iter().map(|(name, _)| name.to_ascii()));
        }
        Err(ZoneError::UnknownHost { host: host.to_owned(), known: known.join(", ") })
    }

    fn whereabouts(&self, client: Client) -> Whereabouts {
        match client {
            Client::Unknown => Whereabouts::default(),
            Client::Address(address) => self.ground().geography.locate(address),
        }
    }

    fn explain_fixed(&self, host: String, region: RegionId, subnet: Subnet) -> Explanation {
        Explanation {
            host,
            subnet,
            location: self.whereabouts(client(subnet)),
            scope: 0,
            fence: None,
            steering: Steering::default(),
            candidates: Vec::new(),
            chosen: region.name.clone(),
            fail_static: false,
        }
    }

    fn explain_host(&self, host: &Host, subnet: Subnet) -> Explanation {
        let ground = self.ground();
        let client = client(subnet);
        let location = self.whereabouts(client);
        let policy = Policy { fence: host.fence.clone(), steering: host.steering };
        let number = ground.policies.iter().position(|it| *it == policy);
        let chosen = self.choose(number.expect("every host's policy is in the ground"), client);
        let fence = host.fence.as_deref();
        let line = |region: &RegionId| {
            let share = !in_share(*region, region.dns.weight, client);
            Candidate {
                region: region.name.clone(),
                distance_km: distance_km(ground.registry, *region, &location).round(),
                condition: self.live().get(region).copied().unwrap_or_default(),
                weight: region.dns.weight,
                skipped: against(*region, self.live(), fence)
                    .or(share.then_some(Skip::OutsideShare)),
            }
        };
        let ranking = order(ground.registry, host.steering, &location);
        let mut candidates: Vec<Candidate> = ranking.iter().map(line).collect();
        candidates.sort_by_key(|line| line.skipped == Some(Skip::OutsideFence));
        Explanation {
            host: host.name.to_ascii(),
            subnet,
            location,
            scope: chosen.scope,
            fence: host.fence.clone(),
            steering: host.steering,
            candidates,
            chosen: ground.regions[chosen.index].name.clone(),
            fail_static: chosen.fail_static,
        }
    }
}

fn client(subnet: Subnet) -> Client {
    match subnet.prefix() {
        0 => Client::Unknown,
        _ => Client::Address(subnet.address()),
    }
}
