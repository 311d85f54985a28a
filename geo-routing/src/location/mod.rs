//! Where an address is: the embedded country table, and where each country is.
//!
//! It knows the country and, for the scope of an EDNS client subnet answer, how much of the address
//! space around it shares that country. It does not know cities, and it decides nothing.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::read::GzDecoder;
use meridian_regions::{Continent, Coordinates, Country};
use serde::Serialize;

const TABLE: &[u8] = include_bytes!("../../data/ip-country.bin.gz");
const PLACES: &str = include_str!("../../data/countries.csv");
const MAGIC: &[u8] = b"MIPC1\n";

/// Owner of the IPv6 ranges that carry an IPv4 address and are looked up as one.
const EMBEDS_V4: u8 = u8::MAX;

/// Days after which a table is called old: address blocks change hands by the week.
const AGE_MAX_DAYS: u64 = 90;
const SECONDS_PER_DAY: u64 = 86_400;

/// IPv6 prefixes that carry an IPv4 address: the prefix, its length, and the bits after the IPv4.
const CARRIERS: [(u128, u32, u32); 3] = [
    // ::ffff:0:0/96, IPv4-mapped (RFC 4291, 2.5.5.2).
    (0xffff_0000_0000, 96, 0),
    // 64:ff9b::/96, NAT64 (RFC 6052).
    (0x0064_ff9b << 96, 96, 0),
    // 2002::/16, 6to4 (RFC 3056).
    (0x2002 << 112, 16, 80),
];

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file is not the gzip stream it should be.
    #[error("the country table cannot be unpacked: {0}")]
    Packed(#[from] std::io::Error),
    /// The unpacked bytes are not of the format.
    #[error("the country table is damaged: {0}; build it again with data/build.py")]
    Damaged(&'static str),
}

/// What is known of where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The country, unless the address is special-purpose or nobody knows it.
    pub country: Option<Country>,
    /// Bits of the shortest prefix around the address that lies in this country as a whole.
    pub prefix: u8,
}

/// Where a country is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The continent.
    pub continent: Continent,
    /// The population-weighted centre, in decimal degrees, where one is known.
    pub coordinates: Option<Coordinates>,
}

/// The whole table: address to country, country to place. About 12 MB, read once.
pub struct Geography {
    build_date: u32,
    codes: Vec<Option<Country>>,
    v4: Ranges,
    v6: Ranges,
    places: HashMap<Country, Place>,
}

/// Sorted, gapless ranges of one family; each runs to the start of the next.
struct Ranges {
    bits: u32,
    starts: Vec<u128>,
    owners: Vec<u8>,
}

impl Geography {
    /// The table this build was made with.
    pub fn embedded() -> &'static Self {
        static EMBEDDED: LazyLock<Geography> = LazyLock::new(|| {
            let mut bytes = Vec::new();
            GzDecoder::new(TABLE).read_to_end(&mut bytes).expect("the build embeds a whole table");
            Geography::parse(&bytes).expect("the build embeds a sound table")
        });
        &EMBEDDED
    }

    /// Reads an unpacked table (`MIPC1`, see data/build.py).
    ///
    /// Codes that are not ISO 3166-1 become unknown; carriers of IPv4 are cut out of the IPv6
    /// ranges so that no scope ever spans an address that is looked up in the other family.
    pub fn parse(bytes: &[u8]) -> Result<Self, TableError> {
        let mut reader = Reader(bytes);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(TableError::Damaged("it does not begin with MIPC1"));
        }
        let count = reader.u32()? as usize;
        if count == 0 || count >= usize::from(EMBEDS_V4) {
            return Err(TableError::Damaged("it lists no country or too many"));
        }
        let codes: Vec<Option<Country>> = reader
            .take(count * 2)?
            .chunks_exact(2)
            .map(|code| std::str::from_utf8(code).ok()?.parse().ok())
            .collect();
        let build_date = reader.u32()?;
        let v4 = reader.ranges(32, &codes)?;
        let mut v6 = reader.ranges(128, &codes)?;
        for (prefix, length, _) in CARRIERS {
            v6.carve(prefix, prefix | (u128::MAX >> length), EMBEDS_V4);
        }
        Ok(Self { build_date, codes, v4, v6, places: places() })
    }

    /// Where an address is. IPv6 addresses that carry an IPv4 address are looked up as that, with
    /// the prefix still counted in IPv6 bits.
    pub fn locate(&self, address: IpAddr) -> Location {
        let (owner, prefix) = match address {
            IpAddr::V4(v4) => self.v4.find(u128::from(u32::from(v4))),
            IpAddr::V6(v6) => match carried(u128::from(v6)) {
                Some((v4, offset)) => {
                    let (owner, prefix) = self.v4.find(u128::from(v4));
                    (owner, prefix + offset)
                }
                None => self.v6.find(u128::from(v6)),
            },
        };
        Location {
            country: self.codes[usize::from(owner)],
            prefix: u8::try_from(prefix).expect("a prefix is at most 128 bits"),
        }
    }

    /// Where a country is.
    pub fn place(&self, country: Country) -> Option<&Place> {
        self.places.get(&country)
    }

    /// The day the table was built, as `yyyymmdd`.
    pub fn build_date(&self) -> u32 {
        self.build_date
    }

    /// Says so, once at start, when the table is older than 90 days.
    pub(crate) fn warn_if_old(&self, now: SystemTime) {
        let today = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() / SECONDS_PER_DAY);
        let age_days = today.saturating_sub(days_since_epoch(self.build_date));
        if age_days > AGE_MAX_DAYS {
            tracing::warn!(
                build_date = self.build_date,
                age_days,
                "the country table is old; rebuild it with data/build.py"
            );
        }
    }
}

