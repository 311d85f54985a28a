//! Weights for gradual shifts, bias and steering: who is sent where, and that it stays so.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use hickory_proto::rr::{Name, RecordType};
use meridian_geo_routing::{Client, Condition, Live, RoutingTable, Zone};

use crate::asker::*;

/// Frankfurt takes this share of those for whom it is nearest.
fn frankfurt_takes(weight: u8) -> RoutingTable {
    let registry = registry().with_endpoints(|region| {
        if region.name == "eu-central" {
            region.dns.weight = weight;
        }
    });
    RoutingTable::compile(ground(registry, Zone::embedded()), Live::new())
}

fn region_and_scope(table: &RoutingTable, address: IpAddr) -> (String, u8) {
    let name = Name::from_ascii("api.meridian.example.").unwrap();
    let answer = table.answer(&name, RecordType::A, Client::Address(address), false);
    let region = registry().all().nth(answer.region.unwrap()).unwrap();
    (region.name.clone(), answer.scope)
}

/// Networks of 53.0.0.0/8, which lies in Germany.
fn germans() -> impl Iterator<Item = IpAddr> {
    (0..4000_u32).map(|nth| Ipv4Addr::from(0x3500_0000 | nth << 12).into())
}

#[test]
fn a_share_is_about_its_weight_and_only_grows_with_it() {
    let mut before: HashMap<IpAddr, bool> = HashMap::new();
    for weight in [1, 10, 35, 60, 99] {
        let table = frankfurt_takes(weight);
        let mut taken = 0;
        for german in germans() {
            let (region, _) = region_and_scope(&table, german);
            assert!(region.starts_with("eu-"), "the others go to its fallback");
            let stays = region == "eu-central";
            taken += u32::from(stays);
            let was = before.insert(german, stays).unwrap_or(false);
            assert!(stays || !was, "{german} was moved back at {weight} %");
        }
        let percent = f64::from(taken) / 40.0;
        assert!((percent - f64::from(weight)).abs() < 3.0, "{percent} % at weight {weight}");
    }
}

#[test]
fn everybody_in_a_scope_has_the_same_share() {
    let table = frankfurt_takes(40);
    for german in germans().step_by(7) {
        let (region, scope) = region_and_scope(&table, german);
        assert!(scope >= 24, "a share is decided for /24 networks: /{scope}");
        let IpAddr::V4(v4) = german else { panic!("they are IPv4") };
        for host in [1, 77, 255] {
            let neighbour = Ipv4Addr::from(u32::from(v4) & !0xff | host);
            assert_eq!(region_and_scope(&table, neighbour.into()).0, region);
        }
    }
}

#[test]
fn a_share_that_falls_ill_is_taken_over_whole() {
    let registry = registry().with_endpoints(|region| {
        if region.name == "eu-central" {
            region.dns.weight = 50;
        }
    });
    let live = Live::from([(region("eu-west"), Condition::Sick)]);
    let table = RoutingTable::compile(ground(registry, Zone::embedded()), live);
    let mut seen: HashMap<String, u32> = HashMap::new();
    for german in germans() {
        *seen.entry(region_and_scope(&table, german).0).or_default() += 1;
    }
    assert!(seen["eu-central"] > 1500 && seen["us-east"] > 1500, "{seen:?}");
    // In the fence there is nobody else, so it takes them all.
    let name = Name::from_ascii("eu.meridian.example.").unwrap();
    for german in germans() {
        let answer = table.answer(&name, RecordType::A, Client::Address(german), false);
        let chosen = registry.all().nth(answer.region.unwrap()).unwrap();
        assert_eq!(chosen.name, "eu-central");
    }
}

#[test]
fn a_bias_moves_the_border_and_a_map_ignores_distance() {
    let biased = registry().with_endpoints(|region| {
        if region.name == "eu-west" {
            region.dns.bias = 99;
        }
    });
    let table = RoutingTable::compile(ground(biased, Zone::embedded()), Live::new());
    assert_eq!(region_and_scope(&table, "53.128.0.1".parse().unwrap()).0, "eu-west");
    let text = include_str!("../../zones/meridian.toml");
    let text = text.replacen("[hosts.api]", "[hosts.api]\nsteering = \"map\"", 1);
    let mapped = ground(registry(), Zone::parse(&text).unwrap());
    let table = RoutingTable::compile(mapped, Live::new());
    // 34.248.0.0/24 lies in Ireland, and Frankfurt claims the continent.
    assert_eq!(region_and_scope(&table, "34.248.0.1".parse().unwrap()).0, "eu-central");
}
