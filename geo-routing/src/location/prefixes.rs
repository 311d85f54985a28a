//! The flat table that questions are answered from: address to class, and how far the class holds.
//!
//! A class is a set of places that every question is answered alike from, whatever happens to
//! health; the table is made once for an atlas and the regions and outlives any change of health.
//! A row is the start of a range and its class, in one word, so the rows that a search reads lie in
//! one or two lines of the cache, and the row behind tells where the range ends: with that, the
//! widest block around the address that lies in the range, which is the scope of RFC 7871.

use std::hint::black_box;
use std::net::IpAddr;

use super::atlas::{Address, Atlas, Ranges};

/// The class of addresses that nobody can place.
pub(crate) const UNPLACED: u16 = 0;

/// Inside IPv6, the ranges that carry an IPv4 address and are looked up as that. No block of the
/// table may span them.
const CARRIER: u16 = u16::MAX;

/// An IPv6 row of one /48 that is cut further; the pieces have their own table.
const CUT: u16 = u16::MAX - 1;

/// Classes that rows can name.
pub(crate) const CLASSES_MAX: usize = CUT as usize;

/// Bits of an address that a row knows: an IPv4 address and zeros, or the network part by which
/// nearly all of IPv6 is assigned.
const KEY_BITS: u32 = 48;

/// Bits of a row behind the key, for the class.
const CLASS_BITS: u32 = u16::BITS;

/// Bits of a key behind the first sixteen, which choose the root.
const REST_BITS: u32 = KEY_BITS - 16;

/// Most bits that choose a bucket below a root.
const BUCKET_BITS_MAX: u32 = 20;

/// Bits of an IPv6 address behind the key.
const BELOW_KEY_BITS: u32 = 128 - KEY_BITS;
const BELOW_KEY: u128 = (1 << BELOW_KEY_BITS) - 1;

/// IPv6 prefixes that carry an IPv4 address: the prefix, its length, and the bits after the IPv4.
const CARRIERS: [(u128, u32, u32); 3] = [
    // ::ffff:0:0/96, IPv4-mapped (RFC 4291, 2.5.5.2).
    (0xffff_0000_0000, 96, 0),
    // 64:ff9b::/96, NAT64 (RFC 6052).
    (0x0064_ff9b << 96, 96, 0),
    // 2002::/16, 6to4 (RFC 3056).
    (0x2002 << 112, 16, 80),
];

/// More classes than rows can name.
#[derive(Debug, thiserror::Error)]
#[error("the places fall into {0} classes and the table can name 65534; use a coarser database")]
pub struct TooManyClasses(pub(crate) usize);

/// Where an address was found; the default is nowhere, for everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) class: u16,
    /// Bits of the widest block around the address that is of this class throughout.
    pub(crate) prefix: u8,
    /// Bits in front of the IPv4 address inside this one; 0 in IPv4 itself.
    pub(crate) carrier: u8,
}

/// The table.
pub(crate) struct PrefixTable {
    v4: Rows,
    v6: Rows,
    /// The pieces of cut /48 networks: where each starts, and its class.
    pieces: Vec<u128>,
    piece_classes: Vec<u16>,
}

/// Rows of one family. The first sixteen bits of a key choose a root, and as many further bits as
/// the root has rows for choose a bucket, so that a search is over one or two rows wherever the
/// addresses crowd.
struct Rows {
    roots: Box<[Root]>,
    /// For each bucket the row that its first address lies in; the next bucket's ends the search.
    buckets: Box<[u32]>,
    /// Key and class, ascending.
    rows: Box<[u64]>,
}

#[derive(Clone, Copy)]
struct Root {
    /// The first of its buckets.
    base: u32,
    /// How many bits behind the first sixteen choose among them.
    bits: u32,
}

/// Bits that two keys have in common, and one: the length of a block around one of them that does
/// not hold the other.
fn apart(a: u64, b: u64) -> u32 {
    (a ^ b).leading_zeros() - (u64::BITS - KEY_BITS) + 1
}

fn row(key: u64, class: u16) -> u64 {
    key << CLASS_BITS | u64::from(class)
}

fn key_of(row: u64) -> u64 {
    row >> CLASS_BITS
}