impl Ranges {
    /// The owner of an address and the length of the widest prefix that has it throughout.
    fn find(&self, address: u128) -> (u8, u32) {
        let row = self.starts.partition_point(|start| *start <= address) - 1;
        let common = |other: u128| (address ^ other).leading_zeros() - (128 - self.bits);
        let below = self.starts[row].checked_sub(1).map_or(0, |last| common(last) + 1);
        let above = self.starts.get(row + 1).map_or(0, |next| common(*next) + 1);
        (self.owners[row], below.max(above))
    }

    /// Gives `low..=high` to `owner`, whatever was there.
    fn carve(&mut self, low: u128, high: u128, owner: u8) {
        let from = self.starts.partition_point(|start| *start < low);
        let to = self.starts.partition_point(|start| *start <= high);
        let after = self.owners[to - 1];
        let mut starts = vec![low];
        let mut owners = vec![owner];
        if high < u128::MAX && self.starts.get(to) != Some(&(high + 1)) {
            starts.push(high + 1);
            owners.push(after);
        }
        self.starts.splice(from..to, starts);
        self.owners.splice(from..to, owners);
    }
}

/// The IPv4 address inside an IPv6 one, and the bits before it.
fn carried(address: u128) -> Option<(u32, u32)> {
    CARRIERS.iter().find(|(prefix, length, _)| (address ^ prefix) >> (128 - length) == 0).map(
        |(_, length, shift)| {
            let v4 = (address >> shift) & u128::from(u32::MAX);
            (u32::try_from(v4).expect("it is masked to 32 bits"), *length)
        },
    )
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], TableError> {
        let (head, rest) =
            self.0.split_at_checked(count).ok_or(TableError::Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(head)
    }

    fn u32(&mut self) -> Result<u32, TableError> {
        let bytes = self.take(4)?.try_into().expect("four bytes were taken");
        Ok(u32::from_le_bytes(bytes))
    }

    /// Starts then owners; rows that say the same as the one before are dropped.
    fn ranges(&mut self, bits: u32, codes: &[Option<Country>]) -> Result<Ranges, TableError> {
        let width = bits as usize / 8;
        let count = self.u32()? as usize;
        let starts = self.take(count.saturating_mul(width))?;
        let owners = self.take(count)?;
        let mut ranges = Ranges { bits, starts: Vec::new(), owners: Vec::new() };
        let mut before = None;
        for (start, owner) in starts.chunks_exact(width).zip(owners) {
            let mut wide = [0; 16];
            wide[..width].copy_from_slice(start);
            let start = u128::from_le_bytes(wide);
            if before.map_or(start != 0, |before| start <= before) {
                return Err(TableError::Damaged("its ranges do not begin at 0 and ascend"));
            }
            before = Some(start);
            let Some(code) = codes.get(usize::from(*owner)) else {
                return Err(TableError::Damaged("a range names a country that is not listed"));
            };
            let owner = if code.is_some() { *owner } else { 0 };
            if ranges.owners.last() != Some(&owner) {
                ranges.starts.push(start);
                ranges.owners.push(owner);
            }
        }
        if ranges.starts.is_empty() {
            return Err(TableError::Damaged("it has no ranges"));
        }
        Ok(ranges)
    }
}

/// The centres of countries, `iso2,continent,lat,lon` a line.
fn places() -> HashMap<Country, Place> {
    PLACES
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split(',');
            let country = fields.next()?.parse().ok()?;
            let continent = fields.next()?.parse().ok()?;
            let degrees = [fields.next(), fields.next()].map(|field| field?.parse::<f64>().ok());
            let coordinates = match degrees {
                [Some(latitude), Some(longitude)] => Some(Coordinates { latitude, longitude }),
                _ => None,
            };
            Some((country, Place { continent, coordinates }))
        })
        .collect()
}

