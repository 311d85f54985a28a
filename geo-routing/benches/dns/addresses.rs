//! The embedded country table as its file says it, read apart from the server.
//!
//! The peers are given what stands here, so a mistake of the server's own reader shows as a
//! difference between their answers and ours. `data/iptable.py` writes the format.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flate2::read::GzDecoder;
use meridian_regions::{Coordinates, Country};

const TABLE: &[u8] = include_bytes!("../../data/ip-country.bin.gz");
const CENTRES: &str = include_str!("../../data/countries.csv");

/// Bytes of the magic at the front.
const MAGIC_BYTES: usize = 6;

/// A country as a database describes it.
pub(crate) struct Centre {
    /// Two letters, as GeoNames and MaxMind have them.
    pub(crate) continent: String,
    /// The population-weighted centre, where people live at all.
    pub(crate) coordinates: Option<Coordinates>,
}

/// Sorted ranges without gaps; each runs to the start of the next.
pub(crate) struct Ranges {
    pub(crate) starts: Vec<u128>,
    pub(crate) countries: Vec<Option<Country>>,
}

/// What the table says of both families.
pub(crate) struct Addresses {
    pub(crate) v4: Ranges,
    pub(crate) v6: Ranges,
    pub(crate) centres: BTreeMap<Country, Centre>,
}

impl Addresses {
    /// Reads what the build embeds.
    pub(crate) fn embedded() -> Self {
        let mut bytes = Vec::new();
        GzDecoder::new(TABLE).read_to_end(&mut bytes).unwrap();
        let mut rest = &bytes[MAGIC_BYTES..];
        let count = number(take(&mut rest, 4));
        let codes = take(&mut rest, usize::try_from(count).unwrap() * 2);
        let country = |code: &[u8]| std::str::from_utf8(code).unwrap().parse().ok();
        let countries: Vec<Option<Country>> = codes.chunks_exact(2).map(country).collect();
        let _build_date = take(&mut rest, 4);
        let v4 = Ranges::read(&mut rest, 4, &countries);
        let v6 = Ranges::read(&mut rest, 16, &countries);
        Self { v4, v6, centres: centres() }
    }

    /// An address in the middle of some range of each country that has one.
    pub(crate) fn one_of_each(&self) -> BTreeMap<Country, IpAddr> {
        let mut found = BTreeMap::new();
        for (first, last, country) in self.v4.iter(u32::MAX.into()) {
            let middle = u32::try_from(first + (last - first) / 2).unwrap();
            if let Some(country) = country {
                found.entry(country).or_insert(IpAddr::V4(Ipv4Addr::from(middle)));
            }
        }
        for (first, last, country) in self.v6.iter(u128::MAX) {
            let middle = Ipv6Addr::from(first + (last - first) / 2);
            if let Some(country) = country {
                found.entry(country).or_insert(IpAddr::V6(middle));
            }
        }
        found
    }
}

impl Ranges {
    /// Starts in little-endian order, then a byte each that says whose it is.
    fn read(rest: &mut &[u8], width: usize, countries: &[Option<Country>]) -> Self {
        let count = usize::try_from(number(take(rest, 4))).unwrap();
        let starts = take(rest, count * width).chunks_exact(width).map(number).collect();
        let owners = take(rest, count).iter();
        Self { starts, countries: owners.map(|owner| countries[usize::from(*owner)]).collect() }
    }

    /// The country of an address.
    pub(crate) fn at(&self, address: u128) -> Option<Country> {
        self.countries[self.row(address)]
    }

    /// The range that an address lies in.
    pub(crate) fn row(&self, address: u128) -> usize {
        self.starts.partition_point(|start| *start <= address) - 1
    }

    /// First and last address of each range; `max` is the last of the family.
    pub(crate) fn iter(&self, max: u128) -> impl Iterator<Item = (u128, u128, Option<Country>)> {
        let ends = self.starts[1..].iter().map(|start| start - 1).chain([max]);
        self.starts
            .iter()
            .zip(ends)
            .zip(&self.countries)
            .map(|((first, last), it)| (*first, last, *it))
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (head, tail) = rest.split_at(count);
    *rest = tail;
    head
}

fn number(bytes: &[u8]) -> u128 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// `iso2,continent,lat,lon` a line.
fn centres() -> BTreeMap<Country, Centre> {
    let lines = CENTRES.lines().skip(1);
    let centres = lines.map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let [country, continent, latitude, longitude] = fields[..] else {
            panic!("{line} has not four fields");
        };
        let degrees = latitude.parse().ok().zip(longitude.parse().ok());
        let coordinates = degrees.map(|(latitude, longitude)| Coordinates { latitude, longitude });
        (country.parse().unwrap(), Centre { continent: continent.to_owned(), coordinates })
    });
    centres.collect()
}