impl Rows {
    fn new(rows: Vec<u64>) -> Self {
        let mut roots = Vec::with_capacity(1 << 16);
        let mut buckets = Vec::with_capacity(rows.len() + (1 << 17));
        let mut at = 0;
        for root in 0..1_u64 << 16 {
            let end = (root + 1) << REST_BITS;
            let inside = rows[at..].partition_point(|row| key_of(*row) < end);
            let bits = inside.next_power_of_two().trailing_zeros().min(BUCKET_BITS_MAX);
            let base = u32::try_from(buckets.len()).expect("there are at most a few a row");
            roots.push(Root { base, bits });
            for bucket in 0..1_u64 << bits {
                let first = root << REST_BITS | bucket << (REST_BITS - bits);
                while rows.get(at + 1).is_some_and(|row| key_of(*row) <= first) {
                    at += 1;
                }
                buckets.push(u32::try_from(at).expect("rows fit into memory"));
            }
        }
        buckets.push(u32::try_from(rows.len() - 1).expect("rows fit into memory"));
        Self { roots: roots.into(), buckets: buckets.into(), rows: rows.into() }
    }

    /// The bucket of a key.
    fn bucket(&self, key: u64) -> usize {
        let root = self.roots[(key >> REST_BITS) as usize];
        let rest = key & ((1 << REST_BITS) - 1);
        root.base as usize + (rest >> (REST_BITS - root.bits)) as usize
    }

    /// The first and the last row that a key of a bucket may lie in.
    fn span(&self, bucket: usize) -> (u32, u32) {
        (self.buckets[bucket], self.buckets[bucket + 1])
    }

    /// The class of a key, and the bits of the widest block around it.
    fn find(&self, key: u64, (from, to): (u32, u32)) -> (u16, u32) {
        let (from, to) = (from as usize, to as usize);
        let wanted = row(key, u16::MAX);
        let at = from + self.rows[from + 1..=to].partition_point(|row| *row <= wanted);
        let found = self.rows[at];
        let start = key_of(found);
        let behind_start = if start == 0 { 0 } else { apart(key, start - 1) };
        let before_end = self.rows.get(at + 1).map_or(0, |next| apart(key, key_of(*next)));
        // The class is what the key left of the word.
        (found as u16, behind_start.max(before_end))
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.roots) + size_of_val(&*self.buckets) + size_of_val(&*self.rows)
    }
}

/// Searches that take their steps together.
const TOGETHER: usize = 64;

/// A search under way.
#[derive(Clone, Copy)]
struct Search<'a> {
    rows: &'a Rows,
    key: u64,
    bucket: usize,
    span: (u32, u32),
    /// The whole address, if it is an IPv6 one.
    address: Option<u128>,
}

impl PrefixTable {
    /// Compiles an atlas; `classes` has the class of each of its places.
    pub(crate) fn build(atlas: &Atlas, classes: &[u16]) -> Self {
        let runs_v4 = runs(&atlas.v4, classes);
        let rows = runs_v4.starts.iter().zip(&runs_v4.places);
        let rows = rows.map(|(start, class)| row(key_v4(*start), class_of(*class)));
        let v4 = Rows::new(rows.collect());
        let mut runs_v6 = runs(&atlas.v6, classes);
        for (prefix, length, _) in CARRIERS {
            runs_v6.carve(prefix, prefix | (u128::MAX >> length), CARRIER.into());
        }
        let mut cutter =
            Cutter { rows: Vec::with_capacity(runs_v6.starts.len()), ..Cutter::default() };
        for (at, first) in runs_v6.starts.iter().enumerate() {
            let last = runs_v6.starts.get(at + 1).map_or(u128::MAX, |next| next - 1);
            cutter.run(*first, last, class_of(runs_v6.places[at]));
        }
        let Cutter { rows, pieces, piece_classes } = cutter;
        Self { v4, v6: Rows::new(rows), pieces, piece_classes }
    }

    /// The class of an address, or of the IPv4 address that it carries.
    pub(crate) fn find(&self, address: IpAddr) -> Found {
        let mut search = self.search(address);
        search.span = search.rows.span(search.bucket);
        self.finish(&search)
    }

    /// The same for a batch. What a search waits for is memory, so all of them take each step
    /// together, and wait at the same time.
    pub(crate) fn find_all(&self, addresses: &[IpAddr], mut each: impl FnMut(usize, Found)) {
        let mut number = 0;
        for addresses in addresses.chunks(TOGETHER) {
            let nobody = Search { rows: &self.v4, key: 0, bucket: 0, span: (0, 0), address: None };
            let mut searches = [nobody; TOGETHER];
            let searches = &mut searches[..addresses.len()];
            for (search, address) in searches.iter_mut().zip(addresses) {
                *search = self.search(*address);
            }
            for search in searches.iter_mut() {
                search.span = search.rows.span(search.bucket);
            }
            for search in searches.iter() {
                let (from, to) = search.span;
                black_box(search.rows.rows[u32::midpoint(from, to) as usize]);
            }
            for search in searches.iter() {
                each(number, self.finish(search));
                number += 1;
            }
        }
    }

