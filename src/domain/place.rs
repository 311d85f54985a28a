//! Airports and the codes of places.

use std::fmt;
use std::str::FromStr;

use meridian_regions::{Coordinates, Country};
use serde::{Deserialize, Serialize};

/// An IATA three-letter code of an airport or of a city with several airports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Iata([u8; 3]);

impl Iata {
    /// The three capitals.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an IATA code is made of ASCII letters only")
    }
}

impl FromStr for Iata {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        <[u8; 3]>::try_from(text.as_bytes())
            .ok()
            .filter(|code| code.iter().all(u8::is_ascii_uppercase))
            .map(Self)
            .ok_or_else(|| "not an IATA code of three capitals, such as BER or LON".to_owned())
    }
}

impl TryFrom<String> for Iata {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Iata> for String {
    fn from(code: Iata) -> Self {
        code.code().to_owned()
    }
}

impl fmt::Display for Iata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Iata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An airport with scheduled routes.
#[derive(Clone, Debug)]
pub struct Airport {
    /// Its own code.
    pub iata: Iata,
    /// What it calls itself.
    pub name: String,
    /// The town it serves.
    pub city: String,
    /// The code of that town's group of airports, or its own.
    pub city_code: Iata,
    /// Where it is.
    pub country: Country,
    /// Where exactly.
    pub coordinates: Coordinates,
    /// Its IANA time zone.
    pub time_zone: jiff::tz::TimeZone,
    /// How many routes leave it.
    pub degree: u32,
    /// How many people live in the town it serves; 0 when nobody counted.
    pub population: u32,
}
