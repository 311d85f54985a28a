//! The flat table that questions are answered from: address to class, and how far the class holds.
//!
//! A class is a set of places that every question is answered alike from, whatever happens to
//! health; the table is made once for an atlas and the regions and outlives any change of health.
//! Each row is a whole aligned block of addresses, the largest that lies in its class, so the
//! length of the row that is found is the scope of RFC 7871; no neighbour needs to be looked at.

use super::atlas::{Address, Atlas, Ranges};

/// The class of addresses that nobody can place.
pub(crate) const UNPLACED: u16 = 0;

/// Inside IPv6, the ranges that carry an IPv4 address and are looked up as that. No block of the
/// table may span them.
const CARRIER: u16 = u16::MAX;

/// Marks a row of 64 bits that is cut further; the long rows have their own table.
const CUT: u8 = u8::MAX;

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

/// Where an address was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) class: u16,
    /// Bits of the widest block around the address that is of this class throughout.
    pub(crate) prefix: u8,
    /// Bits in front of the IPv4 address inside this one; 0 in IPv4 itself.
    pub(crate) carrier: u8,
}

/// A class and a prefix length.
#[derive(Clone, Copy)]
struct Tag {
    class: u16,
    length: u8,
}

/// The table. Both families have an index by the first 16 bits, so a search is over few rows.
pub(crate) struct PrefixTable {
    v4: Rows<u16>,
    /// Rows of at most 64 bits, by the 48 bits after the index.
    v6: Rows<u64>,
    /// Rows of more than 64 bits, by the whole address.
    long: Vec<(u128, Tag)>,
}

/// Rows of one family, each index entry's own beginning with one at 0.
struct Rows<K> {
    index: Box<[u32]>,
    keys: Vec<K>,
    tags: Vec<Tag>,
}

/// The bits that vary in the largest aligned block that starts at `first` and does not pass `last`.
fn block(first: u128, last: u128) -> u32 {
    let room = (last - first).checked_add(1).map_or(128, u128::ilog2);
    first.trailing_zeros().min(room)
}

impl<K: Copy + Ord> Rows<K> {
    const ENTRIES: usize = 1 << 16;

    fn new() -> Self {
        Self { index: Box::default(), keys: Vec::new(), tags: Vec::new() }
    }

    /// Closes the index; `counts` says how many rows each entry has.
    fn close(&mut self, counts: &[u32]) {
        let mut index = Vec::with_capacity(Self::ENTRIES + 1);
        let mut sum = 0;
        index.push(0);
        for count in counts {
            sum += count;
            index.push(sum);
        }
        self.index = index.into();
        self.keys.shrink_to_fit();
        self.tags.shrink_to_fit();
    }

    fn find(&self, entry: u16, key: K) -> Tag {
        let entry = usize::from(entry);
        let (from, to) = (self.index[entry] as usize, self.index[entry + 1] as usize);
        let row = from + self.keys[from..to].partition_point(|start| *start <= key);
        self.tags[row - 1]
    }
}

/// Puts blocks into rows: one that spans several index entries stands in each of them.
struct Builder<K> {
    rows: Rows<K>,
    counts: Vec<u32>,
}

impl<K: Copy + Ord> Builder<K> {
    fn new() -> Self {
        Self { rows: Rows::new(), counts: vec![0; Rows::<K>::ENTRIES] }
    }

    fn push(&mut self, entry: usize, key: K, tag: Tag) {
        let entries = if tag.length < 16 { 1 << (16 - tag.length) } else { 1 };
        for count in &mut self.counts[entry..entry + entries] {
            self.rows.keys.push(key);
            self.rows.tags.push(tag);
            *count += 1;
        }
    }

    fn done(mut self) -> Rows<K> {
        self.rows.close(&self.counts);
        self.rows
    }
}

