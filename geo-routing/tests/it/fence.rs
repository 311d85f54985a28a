//! The fence and the order: whatever fails, the answer stays inside the jurisdiction.

use std::collections::HashMap;

use meridian_geo_routing::{Condition, Live, RoutingTable, Skip, Zone};
use meridian_regions::{Country, RegionId, State};

use crate::asker::*;

const BERLIN: &str = "53.128.0.0/24";
const DUBLIN: &str = "34.248.0.0/24";
const NEW_YORK: &str = "29.128.0.0/24";
const SINGAPORE: &str = "18.141.0.0/24";

#[tokio::test]
async fn the_eu_host_stays_in_the_eu_from_everywhere() {
    let server = start().await;
    assert_eq!(region_for(&server, "eu", BERLIN).await, "eu-central");
    assert_eq!(region_for(&server, "eu", DUBLIN).await, "eu-west");
    assert_eq!(region_for(&server, "eu", NEW_YORK).await, "eu-west");
    assert_eq!(region_for(&server, "eu", SINGAPORE).await, "eu-central");
}

#[tokio::test]
async fn with_one_eu_region_down_the_other_takes_over() {
    let server = start().await;
    server.set_condition(region("eu-central"), Condition::Sick);
    assert_eq!(region_for(&server, "eu", BERLIN).await, "eu-west");
    assert_eq!(region_for(&server, "api", BERLIN).await, "eu-west");
    server.set_condition(region("eu-central"), Condition::Healthy);
    assert_eq!(region_for(&server, "eu", BERLIN).await, "eu-central", "and gives back");
}

#[tokio::test]
async fn with_both_eu_regions_down_the_answer_is_still_in_the_eu() {
    let server = start().await;
    server.set_condition(region("eu-central"), Condition::Sick);
    server.set_condition(region("eu-west"), Condition::Sick);
    for subnet in [BERLIN, NEW_YORK, SINGAPORE] {
        let chosen = region_for(&server, "eu", subnet).await;
        assert!(chosen.starts_with("eu-"), "{subnet} -> {chosen}");
    }
    assert_eq!(region_for(&server, "eu", BERLIN).await, "eu-central", "the nearest of the sick");
    let told = server.explain("eu", BERLIN.parse().unwrap()).unwrap();
    assert!(told.fail_static);
    assert_eq!(server.counts().fail_static, 4);
    let outside = told.candidates.iter().filter(|it| it.skipped == Some(Skip::OutsideFence));
    assert_eq!(outside.count(), 2);
    assert_eq!(region_for(&server, "api", BERLIN).await, "us-east", "this host has no fence");
}

#[tokio::test]
async fn a_draining_region_gets_nobody_new_and_probes_do_not_lift_the_drain() {
    let server = start().await;
    server.set_drain(region("eu-central"), true);
    assert_eq!(region_for(&server, "api", BERLIN).await, "eu-west");
    server.set_condition(region("eu-central"), Condition::Sick);
    server.set_condition(region("eu-central"), Condition::Healthy);
    assert_eq!(server.conditions()[&region("eu-central")], Condition::Draining);
    assert_eq!(region_for(&server, "api", BERLIN).await, "eu-west");
    server.set_drain(region("eu-central"), false);
    assert_eq!(region_for(&server, "api", BERLIN).await, "eu-central");
}

#[tokio::test]
async fn all_draining_is_answered_inside_the_fence_and_alive_goes_before_sick() {
    let server = start().await;
    for name in ["eu-central", "eu-west"] {
        server.set_condition(region(name), Condition::Draining);
    }
    assert_eq!(region_for(&server, "eu", BERLIN).await, "eu-central");
    assert!(server.explain("eu", BERLIN.parse().unwrap()).unwrap().fail_static);
    server.set_condition(region("eu-central"), Condition::Sick);
    assert_eq!(region_for(&server, "eu", BERLIN).await, "eu-west", "it still serves");
}

#[tokio::test]
async fn all_sick_is_answered_with_the_nearest() {
    let server = start().await;
    for region in registry().all() {
        server.set_condition(region, Condition::Sick);
    }
    for (subnet, nearest) in
        [(BERLIN, "eu-central"), (NEW_YORK, "us-east"), (SINGAPORE, "ap-southeast")]
    {
        assert_eq!(region_for(&server, "api", subnet).await, nearest);
    }
}