    fn search(&self, address: IpAddr) -> Search<'_> {
        let (rows, key, address) = match address {
            IpAddr::V4(v4) => (&self.v4, key_v4(v4.into()), None),
            IpAddr::V6(v6) => {
                let v6 = u128::from(v6);
                match carried(v6) {
                    Some((v4, _)) => (&self.v4, key_v4(v4), Some(v6)),
                    None => (&self.v6, key_v6(v6), Some(v6)),
                }
            }
        };
        Search { rows, key, bucket: rows.bucket(key), span: (0, 0), address }
    }

    fn finish(&self, search: &Search<'_>) -> Found {
        let (class, bits) = search.rows.find(search.key, search.span);
        let v6 = search.address;
        if let (CUT, Some(address)) = (class, v6) {
            return self.piece(address);
        }
        let carrier = v6.and_then(carried).map_or(0, |(_, carrier)| carrier);
        Found { class, prefix: prefix(bits) + carrier, carrier }
    }

    /// The same inside a /48 that is cut: nothing outside it matters, since it is not uniform.
    fn piece(&self, address: u128) -> Found {
        let at = self.pieces.partition_point(|start| *start <= address) - 1;
        let start = self.pieces[at];
        let apart = |other: u128| (address ^ other).leading_zeros() + 1;
        let behind_start = if start & BELOW_KEY == 0 { 0 } else { apart(start - 1) };
        let next = self.pieces.get(at + 1).filter(|next| key_v6(**next) == key_v6(address));
        let bits = behind_start.max(next.map_or(0, |next| apart(*next)));
        Found { class: self.piece_classes[at], prefix: prefix(bits), carrier: 0 }
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        let pieces = size_of_val(&*self.pieces) + size_of_val(&*self.piece_classes);
        self.v4.bytes() + self.v6.bytes() + pieces
    }
}

fn key_v4(address: u32) -> u64 {
    u64::from(address) << (KEY_BITS - u32::BITS)
}

fn key_v6(address: u128) -> u64 {
    u64::try_from(address >> BELOW_KEY_BITS).expect("it is shifted")
}

fn class_of(class: u32) -> u16 {
    u16::try_from(class).expect("classes are 16 bits")
}

fn prefix(bits: u32) -> u8 {
    u8::try_from(bits).expect("it is at most 128")
}

/// Makes IPv6 rows of runs, and pieces where a run ends inside a /48.
#[derive(Default)]
struct Cutter {
    rows: Vec<u64>,
    pieces: Vec<u128>,
    piece_classes: Vec<u16>,
}

impl Cutter {
    /// The next run, without a gap to the one before.
    fn run(&mut self, first: u128, last: u128, class: u16) {
        let (key_first, key_last) = (key_v6(first), key_v6(last));
        let starts_whole = first & BELOW_KEY == 0;
        let ends_whole = last & BELOW_KEY == BELOW_KEY;
        if key_first == key_last && !(starts_whole && ends_whole) {
            self.piece(first, class);
            return;
        }
        if !starts_whole {
            self.piece(first, class);
        }
        let (from, to) = (key_first + u64::from(!starts_whole), key_last + u64::from(ends_whole));
        if from < to {
            self.rows.push(row(from, class));
        }
        if !ends_whole {
            self.piece(u128::from(key_last) << BELOW_KEY_BITS, class);
        }
    }

    fn piece(&mut self, first: u128, class: u16) {
        let cut = row(key_v6(first), CUT);
        if self.rows.last() != Some(&cut) {
            self.rows.push(cut);
        }
        self.pieces.push(first);
        self.piece_classes.push(class);
    }
}

/// Ranges of classes instead of places; neighbours of one class become one.
fn runs<A: Address>(ranges: &Ranges<A>, classes: &[u16]) -> Ranges<A> {
    let mut runs = Ranges { starts: Vec::new(), places: Vec::new() };
    for (start, place) in ranges.starts.iter().zip(&ranges.places) {
        let class = u32::from(classes[*place as usize]);
        if runs.places.last() != Some(&class) {
            runs.starts.push(*start);
            runs.places.push(class);
        }
    }
    runs
}