impl PrefixTable {
    /// Compiles an atlas; `classes` has the class of each of its places.
    pub(crate) fn build(atlas: &Atlas, classes: &[u16]) -> Self {
        let mut v4 = Builder::<u16>::new();
        blocks(&runs(&atlas.v4, classes), |first, varying, class| {
            let first = u32::try_from(first).expect("it is an IPv4 address");
            let length = u8::try_from(32 - varying).expect("it is at most 32");
            let key = u16::try_from(first & 0xffff).expect("it is masked");
            v4.push((first >> 16) as usize, key, Tag { class, length });
        });
        let mut v6 = Builder::<u64>::new();
        let mut long: Vec<(u128, Tag)> = Vec::new();
        let mut runs = runs(&atlas.v6, classes);
        for (prefix, length, _) in CARRIERS {
            runs.carve(prefix, prefix | (u128::MAX >> length), CARRIER.into());
        }
        blocks(&runs, |first, varying, class| {
            let tag = Tag { class, length: u8::try_from(128 - varying).expect("at most 128") };
            let high = u64::try_from(first >> 64).expect("it is shifted");
            let (entry, key) = ((high >> 48) as usize, high & 0xffff_ffff_ffff);
            if varying >= 64 {
                v6.push(entry, key, tag);
                return;
            }
            if long.last().is_none_or(|(before, _)| before >> 64 != first >> 64) {
                v6.push(entry, key, Tag { class, length: CUT });
            }
            long.push((first, tag));
        });
        long.shrink_to_fit();
        Self { v4: v4.done(), v6: v6.done(), long }
    }

    /// The class of an IPv4 address.
    pub(crate) fn v4(&self, address: u32) -> Found {
        let entry = u16::try_from(address >> 16).expect("it is shifted");
        let key = u16::try_from(address & 0xffff).expect("it is masked");
        let tag = self.v4.find(entry, key);
        Found { class: tag.class, prefix: tag.length, carrier: 0 }
    }

    /// The class of an IPv6 address, or of the IPv4 address that it carries.
    pub(crate) fn v6(&self, address: u128) -> Found {
        if let Some((v4, offset)) = carried(address) {
            let found = self.v4(v4);
            return Found { prefix: found.prefix + offset, carrier: offset, ..found };
        }
        let high = u64::try_from(address >> 64).expect("it is shifted");
        let entry = u16::try_from(high >> 48).expect("it is shifted");
        let mut tag = self.v6.find(entry, high & 0xffff_ffff_ffff);
        if tag.length == CUT {
            let row = self.long.partition_point(|(start, _)| *start <= address);
            tag = self.long[row - 1].1;
        }
        Found { class: tag.class, prefix: tag.length, carrier: 0 }
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        let (v4, v6) = (self.v4.keys.len(), self.v6.keys.len());
        let index = (self.v4.index.len() + self.v6.index.len()) * size_of::<u32>();
        let long = self.long.len() * size_of::<(u128, Tag)>();
        index + long + v4 * (2 + size_of::<Tag>()) + v6 * (8 + size_of::<Tag>())
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

/// Cuts runs into the fewest aligned blocks, in order, and hands out each one's first address, its
/// varying bits and its class.
fn blocks<A: Address + Into<u128>>(runs: &Ranges<A>, mut each: impl FnMut(u128, u32, u16)) {
    for (row, class) in runs.places.iter().enumerate() {
        let class = u16::try_from(*class).expect("classes are 16 bits");
        let last = runs.starts.get(row + 1).map_or(A::MAX.into(), |next| (*next).into() - 1);
        let mut at: u128 = runs.starts[row].into();
        loop {
            let varying = block(at, last);
            each(at, varying, class);
            // The block of everything has no next one.
            let step = 1_u128.checked_shl(varying);
            match step.and_then(|step| at.checked_add(step)) {
                Some(next) if next <= last => at = next,
                _ => break,
            }
        }
    }
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
        let found = match text.parse().unwrap() {
            std::net::IpAddr::V4(v4) => table.v4(u32::from(v4)),
            std::net::IpAddr::V6(v6) => table.v6(u128::from(v6)),
        };
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
            let found = table.v6(address);
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
