//! One truth: the records that Terraform computes for Route 53 lead every country where our own
//! name server leads it, whatever is sick, draining or at a hundredth of its weight.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use meridian_geo_routing::{
    Condition, Geography, Ground, Live, RoutingTable, Sources, Whereabouts, Zone,
};
use meridian_regions::{Continent, Country, RegionId, Registry, Steering};
use serde_json::{Value, json};

use crate::model::{Health, Place, Route53};
use crate::records::World;

const ZONE: &str = "meridian.example";

/// Route 53 has no name for these (its documentation of geolocation records): no question of theirs
/// can be told from another place's.
const UNNAMED: [&str; 4] = ["BV", "CX", "EH", "HM"];

/// Countries that Route 53 may count to another continent than we do.
const DOUBTFUL: [(&str, &str); 15] = [
    ("AM", "EU"),
    ("AZ", "EU"),
    ("CY", "AS"),
    ("EG", "AS"),
    ("GE", "EU"),
    ("KZ", "EU"),
    ("RU", "AS"),
    ("TR", "EU"),
    ("TL", "AS"),
    ("ID", "OC"),
    ("PA", "SA"),
    ("TT", "SA"),
    ("GL", "EU"),
    ("UM", "NA"),
    ("XK", "AS"),
];

/// Parts of a share that rounding may cost.
const NEGLIGIBLE: f64 = 1e-9;

/// Whatever is compared: every place, host and state of health.
#[derive(Debug, Default)]
struct Compared {
    answers: u64,
    differences: Vec<String>,
    leaks: u64,
}

/// Every country, every continent of which no country is known, and nowhere.
fn places(geography: &Geography) -> Vec<(Place, Whereabouts)> {
    let countries = Country::all().filter(|it| !UNNAMED.contains(&it.to_string().as_str()));
    let mut places = Vec::new();
    for country in countries {
        let (centre, name) = (geography.centre(country), country.to_string());
        let ours = centre.continent.map(Continent::code);
        let theirs = DOUBTFUL.iter().find(|(it, _)| *it == name).map(|(_, other)| Some(*other));
        for continent in [ours].into_iter().chain(theirs) {
            places.push((Place { country: Some(name.clone()), continent }, centre));
        }
    }
    for continent in Continent::ALL {
        let place = Place { country: None, continent: Some(continent.code()) };
        let whereabouts = Whereabouts { continent: Some(continent), ..Whereabouts::default() };
        places.push((place, whereabouts));
    }
    places.push((Place::default(), Whereabouts::default()));
    places
}

/// Every set of sick regions, with nobody draining and with each one draining of itself.
fn healths(regions: &[RegionId]) -> Vec<Live> {
    let mut all = Vec::new();
    for sick in 0..1_u32 << regions.len() {
        for drains in regions.iter().map(Some).chain([None]) {
            let condition = |bit: usize, region: &RegionId| match drains {
                _ if sick >> bit & 1 == 1 => Condition::Sick,
                Some(drains) if drains == region => Condition::Draining,
                _ => Condition::Healthy,
            };
            let live = regions.iter().enumerate();
            all.push(live.map(|(bit, region)| (*region, condition(bit, region))).collect());
        }
    }
    all
}

/// The zone of our own server with the hosts that the registry names.
fn zone(registry: Registry) -> Zone {
    let mut text = String::from(
        "origin = \"meridian.example.\"\nttl_geo = 30\nttl_static = 3600\nttl_negative = 60\n\
         region_hosts = \"api\"\n[soa]\nprimary = \"ns1\"\nresponsible = \"hostmaster\"\n\
         serial = 1\nrefresh = 7200\nretry = 900\nexpire = 1209600\n[[nameservers]]\n\
         name = \"ns1\"\nipv4 = [\"192.0.2.53\"]\nipv6 = [\"2001:db8::53\"]\n",
    );
    for (name, host) in registry.hosts() {
        let steering = if host.steering == Steering::Map { "map" } else { "nearest" };
        text.push_str(&format!("[hosts.{name}]\nsteering = \"{steering}\"\n"));
        if let Some(law) = &host.fence {
            text.push_str(&format!("fence = \"{law}\"\n"));
        }
    }
    Zone::parse(&text).unwrap()
}