/// The IPv4 address inside an IPv6 one, and the bits before it.
pub(crate) fn carried(address: u128) -> Option<(u32, u8)> {
    CARRIERS.iter().find(|(prefix, length, _)| (address ^ prefix) >> (128 - length) == 0).map(
        |(_, length, shift)| {
            let v4 = (address >> shift) & u128::from(u32::MAX);
            let v4 = u32::try_from(v4).expect("it is masked to 32 bits");
            (v4, u8::try_from(*length).expect("it is below 128"))
        },
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::embedded;
    use super::*;

    fn at(table: &PrefixTable, text: &str) -> (u16, u8) {
        let found = table.find(text.parse().unwrap());
        (found.class, found.prefix)
    }

    /// The tiny atlas with a class of its own for Germany (1) and France (2).
    fn tiny() -> PrefixTable {
        let atlas = embedded::parse(&embedded::tests::tiny()).unwrap();
        PrefixTable::build(&atlas, &[0, 1, 2])
    }

    #[test]
    fn the_prefix_is_as_wide_as_the_class() {
        let table = tiny();
        for (address, expected) in [
            ("0.1.2.3", (0, 8)),
            ("1.2.3.4", (1, 8)),
            ("2.2.3.4", (2, 7)),
            ("3.255.255.255", (2, 7)),
            ("200.0.0.1", (0, 1)),
            ("255.255.255.255", (0, 1)),
            ("2a00::1", (1, 12)),
            ("2a0f:ffff::1", (1, 12)),
        ] {
            assert_eq!(at(&table, address), expected, "{address}");
        }
    }

    #[test]
    fn one_class_is_one_block() {
        let atlas = embedded::parse(&embedded::tests::tiny()).unwrap();
        let table = PrefixTable::build(&atlas, &[7, 7, 7]);
        assert_eq!(at(&table, "200.0.0.1"), (7, 0));
        assert_eq!(at(&table, "8000::"), (7, 1));
    }

    #[test]
    fn ipv4_inside_ipv6_is_looked_up_as_ipv4() {
        let table = tiny();
        assert_eq!(at(&table, "::ffff:1.2.3.4"), (1, 96 + 8));
        assert_eq!(at(&table, "64:ff9b::2.2.3.4"), (2, 96 + 7));
        assert_eq!(at(&table, "2002:102:304::1"), (1, 16 + 8));
    }

    #[test]
    fn no_block_of_unplaced_addresses_covers_a_carrier_of_ipv4() {
        let table = tiny();
        assert_eq!(at(&table, "::1"), (0, 81));
        assert_eq!(at(&table, "64:ff9a::1"), (0, 32));
        assert_eq!(at(&table, "2001:db8::1"), (0, 15));
    }

    /// Random sorted ranges of IPv6 in which some starts differ in their last bits only.
    fn ranges() -> impl Strategy<Value = Vec<(u128, u32)>> {
        let start = (any::<u128>(), 0_u32..128).prop_map(|(bits, zeros)| bits >> zeros << zeros);
        proptest::collection::vec((start, 0_u32..3), 0..40).prop_map(|mut rows| {
            rows.push((0, 0));
            rows.sort_unstable();
            rows.dedup_by_key(|row| row.0);
            rows
        })
    }

    proptest! {
        #[test]
        fn every_address_of_a_block_has_its_class_and_no_wider_block_has(
            rows in ranges(), near in any::<prop::sample::Index>(), offset in -2_i128..=2
        ) {
            let (starts, places): (Vec<u128>, Vec<u32>) = rows.into_iter().unzip();
            let address = starts[near.index(starts.len())].wrapping_add_signed(offset);
            let v6 = Ranges { starts, places };
            let v4 = Ranges { starts: vec![0], places: vec![0] };
            let atlas = Atlas { build_date: 0, places: Vec::new(), v4, v6 };
            let table = PrefixTable::build(&atlas, &[0, 1, 2]);
            prop_assume!(carried(address).is_none());
            let found = table.find(std::net::Ipv6Addr::from(address).into());
            prop_assert_eq!(u32::from(found.class), atlas.v6.at(address));
            let first_and_last = |length: u8| {
                let varying = u128::MAX.unbounded_shr(length.into());
                (address & !varying, address | varying)
            };
            // Uniform: no range of another class begins inside, and no carrier lies inside.
            let uniform = |length: u8| {
                let (first, last) = first_and_last(length);
                let carrier = CARRIERS.iter().any(|(prefix, bits, _)| {
                    *prefix <= last && first <= prefix | (u128::MAX >> bits)
                });
                let inside = atlas.v6.starts.iter().zip(&atlas.v6.places);
                !carrier
                    && atlas.v6.at(first) == u32::from(found.class)
                    && inside
                        .filter(|(start, _)| (first..=last).contains(*start))
                        .all(|(_, place)| *place == u32::from(found.class))
            };
            prop_assert!(uniform(found.prefix), "/{} of {address:x}", found.prefix);
            prop_assert!(found.prefix == 0 || !uniform(found.prefix - 1), "it could be wider");
        }
    }
}