/// Days from 1970-01-01 to a `yyyymmdd` date (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", days_from_civil).
fn days_since_epoch(date: u32) -> u64 {
    let (year, month, day) =
        (u64::from(date / 10_000), u64::from(date / 100 % 100), u64::from(date % 100));
    let year = if month <= 2 { year.saturating_sub(1) } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.saturating_sub(1);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).saturating_sub(719_468)
}

/// A network: what a resolver says of its client, or a person asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Subnet {
    address: IpAddr,
    prefix: u8,
}

/// Not a network.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no address or network; write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/56")]
pub struct SubnetError(String);

impl Subnet {
    /// The network of that many leading bits around an address; the other bits are dropped.
    /// `None` when the address has fewer bits.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
            }
            _ => return None,
        };
        Some(Self { address, prefix })
    }

    /// The first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The number of leading bits that are given; 0 says nothing about the client.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let parsed = match text.split_once('/') {
            Some((address, prefix)) => address.parse().ok().zip(prefix.parse().ok()),
            None => text.parse().ok().map(|ip: IpAddr| (ip, if ip.is_ipv4() { 32 } else { 128 })),
        };
        parsed
            .and_then(|(address, prefix)| Self::new(address, prefix))
            .ok_or_else(|| SubnetError(text.to_owned()))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ZZ until 1.0.0.0, DE in 1.0.0.0/8, FR in 2.0.0.0/7, XX (no country) after; ::/0 is ZZ but
    /// for 2a00::/12 in DE.
    fn tiny() -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(4_u32.to_le_bytes());
        bytes.extend(b"ZZDEFRXX");
        bytes.extend(20_260_601_u32.to_le_bytes());
        bytes.extend(4_u32.to_le_bytes());
        for start in [0_u32, 1 << 24, 2 << 24, 4 << 24] {
            bytes.extend(start.to_le_bytes());
        }
        bytes.extend([0, 1, 2, 3]);
        bytes.extend(3_u32.to_le_bytes());
        for start in [0_u128, 0x2a00 << 112, 0x2a10 << 112] {
            bytes.extend(start.to_le_bytes());
        }
        bytes.extend([0, 1, 0]);
        bytes
    }

    fn at(text: &str) -> (String, u8) {
        let table = Geography::parse(&tiny()).expect("the tiny table is sound");
        let found = table.locate(text.parse().expect("the test writes an address"));
        (found.country.map_or("-".to_owned(), |country| country.to_string()), found.prefix)
    }

    #[test]
    fn the_prefix_is_as_wide_as_the_country() {
        assert_eq!(at("0.1.2.3"), ("-".to_owned(), 8));
        assert_eq!(at("1.2.3.4"), ("DE".to_owned(), 8));
        assert_eq!(at("2.2.3.4"), ("FR".to_owned(), 7));
        assert_eq!(at("3.255.255.255"), ("FR".to_owned(), 7));
        assert_eq!(at("200.0.0.1"), ("-".to_owned(), 1));
        assert_eq!(at("2a00::1"), ("DE".to_owned(), 12));
    }

    #[test]
    fn ipv4_inside_ipv6_is_looked_up_as_ipv4() {
        assert_eq!(at("::ffff:1.2.3.4"), ("DE".to_owned(), 96 + 8));
        assert_eq!(at("64:ff9b::2.2.3.4"), ("FR".to_owned(), 96 + 7));
        assert_eq!(at("2002:102:304::1"), ("DE".to_owned(), 16 + 8));
    }

    #[test]
    fn no_scope_of_an_unknown_address_covers_a_carrier_of_ipv4() {
        assert_eq!(at("::1"), ("-".to_owned(), 81));
        assert_eq!(at("64:ff9a::1"), ("-".to_owned(), 32));
        assert_eq!(at("2001:db8::1"), ("-".to_owned(), 15));
    }

    #[test]
    fn a_damaged_table_is_refused() {
        for length in [0, 5, 9, 20, 40, tiny().len() - 1] {
            assert!(Geography::parse(&tiny()[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn dates_become_days() {
        assert_eq!(days_since_epoch(19_700_101), 0);
        assert_eq!(days_since_epoch(20_000_301), 11_017);
        assert_eq!(days_since_epoch(20_260_601), 20_605);
    }

    #[test]
    fn every_country_of_the_regions_has_a_place() {
        for country in Country::all() {
            assert!(Geography::embedded().place(country).is_some(), "{country}");
        }
    }

    #[test]
    fn a_subnet_drops_the_bits_beyond_its_prefix() {
        let parse = |text: &str| text.parse::<Subnet>().map(|subnet| subnet.to_string()).ok();
        assert_eq!(parse("203.0.113.7/24").as_deref(), Some("203.0.113.0/24"));
        assert_eq!(parse("203.0.113.7").as_deref(), Some("203.0.113.7/32"));
        assert_eq!(parse("2001:db8::1/0").as_deref(), Some("::/0"));
        assert_eq!(parse("203.0.113.7/33"), None);
        assert_eq!(parse("berlin"), None);
    }
}