fn compare(world: &World) -> Compared {
    let registry = world.registry;
    let regions: Vec<RegionId> = registry.all().collect();
    let sources = Sources::new(registry, vec![zone(registry)]);
    let ground = Arc::new(Ground::new(&sources, SystemTime::UNIX_EPOCH).unwrap());
    let places = places(&Geography::embedded());
    let mut compared = Compared::default();
    for live in healths(&regions) {
        let table = RoutingTable::compile(Arc::clone(&ground), live.clone());
        let health = Health::new(&world.health_checks, &live);
        let theirs = Route53::new(&world.records, &health);
        for (host, policy) in registry.hosts() {
            let name = format!("{host}.{ZONE}");
            for (place, whereabouts) in &places {
                let ours = by_name(table.shares(&format!("{name}."), whereabouts));
                for rtype in ["A", "AAAA"] {
                    let answer = world.regions_of(theirs.answer(&name, rtype, place));
                    compared.answers += 1;
                    if let Some(law) = &policy.fence {
                        let outside = |name: &String| {
                            registry.by_name(name).is_none_or(|it| it.jurisdiction != *law)
                        };
                        compared.leaks += u64::from(answer.keys().any(outside));
                    }
                    if !alike(&ours, &answer) {
                        let state = format!("{name} {rtype} {place:?} with {live:?}");
                        compared.differences.push(format!("{state}: {ours:?} here, {answer:?}"));
                    }
                }
            }
        }
    }
    compared
}

pub(crate) type Shares = BTreeMap<String, f64>;

fn by_name(shares: Vec<(RegionId, f64)>) -> Shares {
    let mut named = Shares::new();
    for (region, part) in shares {
        *named.entry(region.name.clone()).or_default() += part;
    }
    named
}

fn alike(one: &Shares, other: &Shares) -> bool {
    one.len() == other.len()
        && one.iter().all(|(name, part)| {
            other.get(name).is_some_and(|other| (part - other).abs() < NEGLIGIBLE)
        })
}

/// The revisions of the files that are compared: as shipped, then each region draining by its file,
/// at 1 % and at 0 %, and the ways of steering.
fn revisions() -> Vec<(String, Value)> {
    let mut revisions = vec![("as shipped".to_owned(), json!({}))];
    for region in Registry::embedded().unwrap().all() {
        let file = format!("{region}.json");
        revisions.push((format!("{region} drains"), json!({ &file: { "state": "draining" } })));
        for weight in [0, 1] {
            let patch = json!({ &file: { "dns": { "weight": weight } } });
            revisions.push((format!("{region} at {weight} %"), patch));
        }
    }
    let (west, east) = ("eu-west.json", "us-east.json");
    let by_the_map = json!({ "steering": "map" });
    revisions.push((
        "a bias and a listed country".to_owned(),
        json!({ west: { "dns": { "bias": 40 } }, east: { "dns": { "countries": ["IS", "DE"] } } }),
    ));
    revisions.push((
        "by the map".to_owned(),
        json!({ "policy/hosts.json": { "api": by_the_map, "eu": by_the_map } }),
    ));
    revisions.push((
        "two at once in part".to_owned(),
        json!({ west: { "dns": { "weight": 30 } }, east: { "dns": { "weight": 70 } } }),
    ));
    revisions
}

#[test]
#[ignore = "needs Terraform: make terraform-test"]
fn route_53_and_our_own_server_agree_about_everybody_in_every_state() {
    let (mut answers, mut records) = (0, 0);
    for (what, patch) in revisions() {
        let world = World::of(&patch);
        let compared = compare(&world);
        let first: Vec<&String> = compared.differences.iter().take(5).collect();
        assert!(first.is_empty(), "{what}: {} differ: {first:#?}", compared.differences.len());
        assert_eq!(compared.leaks, 0, "{what}");
        answers += compared.answers;
        records = records.max(world.records.len());
    }
    let revisions = revisions().len();
    println!(
        "{{\"answers\":{answers},\"differences\":0,\"fence_leaks\":0,\"records\":{records},\
         \"revisions\":{revisions}}}"
    );
}

/// The comparison can fail: each of these faults is one that a generator might have.
#[test]
#[ignore = "needs Terraform: make terraform-test"]
fn a_planted_fault_is_seen() {
    let shipped = World::of(&json!({}));
    let eu = "eu.eu.where.meridian.example A DE";
    let everywhere = shipped.records["as.api.where.meridian.example A SG"].alias.clone();
    let mut leaking = shipped.clone();
    leaking.records.get_mut(eu).unwrap().alias = everywhere;
    assert!(compare(&leaking).leaks > 0, "a fenced host leads to a chain of the world");

    let mut falling = shipped.clone();
    for record in falling.records.values_mut().filter(|it| it.set_identifier.is_some()) {
        // The usual `true` everywhere, and a chain that may end.
        record.evaluate = record.evaluate.map(|_| true);
    }
    falling.records.retain(|key, _| !key.starts_with("last."));
    falling.records.retain(|key, _| !key.starts_with('l') || !key.ends_with("pass"));
    assert!(!compare(&falling).differences.is_empty(), "chains that end");

    let mut shifted = shipped.clone();
    let passes = |key: &String| key.starts_with("r0.") && key.ends_with("A pass");
    let step = shifted.records.iter_mut().find(|(key, _)| passes(key)).unwrap();
    step.1.weight = Some(1);
    assert!(!compare(&shifted).differences.is_empty(), "one in a hundred passed on");
}
