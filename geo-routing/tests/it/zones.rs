//! Zone files that cannot be served: each is refused with a sentence that says what to do.

use std::collections::BTreeMap;
use std::time::SystemTime;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use meridian_geo_routing::{Ground, Sources, Zone};
use meridian_regions::{Host, Registry, State};

use crate::asker::*;

const MERIDIAN: &str = include_str!("../../zones/meridian.toml");

fn refusal_of(registry: Registry, texts: &[String]) -> String {
    let zones = texts.iter().map(|text| Zone::parse(text)).collect::<Result<Vec<_>, _>>();
    match zones {
        Err(error) => error.to_string(),
        Ok(zones) => {
            let ground = Ground::new(&Sources::new(registry, zones), SystemTime::UNIX_EPOCH);
            let Err(error) = ground else { panic!("it is refused:\n{}", texts.join("\n")) };
            error.to_string()
        }
    }
}

fn refusal(from: &str, to: &str) -> String {
    let text = MERIDIAN.replacen(from, to, 1);
    assert_ne!(text, MERIDIAN, "the test changes something");
    refusal_of(registry(), &[text])
}

fn record(text: &str) -> String {
    refusal_of(registry(), &[format!("{MERIDIAN}\n[[records]]\n{text}\n")])
}

#[test]
fn what_does_not_fit_the_shape_is_refused() {
    assert!(refusal("ttl_geo", "ttl_gee").contains("ttl_gee"));
    assert!(refusal("[hosts.eu]\nfence = \"eu\"", "[hosts.eu]\nfence = 7").contains("fence"));
    assert!(refusal("ttl_geo = 30", "ttl_geo = 2147483648").contains("RFC 2181"));
    assert!(refusal("[hosts.eu]", "[hosts.eu]\nsteering = \"coin\"").contains("coin"));
    assert!(refusal("origin = \"meridian.example.\"", "origin = \"\"").contains("origin"));
    assert!(refusal_of(registry(), &["not = [toml".to_owned()]).contains("meridian.toml"));
    assert!(refusal_of(registry(), &[]).contains("no zone"));
}

#[test]
fn an_unknown_law_and_a_fence_without_regions_are_refused() {
    let unknown = refusal("fence = \"eu\"", "fence = \"mars\"");
    assert!(unknown.contains("meridian.example") && unknown.contains("mars"), "{unknown}");
    let drained = registry().with_endpoints(|region| {
        if region.jurisdiction == "eu" {
            region.state = State::Drained;
        }
    });
    let empty = refusal_of(drained, &[MERIDIAN.to_owned()]);
    assert!(empty.contains("no region serves"), "{empty}");
}

#[test]
fn an_empty_zone_and_zones_in_each_others_way_are_refused() {
    let head = MERIDIAN.split("# The nearest region of all").next().unwrap();
    assert!(refusal_of(registry(), &[head.to_owned()]).contains("neither a host nor a record"));
    let twice = [MERIDIAN.to_owned(), MERIDIAN.to_owned()];
    assert!(refusal_of(registry(), &twice).contains("claimed twice"));
    let inner = MERIDIAN.replace("origin = \"meridian", "origin = \"inner.meridian");
    let nested = refusal_of(registry(), &[MERIDIAN.to_owned(), inner]);
    assert!(nested.contains("inner.meridian.example. lies inside"), "{nested}");
}

#[test]
fn records_that_make_no_sense_are_refused() {
    for (text, word) in [
        ("name = \"@\"\ntype = \"A\"\ndata = [\"192.0.2.300\"]", "cannot be read"),
        ("name = \"@\"\ntype = \"A\"\ndata = []", "at least one"),
        ("name = \"@\"\ntype = \"NS\"\ndata = [\"ns9\"]", "write one of"),
        ("name = \"@\"\ntype = \"CNAME\"\ndata = [\"x.\"]", "alias"),
        ("name = \"x\"\ntype = \"CNAME\"\ndata = [\"a.\", \"b.\"]", "alias"),
        ("name = \"api\"\ntype = \"TXT\"\ndata = ['\"x\"']", "claimed twice"),
        ("name = \"www\"\ntype = \"TXT\"\ndata = ['\"x\"']", "claimed twice"),
        ("name = \"*\"\ntype = \"A\"\ndata = [\"192.0.2.1\"]", "wildcards"),
        ("name = \"a b\"\ntype = \"A\"\ndata = [\"192.0.2.1\"]", "space"),
        ("name = \"x.example.org.\"\ntype = \"A\"\ndata = [\"192.0.2.1\"]", "outside the zone"),
        ("name = \"x\"\ntype = \"CNAME\"\ndata = [\"gone.meridian.example.\"]", "leads to no name"),
        ("name = \"x\"\ntype = \"CNAME\"\ndata = [\"x.meridian.example.\"]", "circle"),
        ("name = \"x\"\ntype = \"A\"\ndata = [\"192.0.2.1\", \"192.0.2.1\"]", "twice"),
        ("name = \"x\"\ntype = \"A\"\nttl = 4000000000\ndata = [\"192.0.2.1\"]", "2147483647"),
    ] {
        let said = record(text);
        assert!(said.contains(word), "{text}\nwas refused with: {said}");
    }
    let long =
        record(&format!("name = \"{}\"\ntype = \"A\"\ndata = [\"192.0.2.1\"]", "x".repeat(64)));
    assert!(long.contains("no DNS name"), "{long}");
}

#[test]
fn names_of_others_are_not_ours_to_answer() {
    let foreign = refusal("[hosts.eu]", "[hosts.\"www.other.example.\"]");
    assert!(foreign.contains("outside the zone"), "{foreign}");
    let above = refusal("region_hosts = \"api\"", "region_hosts = \"api.other.example.\"");
    assert!(above.contains("outside the zone"), "{above}");
}

#[test]
fn weights_of_0_everywhere_are_served_from_the_nearest_and_counted() {
    let nobody = registry().with_endpoints(|region| region.dns.weight = 0);
    let zone = Zone::embedded();
    let table = meridian_geo_routing::RoutingTable::compile(
        ground(nobody, zone),
        meridian_geo_routing::Live::new(),
    );
    let told = table.explain("api", "53.128.0.0/24".parse().unwrap()).unwrap();
    assert_eq!((told.chosen.as_str(), told.fail_static), ("eu-central", true));
}

#[tokio::test]
async fn a_family_that_no_region_has_is_absent_for_everybody() {
    let without = registry().with_endpoints(|region| region.endpoints.ipv6.clear());
    let server = start_with(without, Zone::embedded()).await;
    let asked = from_subnet(question("api.meridian.example.", RecordType::AAAA), "53.128.0.0/24");
    let answer = ask(&server, &asked).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
    assert!(answer.answers.is_empty());
    assert_eq!(echoed(&answer).unwrap().1, 0, "that holds for all");
}

/// Terraform reads hosts from the region files, this server from its zone.
#[test]
fn the_shipped_zone_and_the_region_files_name_the_same_hosts() {
    let zone: toml::Table = MERIDIAN.parse().unwrap();
    let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
    for (name, entry) in zone["hosts"].as_table().unwrap() {
        let mut policy = entry.as_table().unwrap().clone();
        policy.retain(|key, _| key == "fence" || key == "steering");
        hosts.insert(name.clone(), policy.try_into().unwrap());
    }
    assert_eq!(&hosts, registry().hosts());
}
