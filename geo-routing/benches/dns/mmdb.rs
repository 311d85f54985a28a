//! A database file in MaxMind's format 2.0 with the layout of GeoLite2-City, made from the country
//! table: what Knot, gdnsd and PowerDNS read, so that all know the same world.
//!
//! A file is a binary trie of the address bits, then the records that its leaves name, then a map
//! that describes the file. IPv4 lies under `::/96`. Only what this one database needs is written:
//! records of 24 bits, one record a country, and no pointers inside records.

use std::collections::BTreeMap;
use std::net::IpAddr;

use meridian_regions::Country;

use crate::addresses::{Addresses, Centre, Ranges};

/// What precedes the description.
const METADATA: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// Zero bytes between the trie and the records.
const SEPARATOR_BYTES: usize = 16;

/// One past the largest number that a side of a node can hold.
const RECORD_END: u64 = 1 << 24;

/// Where the peers look for IPv4: in this prefix of 96 bits.
const IPV4_BITS: u32 = 96;

/// Prefixes that lead to the IPv4 trie as well: IPv4-mapped (RFC 4291), NAT64 (RFC 6052) and 6to4
/// (RFC 3056), as the server has them.
const ALIASES: [(u128, u32); 3] =
    [(0xffff_0000_0000, 96), (0x0064_ff9b << 96, 96), (0x2002 << 112, 16)];

/// What one side of a node leads to.
#[derive(Clone, Copy)]
enum Side {
    Node(u32),
    /// Bytes from the start of the records.
    Record(u32),
    Nothing,
}

/// The trie while it grows. The root is node 0.
struct Trie<'a> {
    addresses: &'a Addresses,
    records: &'a BTreeMap<Country, u32>,
    nodes: Vec<[Side; 2]>,
    ipv4: Option<Side>,
}

/// The whole file.
pub(crate) fn encode(addresses: &Addresses, build_epoch: u64) -> Vec<u8> {
    let mut data = Vec::new();
    let records = addresses.centres.iter().map(|(country, centre)| {
        let at = u32::try_from(data.len()).unwrap();
        put_place(&mut data, *country, centre);
        (*country, at)
    });
    let records = records.collect();
    let mut trie = Trie { addresses, records: &records, nodes: Vec::new(), ipv4: None };
    trie.grow(0, 0);
    let count = u64::try_from(trie.nodes.len()).unwrap();
    let mut file = Vec::new();
    for side in trie.nodes.iter().flatten() {
        let value = match side {
            Side::Node(number) => u64::from(*number),
            Side::Nothing => count,
            Side::Record(at) => count + SEPARATOR_BYTES as u64 + u64::from(*at),
        };
        assert!(value < RECORD_END, "the world has outgrown records of 24 bits");
        file.extend(&value.to_be_bytes()[5..]);
    }
    file.extend([0; SEPARATOR_BYTES]);
    file.extend(data);
    file.extend(METADATA);
    put_description(&mut file, count, build_epoch);
    file
}

impl Trie<'_> {
    /// Grows what lies below the prefix of `depth` bits that starts at `first`.
    fn grow(&mut self, first: u128, depth: u32) -> Side {
        if ALIASES.contains(&(first, depth)) {
            return self.ipv4.expect("IPv4 comes before everything that leads to it");
        }
        let ipv4 = depth >= IPV4_BITS && first >> 32 == 0;
        let last = first | u128::MAX.unbounded_shr(depth);
        let ranges = if ipv4 { &self.addresses.v4 } else { &self.addresses.v6 };
        let whole = if ipv4 { covering(ranges, first, last) } else { self.plain(first, last) };
        if let Some(country) = whole {
            let record = country.and_then(|country| self.records.get(&country));
            return record.map_or(Side::Nothing, |at| Side::Record(*at));
        }
        let node = self.nodes.len();
        self.nodes.push([Side::Nothing; 2]);
        let left = self.grow(first, depth + 1);
        let right = self.grow(first | 1 << (127 - depth), depth + 1);
        self.nodes[node] = [left, right];
        let side = Side::Node(u32::try_from(node).unwrap());
        if (first, depth) == (0, IPV4_BITS) {
            self.ipv4 = Some(side);
        }
        side
    }

    /// The country of a block of IPv6, unless something of IPv4 has its place inside.
    fn plain(&self, first: u128, last: u128) -> Option<Option<Country>> {
        let inside = |prefix: u128| (first..=last).contains(&prefix);
        let special = inside(0) || ALIASES.iter().any(|(prefix, _)| inside(*prefix));
        covering(&self.addresses.v6, first, last).filter(|_| !special)
    }
}

