//! Questions made ahead, as the bytes they are sent in. Every set is the same on every machine.

use std::net::IpAddr;

use meridian_geo_routing::Subnet;

use crate::addresses::{Addresses, Ranges};

/// Bytes of the header; the first two are the id, which the sender writes.
pub(crate) const HEADER_BYTES: usize = 12;

/// Largest answer that is asked for (DNS flag day 2020).
const PAYLOAD_MAX: u16 = 1232;

/// Networks in a geographic set, and how long each one's prefix is: what resolvers send.
const NETWORKS_V4: usize = 40_000;
const NETWORK_BITS_V4: u8 = 24;
const NETWORKS_V6: usize = 10_000;
const NETWORK_BITS_V6: u8 = 56;

/// Every so many ranges of the table, the addresses on both sides of its start are asked for.
const EDGE_EVERY: usize = 97;

/// Every so many geographic questions ask for IPv6 addresses.
const AAAA_EVERY: usize = 4;

/// Global unicast IPv6 (RFC 4291, 2.4): all that is allocated.
const ALLOCATED_V6: std::ops::Range<u128> = (0x2000 << 112)..(0x4000 << 112);

/// Networks that belong to nobody (RFC 6890 and its registries) or to nobody in particular.
const NOWHERE: &[&str] = &[
    "0.0.0.0/24",
    "10.0.0.0/8",
    "10.20.30.0/24",
    "100.64.0.0/24",
    "127.0.0.0/24",
    "169.254.7.0/24",
    "172.16.0.0/12",
    "172.31.255.0/24",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.1.0/24",
    "198.18.0.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/24",
    "255.255.255.0/24",
    "100::/56",
    "2001:db8::/32",
    "2001:db8:1:200::/56",
    "fc00::/56",
    "fe80::/56",
    "ff02::/56",
];

/// The type asked for.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    A = 1,
    Aaaa = 28,
}

/// Numbers that look random and are the same each time (Steele and others, "Fast splittable
/// pseudorandom number generators", 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }
}

/// A set of questions, one after another in memory.
pub(crate) struct Questions {
    bytes: Vec<u8>,
    /// Where each begins, and where the last one ends.
    edges: Vec<usize>,
}

impl Questions {
    fn new() -> Self {
        Self { bytes: Vec::new(), edges: vec![0] }
    }

    fn push(&mut self, question: &[u8]) {
        self.bytes.extend(question);
        self.edges.push(self.bytes.len());
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.edges.len() - 1
    }

    /// One of them; its id is 0.
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.edges[index]..self.edges[index + 1]]
    }

    /// Which type a geographic set asks for in its question of that number.
    pub(crate) fn wanted(nth: usize) -> Wanted {
        if nth.is_multiple_of(AAAA_EVERY) { Wanted::Aaaa } else { Wanted::A }
    }

    /// As a stream of length and question, which dnsperf reads.
    pub(crate) fn stream(&self) -> Vec<u8> {
        let mut stream = Vec::with_capacity(self.bytes.len() + 2 * self.len());
        for index in 0..self.len() {
            let question = self.get(index);
            stream.extend(u16::try_from(question.len()).unwrap().to_be_bytes());
            stream.extend(question);
        }
        stream
    }

    /// The host for varied networks of allocated space.
    pub(crate) fn geographic(host: &str, addresses: &Addresses) -> Self {
        let mut set = Self::new();
        for (nth, network) in networks(addresses).into_iter().enumerate() {
            set.push(&question(host, Self::wanted(nth), Some(Some(network))));
        }
        set
    }

    /// A name from a resolver that says nothing of its client: half without EDNS.
    pub(crate) fn plain(host: &str) -> Self {
        let mut set = Self::new();
        for nth in 0..2 * AAAA_EVERY {
            let wanted = if nth < 2 { Wanted::Aaaa } else { Wanted::A };
            set.push(&question(host, wanted, (nth % 2 == 0).then_some(None)));
        }
        set
    }

    /// Half of the first set, a quarter of each of the others.
    pub(crate) fn mix(half: &Self, quarter: &Self, other: &Self) -> Self {
        let mut set = Self::new();
        for nth in 0..half.len() {
            let (from, nth) = match nth % 4 {
                1 => (quarter, nth / 4),
                3 => (other, nth / 4),
                _ => (half, nth),
            };
            set.push(from.get(nth % from.len()));
        }
        set
    }

    /// The host for every network that may be told apart: the geographic set, a network of each
    /// country, both sides of the edges of ranges, and what belongs to nobody.
    pub(crate) fn thorough(host: &str, addresses: &Addresses) -> (Self, Vec<Subnet>) {
        let mut asked = networks(addresses);
        let whole =
            |address: IpAddr| Subnet::new(address, if address.is_ipv4() { 32 } else { 128 });
        asked.extend(addresses.one_of_each().into_values().filter_map(whole));
        asked.extend(NOWHERE.iter().map(|network| network.parse::<Subnet>().unwrap()));
        let v4 = edges(&addresses.v4).map(|it| IpAddr::V4(u32::try_from(it).unwrap().into()));
        asked.extend(v4.filter_map(whole));
        asked.extend(edges(&addresses.v6).map(|it| IpAddr::V6(it.into())).filter_map(whole));
        let mut set = Self::new();
        for (nth, network) in asked.iter().enumerate() {
            set.push(&question(host, Self::wanted(nth), Some(Some(*network))));
        }
        (set, asked)
    }
}

