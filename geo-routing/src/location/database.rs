//! A database file in MaxMind's format that is brought along: GeoLite2, GeoIP2 or DB-IP, of cities
//! or countries, in MaxMind's own layout or the flat one. Coordinates are used where there are any.

use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maxminddb::{MaxMindDbError, Reader, WithinOptions};
use meridian_regions::{Continent, Coordinates};
use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::atlas::{Address, Atlas, NOWHERE, Ranges, Whereabouts};
use super::embedded::{self, Centres};
use super::subnet::Subnet;

/// Of the addresses that the embedded table knows, the percentage that a database must know too.
const COVERAGE_MIN_PERCENT: u32 = 50;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It cannot be read.
    #[error(
        "address database {0} cannot be read: {1}; give a City or Country file ending in .mmdb"
    )]
    Unreadable(String, MaxMindDbError),
    /// Its networks do not ascend, or it has none.
    #[error("address database {0} is damaged: {1}; fetch it again")]
    Damaged(String, &'static str),
    /// It knows too little.
    #[error(
        "address database {path} places {percent} % of the sampled addresses and must place \
         {COVERAGE_MIN_PERCENT} %; is it a City or Country database of the whole world?"
    )]
    Sparse {
        /// The file.
        path: String,
        /// What it knows of what the embedded table knows.
        percent: u32,
    },
}

/// How many of the records met last are remembered beside all: what the nearest cache holds.
const RECENT: usize = 1 << 14;

/// Special-purpose addresses (RFC 6890 and its registries) belong to no country, whatever a
/// database says. data/iptable.py has the same list.
const SPECIAL: [&str; 24] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/127",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/9",
];

/// What a record says of its network, in either layout; the names of things in many languages are
/// passed over.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    country: Option<CountryRecord<'a>>,
    continent: Option<ContinentRecord<'a>>,
    location: Option<LocationRecord>,
    country_code: Option<&'a str>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

#[derive(Deserialize)]
struct CountryRecord<'a> {
    iso_code: Option<&'a str>,
}

#[derive(Deserialize)]
struct ContinentRecord<'a> {
    code: Option<&'a str>,
}

#[derive(Deserialize)]
struct LocationRecord {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// Reads a whole database; a City database of 11.6 million networks takes about a second.
pub(super) fn read(path: &Path) -> Result<Atlas, DatabaseError> {
    let shown = path.display().to_string();
    let unreadable = |error| DatabaseError::Unreadable(shown.clone(), error);
    let reader = Reader::open_readfile(path).map_err(unreadable)?;
    let built = Timestamp::from_second(i64::try_from(reader.metadata().build_epoch).unwrap_or(0));
    let mut drawing = Drawing::new();
    for found in reader.networks(WithinOptions::default()).map_err(unreadable)? {
        let found = found.map_err(unreadable)?;
        let Some(offset) = found.offset() else { continue };
        let place = match drawing.seen(offset) {
            Some(place) => place,
            None => {
                let record = found.decode::<Record<'_>>().map_err(unreadable)?;
                drawing.place(offset, record.as_ref())
            }
        };
        let network = found.network().map_err(unreadable)?;
        let drawn = match network.ip() {
            IpAddr::V4(v4) => drawing.v4.push(u32::from(v4).into(), 32 - network.prefix(), place),
            IpAddr::V6(v6) => drawing.v6.push(v6.into(), 128 - network.prefix(), place),
        };
        if !drawn {
            return Err(DatabaseError::Damaged(shown, "its networks do not ascend"));
        }
    }
    drop(reader);
    drawing.finish(built.unwrap_or(Timestamp::UNIX_EPOCH), &shown)
}

/// An atlas in the making.
struct Drawing {
    /// The centre of each country, by its code as the file writes it; filled as codes are met.
    countries: FxHashMap<[u8; 2], Whereabouts>,
    centres: Centres,
    places: Vec<Whereabouts>,
    /// The place of each record, by where it stands in the file.
    seen: FxHashMap<usize, u32>,
    /// The records met last, each in the slot that its place in the file gives it.
    recent: Box<[(usize, u32)]>,
    /// The last record in the file of those that were met.
    last: usize,
    v4: Line<u32>,
    v6: Line<u128>,
}

impl Drawing {
    fn new() -> Self {
        Self {
            countries: FxHashMap::default(),
            centres: embedded::centres(),
            places: vec![Whereabouts::default()],
            seen: FxHashMap::default(),
            recent: vec![(usize::MAX, NOWHERE); RECENT].into(),
            last: 0,
            v4: Line::new(),
            v6: Line::new(),
        }
    }

    /// The place of a record that was met before. Writers write records in the order they are met,
    /// and of 100 networks of a City database 92 lie in one of the records met last, so that hardly
    /// any waits for memory.
    fn seen(&mut self, offset: usize) -> Option<u32> {
        if offset > self.last {
            self.last = offset;
            return None;
        }
        let recent = &mut self.recent[offset % RECENT];
        if recent.0 != offset {
            *recent = (offset, *self.seen.get(&offset)?);
        }
        Some(recent.1)
    }

