//! Zone files that nobody in their right mind would serve, and questions to what became of them.
//!
//! A file may be refused. One that is taken must be served like any other: without a panic, and
//! the same on both paths.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use meridian_geo_routing::{
    Asker, Geography, Ground, Live, RoutingTable, Secret, Sources, Transport, Zone,
};
use meridian_regions::Registry;

use crate::input::NOW;
use crate::verdict::judge_unkept;
use crate::worlds::{World, now, wire, with_keys};

/// Most words of a file that are asked for.
const WORDS_MAX: usize = 12;
/// Longest word of a file that may be a label.
const LABEL_BYTES_MAX: usize = 63;
/// Longest name as text that can be sent.
const NAME_BYTES_MAX: usize = 253;
/// Types that are asked for: addresses, aliases, what belongs to an apex, sets, proofs, ANY.
const TYPES: [u8; 11] = [1, 28, 5, 6, 2, 16, 65, 33, 48, 46, 255];

/// Copies of the keys of the known origins, kept while the process lives.
struct Keys(PathBuf);

/// What every file is served with.
struct Usual {
    registry: Registry,
    geography: Arc<Geography>,
    keys: Keys,
}

static USUAL: LazyLock<Usual> = LazyLock::new(|| Usual {
    registry: Registry::embedded().expect("the embedded regions are sound"),
    geography: Arc::new(Geography::from_country_table(&tiny()).expect("the table is sound")),
    keys: Keys::make(),
});

impl Keys {
    fn make() -> Self {
        let kept = std::env::temp_dir().join(format!("meridian-fuzz-zone-{}", std::process::id()));
        with_keys(|keys| std::fs::rename(keys, &kept).and_then(|()| std::fs::create_dir(keys)))
            .expect("a directory of our own can be moved");
        Self(kept)
    }
}

/// Reads a zone file and, if it is taken, asks for the words in it. Whether it was taken.
pub fn serve(text: &str) -> bool {
    let Ok(zone) = Zone::parse(text) else { return false };
    let usual = &*USUAL;
    let origin = zone.origin();
    let mut sources = Sources::new(usual.registry, vec![zone]);
    sources.geography = Arc::clone(&usual.geography);
    sources.keys = Some(usual.keys.0.clone());
    sources.manners.cookies = Some(Secret::new([7; 16]));
    let Ok(ground) = Ground::new(&sources, now()) else { return false };
    let table = RoutingTable::compile(Arc::new(ground), Live::new());
    let (fenced, inside) = (Vec::new(), Default::default());
    let world = World { name: "zone", table, cookies: true, nsid: None, fenced, inside };
    for name in questions(text, &origin) {
        for qtype in TYPES {
            for edns in [false, true] {
                ask(&world, &name, qtype, edns);
            }
        }
    }
    true
}

fn ask(world: &World, name: &[u8], qtype: u8, edns: bool) {
    let mut packet = vec![0x4d, 0x65, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
    packet.extend(name);
    packet.extend([0, qtype, 0, 1]);
    if edns {
        packet.extend([0, 0, 41, 16, 0, 0, 0, 0x80, 0, 0, 0]);
    }
    let source = IpAddr::V4(Ipv4Addr::new(1, 2, 3, 4));
    for transport in [Transport::Udp, Transport::Tcp] {
        judge_unkept(world, "zone", &packet, &Asker { source, transport, now: NOW });
    }
}

/// Names to ask for: the origin, and the words of the file as they are, below the origin, and with
/// a label in front.
fn questions(text: &str, origin: &str) -> Vec<Vec<u8>> {
    let apart = |c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
    let sound = |name: &&str| {
        let mut labels = name.trim_end_matches('.').split('.');
        name.len() <= NAME_BYTES_MAX
            && labels.all(|label| !label.is_empty() && label.len() <= LABEL_BYTES_MAX)
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let words = lines.flat_map(|line| line.split(apart));
    let mut words: Vec<&str> = words.filter(|word| sound(word) && !is_known(word)).collect();
    words.sort_unstable();
    words.dedup();
    let mut names: Vec<String> = vec![origin.to_owned(), format!("eu-west.api.{origin}")];
    // The last ones of the alphabet are no more than a choice.
    for word in words.iter().rev().take(WORDS_MAX) {
        names.push((*word).to_owned());
        names.push(format!("{word}.{origin}"));
        names.push(format!("x.{word}.{origin}"));
    }
    names.sort();
    names.dedup();
    let names = names.iter().map(String::as_str).filter(sound);
    names.map(|it| wire(&it.to_ascii_lowercase())).collect()
}

/// Words of the form itself.
fn is_known(word: &str) -> bool {
    const KNOWN: [&str; 22] = [
        "origin",
        "ttl_geo",
        "ttl_static",
        "ttl_negative",
        "region_hosts",
        "signed",
        "soa",
        "primary",
        "responsible",
        "serial",
        "refresh",
        "retry",
        "expire",
        "nameservers",
        "name",
        "ipv4",
        "ipv6",
        "hosts",
        "records",
        "type",
        "data",
        "ttl",
    ];
    KNOWN.contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// A country table (`MIPC1`) of four networks, which is compiled in no time.
fn tiny() -> Vec<u8> {
    let mut bytes = b"MIPC1\n".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(b"ZZDEUS");
    bytes.extend(20_260_601_u32.to_le_bytes());
    bytes.extend(3_u32.to_le_bytes());
    for start in [0_u32, 1 << 24, 2 << 24] {
        bytes.extend(start.to_le_bytes());
    }
    bytes.extend([0, 1, 2]);
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(0_u128.to_le_bytes());
    bytes.push(0);
    bytes
}