/// Both sides of the starts of some ranges.
fn edges(ranges: &Ranges) -> impl Iterator<Item = u128> {
    let starts = ranges.starts[1..].iter().step_by(EDGE_EVERY);
    starts.flat_map(|start| [start - 1, *start])
}

/// Networks of allocated space, both families mixed. IPv4 is drawn by the address; IPv6, which is
/// nearly empty, by the range.
fn networks(addresses: &Addresses) -> Vec<Subnet> {
    let mut dice = Dice(7871);
    let mut networks = Vec::with_capacity(NETWORKS_V4 + NETWORKS_V6);
    while networks.len() < NETWORKS_V4 {
        let address = u32::try_from(dice.next() >> 32).unwrap();
        if addresses.v4.at(address.into()).is_some() {
            networks.extend(Subnet::new(IpAddr::V4(address.into()), NETWORK_BITS_V4));
        }
    }
    let ranges = &addresses.v6;
    while networks.len() < NETWORKS_V4 + NETWORKS_V6 {
        let row = dice.below(ranges.starts.len());
        let first = ranges.starts[row];
        let after = ranges.starts.get(row + 1).copied().unwrap_or(u128::MAX);
        let address = first + dice.wide() % (after - first);
        if ALLOCATED_V6.contains(&address) && ranges.countries[row].is_some() {
            networks.extend(Subnet::new(IpAddr::V6(address.into()), NETWORK_BITS_V6));
        }
    }
    for nth in (1..networks.len()).rev() {
        networks.swap(nth, dice.below(nth + 1));
    }
    networks
}

/// A question of class IN. `edns` has the OPT record's client subnet, if it has one.
pub(crate) fn question(host: &str, wanted: Wanted, edns: Option<Option<Subnet>>) -> Vec<u8> {
    let additionals = u8::from(edns.is_some());
    let mut bytes = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, additionals];
    for label in host.trim_end_matches('.').split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, wanted as u8, 0, 1]);
    let Some(subnet) = edns else { return bytes };
    // The OPT record: root, type 41, payload, no flags, length.
    bytes.extend([0, 0, 41]);
    bytes.extend(PAYLOAD_MAX.to_be_bytes());
    bytes.extend([0; 4]);
    let option = subnet.map(subnet_option).unwrap_or_default();
    bytes.extend(u16::try_from(option.len()).unwrap().to_be_bytes());
    bytes.extend(option);
    bytes
}

/// RFC 7871, 6: code 8, length, family, source prefix, scope prefix, as many bytes as are needed.
fn subnet_option(subnet: Subnet) -> Vec<u8> {
    let (family, address) = match subnet.address() {
        IpAddr::V4(v4) => (1, v4.octets().to_vec()),
        IpAddr::V6(v6) => (2, v6.octets().to_vec()),
    };
    let address = &address[..usize::from(subnet.prefix()).div_ceil(8)];
    let length = u8::try_from(4 + address.len()).unwrap();
    let mut option = vec![0, 8, 0, length, 0, family, subnet.prefix(), 0];
    option.extend(address);
    option
}
