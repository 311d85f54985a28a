//! What a cluster says, held against the law of each row's home. Pure: the same answers give the
//! same findings, recorded or live.

use meridian_regions::{RegionId, Registry};

use super::cluster::{Cluster, Range, Zone};
use super::controls::{CONSTRAINTS, GAPS, LEADERS, PARTITIONS, REPLICAS, SUPER_REGIONS, Violation};
use crate::store::datamap::{self, Class};

/// Everything that is where it must not be.
pub fn judge(registry: Registry, cluster: &Cluster) -> Vec<Violation> {
    let mut found = Vec::new();
    for (name, members) in &cluster.super_regions {
        let law = |it: &String| match registry.by_locality(it) {
            Some(region) => region.jurisdiction.clone(),
            None => "no law that is known".to_owned(),
        };
        let mut laws: Vec<String> = members.iter().map(law).collect();
        laws.sort_unstable();
        laws.dedup();
        if laws.len() > 1 {
            let why = format!("its regions are under {}", laws.join(" and "));
            found.push(Violation::new(SUPER_REGIONS, "every table", name, "super region", why));
        }
    }
    for (table, about) in datamap::tables() {
        if about.class != Class::Personal {
            continue;
        }
        for range in cluster.ranges.get(table).into_iter().flatten() {
            of_range(registry, table, range, &mut found);
        }
        for zone in cluster.zones.get(table).into_iter().flatten() {
            of_zone(registry, table, zone, &mut found);
        }
        let zones = cluster.zones.get(table).map_or(&[][..], Vec::as_slice);
        for region in registry.with_rows() {
            if !zones.is_empty() && !zones.iter().any(|it| it.partition == region.locality) {
                let why = "this region has no partition of its own here";
                found.push(Violation::new(PARTITIONS, table, &region.locality, "partition", why));
            }
        }
    }
    found
}

fn under_same_law(registry: Registry, home: RegionId, place: &str) -> bool {
    registry.by_locality(place).is_some_and(|it| it.jurisdiction == home.jurisdiction)
}

fn of_range(registry: Registry, table: &str, range: &Range, found: &mut Vec<Violation>) {
    let what = format!("range {} of {}", range.id, range.index);
    let home = range.home.as_deref();
    let Some(home) = home.and_then(|it| registry.by_locality(it)) else {
        match range.live_keys {
            Some(0) => {}
            keys => {
                let keys = keys.map_or("an unknown number of".to_owned(), |it| it.to_string());
                let why = format!("{keys} keys lie outside every region's partition");
                found.push(Violation::new(GAPS, table, "no region", &what, why));
            }
        }
        return;
    };
    for replica in &range.replicas {
        let kind = replica.kind.name();
        let (place, why) = match &replica.region {
            Some(place) if under_same_law(registry, home, place) => continue,
            Some(place) => {
                let why =
                    format!("store {} holds a {kind} copy of {home}'s rows there", replica.store);
                (place.as_str(), why)
            }
            None => {
                let why = format!(
                    "store {} holds a {kind} copy of {home}'s rows and says no region",
                    replica.store
                );
                ("nowhere that is said", why)
            }
        };
        found.push(Violation::new(REPLICAS, table, place, &what, why));
        if replica.leads {
            let why = format!("every read of {home}'s rows passes store {} there", replica.store);
            found.push(Violation::new(LEADERS, table, place, &what, why));
        }
    }
    if range.replicas.is_empty() {
        let why = "no copy of it was told".to_owned();
        found.push(Violation::new(REPLICAS, table, &home.locality, &what, why));
    }
}

fn of_zone(registry: Registry, table: &str, zone: &Zone, found: &mut Vec<Violation>) {
    let what = format!("partition {} of {}", zone.partition, zone.index);
    let Some(home) = registry.by_locality(&zone.partition) else {
        let why = "this partition is of no region in regions/";
        found.push(Violation::new(PARTITIONS, table, &zone.partition, &what, why));
        return;
    };
    let named = zone.constraints.iter().chain(&zone.voters).map(|it| &it.region);
    let mut foreign: Vec<&String> =
        named.chain(&zone.leases).filter(|place| !under_same_law(registry, home, place)).collect();
    foreign.sort();
    foreign.dedup();
    for place in foreign {
        let why = format!("a copy of {home}'s rows may lie there, under another law");
        found.push(Violation::new(CONSTRAINTS, table, place, &what, why));
    }
    let Some(replicas) = zone.replicas else {
        let why = "how many copies there are is not said";
        found.push(Violation::new(CONSTRAINTS, table, &home.locality, &what, why));
        return;
    };
    let all = zone.constraints.iter().any(|it| it.copies.is_none());
    let told: u64 = zone.constraints.iter().filter_map(|it| it.copies).sum();
    if !all && told != replicas {
        let why = format!("{told} of {replicas} copies are told where to be; the rest may float");
        found.push(Violation::new(CONSTRAINTS, table, &home.locality, &what, why));
    }
}