/// The country of a block, if it is one throughout.
fn covering(ranges: &Ranges, first: u128, last: u128) -> Option<Option<Country>> {
    let row = ranges.row(first);
    let whole = ranges.starts.get(row + 1).is_none_or(|next| *next > last);
    whole.then(|| ranges.countries[row])
}

/// Types of the format that are used.
mod kind {
    pub(super) const STRING: u8 = 2;
    pub(super) const DOUBLE: u8 = 3;
    pub(super) const UINT16: u8 = 5;
    pub(super) const UINT32: u8 = 6;
    pub(super) const MAP: u8 = 7;
    pub(super) const UINT64: u8 = 9;
    pub(super) const ARRAY: u8 = 11;
}

/// Sizes of 29 and more would need more bytes, and so would be a mistake here.
const SIZE_END: usize = 29;

fn put_head(out: &mut Vec<u8>, kind: u8, size: usize) {
    assert!(size < SIZE_END, "values here are short");
    let size = u8::try_from(size).unwrap();
    // Types above 7 follow in a second byte.
    match kind {
        0..=7 => out.push(kind << 5 | size),
        _ => out.extend([size, kind - 7]),
    }
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    put_head(out, kind::STRING, text.len());
    out.extend(text.as_bytes());
}

fn put_number(out: &mut Vec<u8>, kind: u8, number: u64) {
    let bytes = number.to_be_bytes();
    let significant = &bytes[number.leading_zeros() as usize / 8..];
    put_head(out, kind, significant.len());
    out.extend(significant);
}

fn put_double(out: &mut Vec<u8>, number: f64) {
    put_head(out, kind::DOUBLE, 8);
    out.extend(number.to_be_bytes());
}

fn put_place(out: &mut Vec<u8>, country: Country, centre: &Centre) {
    put_head(out, kind::MAP, if centre.coordinates.is_some() { 3 } else { 2 });
    for (key, inner, value) in [
        ("continent", "code", centre.continent.as_str()),
        ("country", "iso_code", &country.to_string()),
    ] {
        put_string(out, key);
        put_head(out, kind::MAP, 1);
        put_string(out, inner);
        put_string(out, value);
    }
    if let Some(coordinates) = centre.coordinates {
        put_string(out, "location");
        put_head(out, kind::MAP, 2);
        put_string(out, "latitude");
        put_double(out, coordinates.latitude);
        put_string(out, "longitude");
        put_double(out, coordinates.longitude);
    }
}

fn put_description(out: &mut Vec<u8>, node_count: u64, build_epoch: u64) {
    put_head(out, kind::MAP, 9);
    for (key, kind, number) in [
        ("binary_format_major_version", kind::UINT16, 2),
        ("binary_format_minor_version", kind::UINT16, 0),
        ("build_epoch", kind::UINT64, build_epoch),
        ("ip_version", kind::UINT16, 6),
        ("node_count", kind::UINT32, node_count),
        ("record_size", kind::UINT16, 24),
    ] {
        put_string(out, key);
        put_number(out, kind, number);
    }
    put_string(out, "database_type");
    // The peers take coordinates only from what calls itself so.
    put_string(out, "GeoLite2-City");
    put_string(out, "languages");
    put_head(out, kind::ARRAY, 1);
    put_string(out, "en");
    put_string(out, "description");
    put_head(out, kind::MAP, 1);
    put_string(out, "en");
    put_string(out, "made for a comparison");
}

/// Looks up every range's first and last address with somebody else's reader.
pub(crate) fn check(file: &[u8], addresses: &Addresses) {
    let reader = maxminddb::Reader::from_source(file).unwrap();
    let country = |address: IpAddr| -> Option<Country> {
        let found: Option<maxminddb::geoip2::City<'_>> =
            reader.lookup(address).unwrap().decode().unwrap();
        found?.country.iso_code?.parse().ok()
    };
    for (first, last, expected) in addresses.v4.iter(u32::MAX.into()) {
        for at in [first, last] {
            let address = IpAddr::V4(u32::try_from(at).unwrap().into());
            assert_eq!(country(address), expected, "{address}");
        }
    }
    for (first, last, expected) in addresses.v6.iter(u128::MAX) {
        for at in [first, last] {
            let address = IpAddr::V6(at.into());
            let carried =
                at >> 32 == 0 || ALIASES.iter().any(|(p, bits)| (at ^ p) >> (128 - bits) == 0);
            if !carried {
                assert_eq!(country(address), expected, "{address}");
            }
        }
    }
}