#[tokio::test]
async fn files_that_ask_for_nobody_are_skipped() {
    let registry = registry().with_endpoints(|region| match region.name.as_str() {
        "us-east" => region.state = State::Drained,
        "eu-west" => region.dns.weight = 0,
        "ap-southeast" => region.state = State::Draining,
        _ => {}
    });
    let server = start_with(registry, Zone::embedded()).await;
    for subnet in [BERLIN, NEW_YORK, SINGAPORE] {
        assert_eq!(region_for(&server, "api", subnet).await, "eu-central");
    }
    let told = server.explain("api", NEW_YORK.parse().unwrap()).unwrap();
    let skipped: HashMap<_, _> =
        told.candidates.iter().map(|it| (it.region.as_str(), it.skipped)).collect();
    assert_eq!(skipped["us-east"], Some(Skip::NotServing));
    assert_eq!(skipped["eu-west"], Some(Skip::WeightZero));
    assert_eq!(skipped["ap-southeast"], Some(Skip::Draining));
    assert_eq!(skipped["eu-central"], None);
}

#[tokio::test]
async fn a_listed_country_overrides_the_distance_but_not_the_fence() {
    let registry = registry().with_endpoints(|region| {
        if region.name == "us-east" {
            region.dns.countries = vec!["DE".parse().unwrap()];
        }
    });
    let server = start_with(registry, Zone::embedded()).await;
    assert_eq!(region_for(&server, "api", BERLIN).await, "us-east");
    assert_eq!(region_for(&server, "eu", BERLIN).await, "eu-central");
    server.set_condition(region("us-east"), Condition::Sick);
    assert_eq!(region_for(&server, "api", BERLIN).await, "eu-central", "then the distance");
}

#[test]
fn every_country_gets_one_region_in_every_state_of_health_and_no_fence_is_crossed() {
    let regions: Vec<RegionId> = registry().all().collect();
    let ground = ground(registry(), Zone::embedded());
    for sick in 0..1_u32 << regions.len() {
        let conditions = regions.iter().enumerate().map(|(bit, region)| {
            let condition = if sick >> bit & 1 == 1 { Condition::Sick } else { Condition::Healthy };
            (*region, condition)
        });
        let live: Live = conditions.collect();
        let table = RoutingTable::compile(ground.clone(), live.clone());
        let mut decided: HashMap<(String, Option<Country>), RegionId> = HashMap::new();
        for (host, country, region) in table.decisions() {
            if host.starts_with("eu.") {
                assert_eq!(region.jurisdiction, "eu", "{country:?}, health {sick:04b}");
            }
            let inside = |it: &&RegionId| !host.starts_with("eu.") || it.jurisdiction == "eu";
            let healthy = |it: &RegionId| live[it] == Condition::Healthy;
            if regions.iter().filter(inside).any(healthy) {
                assert!(healthy(&region), "{host} {country:?}, health {sick:04b}");
            }
            assert!(decided.insert((host, country), region).is_none(), "decided once");
        }
        assert_eq!(decided.len(), 2 * (Country::all().count() + 1));
    }
}

#[test]
fn an_explanation_reads_well_and_an_unknown_host_is_told_the_known() {
    let explain = |host: &str| table().explain(host, BERLIN.parse().unwrap());
    let json = serde_json::to_value(explain("API.meridian.example.").unwrap()).unwrap();
    assert_eq!(json["location"]["country"], "DE");
    assert_eq!((&json["chosen"], &json["subnet"]), (&"eu-central".into(), &BERLIN.into()));
    assert_eq!(json["candidates"][0]["region"], "eu-central");
    assert!(json["candidates"][1]["distance_km"].as_f64().unwrap() > 500.0);
    assert_eq!(explain("us-east.api").unwrap().chosen, "us-east");
    let error = explain("mars").unwrap_err().to_string();
    assert!(error.contains("mars") && error.contains("eu.meridian.example."), "{error}");
}
