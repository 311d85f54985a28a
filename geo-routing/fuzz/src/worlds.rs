//! Tables to ask: signed and not, well and sick, whole and in shares. Each is compiled when it is
//! asked first, once a process, since that takes far longer than an answer.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use meridian_geo_routing::{
    Condition, Ground, Live, RoutingTable, Secret, Sources, Zone, make_key, respond,
};
use meridian_regions::{RegionFile, RegionId, Registry};

use crate::input::NOW;
use crate::walk::Walk;

/// The origin of the embedded zone.
pub const ORIGIN: &str = "meridian.example.";
/// The origin of the zone that holds everything.
pub const RICH_ORIGIN: &str = "rich.example.";
/// A zone file that holds everything.
pub const RICH: &str = include_str!("../rich.toml");

/// The law whose fence is watched, and the label of the host behind it.
const FENCE: &str = "eu";

/// A table, and what is known of it from the files it was made of.
pub struct World {
    /// For people.
    pub name: &'static str,
    /// Who answers.
    pub table: RoutingTable,
    /// Whether cookies are made and checked.
    pub cookies: bool,
    /// What an asker of NSID is told.
    pub nsid: Option<Vec<u8>>,
    /// Names, in lower case as they are sent, whose addresses must be of `inside`.
    pub fenced: Vec<Vec<u8>>,
    /// The addresses of the regions under the fence's law.
    pub inside: BTreeSet<IpAddr>,
}

/// How a world differs from the usual one.
struct Plan {
    name: &'static str,
    registry: fn(Registry) -> Registry,
    zones: fn() -> Vec<Zone>,
    conditions: &'static [(&'static str, Condition)],
    nsid: Option<&'static [u8]>,
    cookies: bool,
}

/// Of everything the usual: what is in the build, with everybody well.
const USUAL: Plan = Plan {
    name: "plain",
    registry: |registry| registry,
    zones: || vec![Zone::embedded()],
    conditions: &[],
    nsid: Some(b"ns1.meridian.example"),
    cookies: true,
};

/// How many worlds there are.
pub const WORLDS: usize = 10;

static PLANS: [Plan; WORLDS] = [
    USUAL,
    Plan { name: "signed", zones: || vec![signed(EMBEDDED)], ..USUAL },
    Plan { name: "sick", conditions: &[("eu-central", Condition::Sick)], ..USUAL },
    Plan {
        name: "signed, all sick",
        zones: || vec![signed(EMBEDDED)],
        conditions: &[
            ("eu-central", Condition::Sick),
            ("eu-west", Condition::Sick),
            ("us-east", Condition::Draining),
            ("ap-southeast", Condition::Sick),
        ],
        ..USUAL
    },
    Plan { name: "shares", registry: in_shares, ..USUAL },
    Plan {
        name: "signed, shares, sick",
        registry: in_shares,
        zones: || vec![signed(EMBEDDED)],
        conditions: &[("eu-west", Condition::Sick), ("us-east", Condition::Draining)],
        ..USUAL
    },
    Plan { name: "lean", registry: lean, nsid: None, cookies: false, ..USUAL },
    Plan { name: "rich", registry: lean, zones: || vec![signed(EMBEDDED), rich()], ..USUAL },
    Plan { name: "rich, signed", registry: lean, zones: || vec![signed(RICH)], ..USUAL },
    Plan { name: "long NSID", nsid: Some(&[b'n'; 128]), ..USUAL },
];

/// The zone file of the build.
const EMBEDDED: &str = include_str!("../../zones/meridian.toml");

static KEPT: [LazyLock<World>; WORLDS] = {
    macro_rules! kept {
        ($($index:literal)*) => { [$(LazyLock::new(|| PLANS[$index].make())),*] };
    }
    kept!(0 1 2 3 4 5 6 7 8 9)
};

/// The world that a byte chooses.
pub fn world(choice: u8) -> &'static World {
    &KEPT[usize::from(choice) % WORLDS]
}

