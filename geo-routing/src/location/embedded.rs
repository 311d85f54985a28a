//! The country table this build carries: `MIPC1`, made by data/build.py.

use std::collections::HashMap;
use std::io::Read;

use flate2::read::GzDecoder;
use meridian_regions::{Coordinates, Country};

use super::atlas::{Atlas, NOWHERE, Ranges, Whereabouts};

const TABLE: &[u8] = include_bytes!("../../data/ip-country.bin.gz");
const PLACES: &str = include_str!("../../data/countries.csv");
const MAGIC: &[u8] = b"MIPC1\n";

/// Countries a table may list; more cannot be named by its one byte.
const COUNTRIES_MAX: usize = 255;

/// Why a country table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file is not the gzip stream it should be.
    #[error("the country table cannot be unpacked: {0}")]
    Packed(#[from] std::io::Error),
    /// The unpacked bytes are not of the format.
    #[error("the country table is damaged: {0}; build it again with data/build.py")]
    Damaged(&'static str),
}

/// The embedded table.
pub(crate) fn atlas() -> Atlas {
    let size = TABLE.last_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size));
    let mut bytes = Vec::with_capacity(size as usize);
    GzDecoder::new(TABLE).read_to_end(&mut bytes).expect("the build embeds a whole table");
    parse(&bytes).expect("the build embeds a sound table")
}

/// Reads an unpacked table. Codes that are not ISO 3166-1 become unknown.
pub(crate) fn parse(bytes: &[u8]) -> Result<Atlas, TableError> {
    let mut reader = Reader(bytes);
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(TableError::Damaged("it does not begin with MIPC1"));
    }
    let count = reader.u32()? as usize;
    if count == 0 || count >= COUNTRIES_MAX {
        return Err(TableError::Damaged("it lists no country or too many"));
    }
    let centres = centres();
    let mut places = vec![Whereabouts::default()];
    let mut numbers = Vec::with_capacity(count);
    for code in reader.take(count * 2)?.chunks_exact(2) {
        let country = std::str::from_utf8(code).ok().and_then(|code| code.parse::<Country>().ok());
        numbers.push(match country {
            None => NOWHERE,
            Some(country) => {
                places.push(whereabouts(&centres, country));
                u32::try_from(places.len() - 1).expect("there are fewer than 255")
            }
        });
    }
    let build_date = reader.u32()?;
    let v4 = reader.ranges(|bytes: [u8; 4]| u32::from_le_bytes(bytes), &numbers)?;
    let v6 = reader.ranges(|bytes: [u8; 16]| u128::from_le_bytes(bytes), &numbers)?;
    Ok(Atlas { build_date, places, v4, v6 })
}

/// Centres of countries.
pub(crate) type Centres = HashMap<Country, Whereabouts>;

fn whereabouts(centres: &Centres, country: Country) -> Whereabouts {
    let unknown = Whereabouts { country: Some(country), ..Whereabouts::default() };
    centres.get(&country).copied().unwrap_or(unknown)
}

/// Where each country is: `iso2,continent,lat,lon` a line.
pub(crate) fn centres() -> Centres {
    PLACES
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split(',');
            let country: Country = fields.next()?.parse().ok()?;
            let continent = fields.next()?.parse().ok();
            let degrees = [fields.next(), fields.next()].map(|field| field?.parse::<f64>().ok());
            let coordinates = match degrees {
                [Some(latitude), Some(longitude)] => Some(Coordinates { latitude, longitude }),
                _ => None,
            };
            Some((country, Whereabouts { country: Some(country), continent, coordinates }))
        })
        .collect()
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

    /// Starts, then the number of each one's country; a row that says what the one before said is
    /// dropped.
    fn ranges<const N: usize, A: super::atlas::Address>(
        &mut self,
        address: impl Fn([u8; N]) -> A,
        numbers: &[u32],
    ) -> Result<Ranges<A>, TableError> {
        let count = self.u32()? as usize;
        let starts = self.take(count.saturating_mul(N))?;
        let owners = self.take(count)?;
        let (room, owned) = (Vec::with_capacity(owners.len()), Vec::with_capacity(owners.len()));
        let mut ranges = Ranges { starts: room, places: owned };
        let mut before = None;
        for (start, owner) in starts.chunks_exact(N).zip(owners) {
            let start = address(start.try_into().expect("chunks have N bytes"));
            if before.map_or(start != A::ZERO, |before| start <= before) {
                return Err(TableError::Damaged("its ranges do not begin at 0 and ascend"));
            }
            before = Some(start);
            let Some(place) = numbers.get(usize::from(*owner)) else {
                return Err(TableError::Damaged("a range names a country that is not listed"));
            };
            if ranges.places.last() != Some(place) {
                ranges.starts.push(start);
                ranges.places.push(*place);
            }
        }
        if ranges.starts.is_empty() {
            return Err(TableError::Damaged("it has no ranges"));
        }
        Ok(ranges)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// ZZ until 1.0.0.0, DE in 1.0.0.0/8, FR in 2.0.0.0/7, XX (no country) after; ::/0 is ZZ but
    /// for 2a00::/12 in DE.
    pub(in super::super) fn tiny() -> Vec<u8> {
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

    #[test]
    fn a_damaged_table_is_refused() {
        assert!(parse(&tiny()).is_ok());
        for length in [0, 5, 9, 20, 40, tiny().len() - 1] {
            assert!(parse(&tiny()[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn every_country_of_the_regions_has_a_centre_or_at_least_a_continent() {
        let centres = centres();
        for country in Country::all() {
            assert!(centres[&country].continent.is_some(), "{country}");
        }
    }
}