    fn place(&mut self, offset: usize, record: Option<&Record<'_>>) -> u32 {
        let place = record.map_or_else(Whereabouts::default, |record| self.whereabouts(record));
        let number = if place == Whereabouts::default() {
            NOWHERE
        } else {
            self.places.push(place);
            u32::try_from(self.places.len() - 1).expect("a file has fewer than 2^32 records")
        };
        self.seen.insert(offset, number);
        number
    }

    /// The centre of a country.
    fn country(&mut self, code: &str) -> Whereabouts {
        let Ok(bytes) = <[u8; 2]>::try_from(code.as_bytes()) else {
            return Whereabouts::default();
        };
        let centres = &self.centres;
        *self.countries.entry(bytes).or_insert_with(|| match code.parse().ok() {
            None => Whereabouts::default(),
            country @ Some(known) => centres
                .get(&known)
                .copied()
                .unwrap_or(Whereabouts { country, ..Whereabouts::default() }),
        })
    }

    fn whereabouts(&mut self, record: &Record<'_>) -> Whereabouts {
        let nested = record.country.as_ref().and_then(|country| country.iso_code);
        let centre = nested.or(record.country_code).map(|code| self.country(code));
        let centre = centre.unwrap_or_default();
        let continent = || record.continent.as_ref()?.code?.parse::<Continent>().ok();
        let of = |location: &LocationRecord| location.latitude.zip(location.longitude);
        let degrees = record.location.as_ref().and_then(of);
        let degrees = degrees.or(record.latitude.zip(record.longitude));
        let on_earth =
            |(latitude, longitude): &(f64, f64)| latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        let coordinates = degrees
            .filter(on_earth)
            .map(|(latitude, longitude)| Coordinates { latitude, longitude });
        Whereabouts {
            country: centre.country,
            continent: centre.continent.or_else(continent),
            coordinates: coordinates.or(centre.coordinates),
        }
    }

    fn finish(self, built: Timestamp, path: &str) -> Result<Atlas, DatabaseError> {
        let (mut v4, mut v6) = (self.v4.finish(), self.v6.finish());
        for special in SPECIAL {
            let special: Subnet = special.parse().expect("the list holds networks");
            let bits = u32::from(special.prefix());
            match special.address() {
                IpAddr::V4(first) => {
                    let first = u32::from(first);
                    v4.carve(first, first | u32::MAX.unbounded_shr(bits), NOWHERE);
                }
                IpAddr::V6(first) => {
                    let first = u128::from(first);
                    v6.carve(first, first | u128::MAX.unbounded_shr(bits), NOWHERE);
                }
            }
        }
        let date = built.to_zoned(TimeZone::UTC).date();
        let [year, month, day] = [i32::from(date.year()), date.month().into(), date.day().into()];
        let build_date = u32::try_from(year * 10_000 + month * 100 + day).unwrap_or(0);
        let atlas = Atlas { build_date, places: self.places, v4, v6 };
        let percent = coverage(&atlas);
        if percent < COVERAGE_MIN_PERCENT {
            return Err(DatabaseError::Sparse { path: path.to_owned(), percent });
        }
        Ok(atlas)
    }
}

/// Ranges in the making: networks ascend, with gaps between them.
struct Line<A> {
    ranges: Ranges<A>,
    /// Everything below this is drawn.
    next: u128,
}

impl<A: Address + TryFrom<u128> + Into<u128>> Line<A> {
    fn new() -> Self {
        Self { ranges: Ranges { starts: Vec::new(), places: Vec::new() }, next: 0 }
    }

    /// False when the network does not follow those before.
    fn push(&mut self, first: u128, varying: u8, place: u32) -> bool {
        if first < self.next {
            return false;
        }
        if first > self.next {
            self.row(self.next, NOWHERE);
        }
        self.row(first, place);
        // Behind the very last address there is nothing to draw.
        let size = 1_u128.checked_shl(varying.into());
        self.next = size.and_then(|size| first.checked_add(size)).unwrap_or(u128::MAX);
        true
    }

    fn row(&mut self, start: u128, place: u32) {
        let Ok(start) = A::try_from(start) else { return };
        if self.ranges.places.last() != Some(&place) {
            self.ranges.starts.push(start);
            self.ranges.places.push(place);
        }
    }

    fn finish(mut self) -> Ranges<A> {
        if self.next <= A::MAX.into() && self.next < u128::MAX {
            self.row(self.next, NOWHERE);
        }
        self.ranges
    }
}

/// How much of what the embedded table knows a database knows, in percent: one address of each
/// 65,536 IPv4 addresses is asked.
fn coverage(atlas: &Atlas) -> u32 {
    let embedded = super::Geography::embedded();
    let samples = (0..=u16::MAX).map(|high| u32::from(high) << 16 | 0x8001);
    let known: Vec<u32> =
        samples.filter(|sample| embedded.atlas.v4.at(*sample) != NOWHERE).collect();
    let placed = known.iter().filter(|sample| atlas.v4.at(**sample) != NOWHERE).count();
    u32::try_from(placed * 100 / known.len().max(1)).unwrap_or(0)
}