impl Plan {
    fn make(&self) -> World {
        let usual = Registry::embedded().expect("the embedded regions are sound");
        let registry = (self.registry)(usual);
        let mut sources = Sources::new(registry, (self.zones)());
        sources.manners.nsid = self.nsid.map(Into::into);
        sources.manners.cookies = self.cookies.then(|| Secret::new([7; 16]));
        let mut live = Live::new();
        for (region, condition) in self.conditions {
            let region = registry.by_name(region).expect("a plan names regions of the build");
            live.insert(region, *condition);
        }
        let inside = registry.all().filter(|region| region.jurisdiction == FENCE);
        let inside = inside.flat_map(addresses).collect();
        let table = RoutingTable::compile(ground(sources), live);
        let fenced = [ORIGIN, RICH_ORIGIN].map(|origin| wire(&format!("{FENCE}.{origin}")));
        let (name, cookies, nsid) = (self.name, self.cookies, self.nsid.map(Into::into));
        World { name, table, cookies, nsid, fenced: fenced.into(), inside }
    }
}

/// A ground with keys for every zone of a plan.
fn ground(sources: Sources) -> Arc<Ground> {
    with_keys(|keys| {
        let sources = Sources { keys: Some(keys.into()), ..sources };
        Arc::new(Ground::new(&sources, now()).expect("a plan's zones are sound"))
    })
}

/// Runs something with a directory of keys for the known origins, which is gone afterwards.
pub fn with_keys<R>(run: impl FnOnce(&std::path::Path) -> R) -> R {
    let thread = format!("{:?}", std::thread::current().id());
    let name = format!("meridian-fuzz-{}-{thread}", std::process::id());
    let keys = std::env::temp_dir().join(name);
    for origin in [ORIGIN, RICH_ORIGIN] {
        make_key(&keys, origin).expect("a key can be made in a directory of our own");
    }
    let done = run(&keys);
    std::fs::remove_dir_all(&keys).expect("a directory of our own can be removed");
    done
}

/// When signatures are made.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.into())
}

fn rich() -> Zone {
    Zone::parse(RICH).expect("the rich zone is sound")
}

/// A zone file that asks to be signed.
fn signed(text: &str) -> Zone {
    let text = text.replacen("ttl_geo", "signed = true\nttl_geo", 1);
    Zone::parse(&text).expect("a zone of ours is sound")
}

/// The addresses of a region.
fn addresses(region: RegionId) -> impl Iterator<Item = IpAddr> {
    let ends = &region.endpoints;
    let v4 = ends.ipv4.iter().map(|it| IpAddr::V4(*it));
    let all: Vec<IpAddr> = v4.chain(ends.ipv6.iter().map(|it| IpAddr::V6(*it))).collect();
    all.into_iter()
}

/// The usual regions, each taking a part of its clients only.
fn in_shares(registry: Registry) -> Registry {
    registry.with_endpoints(|region: &mut RegionFile| {
        region.dns.weight = match region.name.as_str() {
            "eu-central" => 30,
            "eu-west" => 99,
            "us-east" => 60,
            _ => 0,
        };
    })
}

/// The usual regions, one without IPv6, one without IPv4, one with many addresses.
fn lean(registry: Registry) -> Registry {
    registry.with_endpoints(|region: &mut RegionFile| match region.name.as_str() {
        "ap-southeast" => region.endpoints.ipv6.clear(),
        "us-east" => region.endpoints.ipv4.clear(),
        "eu-west" => {
            let more = (100..130).map(|last| std::net::Ipv4Addr::new(192, 0, 2, last));
            region.endpoints.ipv4.extend(more);
        }
        _ => {}
    })
}

/// A name as it is sent. It is our own, so its labels are short.
pub fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).expect("a label of ours is short"));
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}

impl World {
    /// The cookie that this world gives a client who asks at a time from an address; of the
    /// client's half alone where it gives none.
    pub fn cookie(&self, client: [u8; 8], asker: &meridian_geo_routing::Asker) -> Vec<u8> {
        let mut packet = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        packet.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 12, 0, 10, 0, 8]);
        packet.extend(client);
        let reply = respond(&self.table, &packet, asker).expect("a question is answered");
        let walk = Walk::new(&reply.bytes).expect("an answer has a header");
        match walk.options(&reply.bytes, 10).first() {
            Some(cookie) => cookie.to_vec(),
            None => client.to_vec(),
        }
    }
}
