//! Flights and the journeys made of them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::place::Iata;

/// A class of seat.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Cabin {
    /// Economy.
    #[default]
    Economy,
    /// Premium economy.
    PremiumEconomy,
    /// Business.
    Business,
    /// First.
    First,
}

impl Cabin {
    /// All four, in the order of a schedule's seat counts.
    pub const ALL: [Self; 4] = [Self::Economy, Self::PremiumEconomy, Self::Business, Self::First];

    /// The name in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Economy => "economy",
            Self::PremiumEconomy => "premium_economy",
            Self::Business => "business",
            Self::First => "first",
        }
    }
}

impl FromStr for Cabin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|cabin| cabin.name() == text)
            .ok_or_else(|| "not a cabin: economy, premium_economy, business, first".to_owned())
    }
}

/// A flight designator: a carrier's two characters and a number, such as `N2 417`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flight {
    /// The carrier's code.
    pub carrier: [u8; 2],
    /// 1 to 9999.
    pub number: u16,
}

impl Flight {
    /// The carrier's two characters.
    pub fn carrier(&self) -> &str {
        std::str::from_utf8(&self.carrier).expect("a carrier is two ASCII characters")
    }
}

impl FromStr for Flight {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let flight = || {
            let (carrier, number) = text.as_bytes().split_first_chunk::<2>()?;
            let sign = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
            let digits = number.iter().all(u8::is_ascii_digit) && number.first() != Some(&b'0');
            let number: u16 = std::str::from_utf8(number).ok()?.parse().ok()?;
            let sane = carrier.iter().all(sign) && digits && number < 10_000;
            sane.then_some(Self { carrier: *carrier, number })
        };
        flight().ok_or_else(|| "a flight designator, such as N2417".to_owned())
    }
}

impl fmt::Display for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.carrier(), self.number)
    }
}

/// One flight on one day, as a traveller reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Segment {
    /// Carrier and number.
    #[schema(value_type = String, example = "N2417")]
    pub flight: String,
    /// The carrier's name.
    pub carrier: String,
    /// Departure airport.
    #[schema(value_type = String, example = "BER")]
    pub origin: Iata,
    /// Arrival airport.
    #[schema(value_type = String, example = "JFK")]
    pub destination: Iata,
    /// Wall clock at the origin.
    #[schema(value_type = String, example = "2026-12-01T09:30:00")]
    pub departing_at: DateTime,
    /// IANA zone of the origin.
    pub origin_time_zone: String,
    /// Wall clock at the destination.
    #[schema(value_type = String, example = "2026-12-01T12:50:00")]
    pub arriving_at: DateTime,
    /// IANA zone of the destination.
    pub destination_time_zone: String,
    /// Departure as an instant.
    #[schema(value_type = String, example = "2026-12-01T08:30:00Z")]
    pub departs: Timestamp,
    /// Arrival as an instant.
    #[schema(value_type = String, example = "2026-12-01T17:50:00Z")]
    pub arrives: Timestamp,
    /// Great-circle miles.
    pub miles: u32,
}

impl Segment {
    /// The day whose seats it takes: the local day of departure.
    pub fn departs_on(&self) -> Date {
        self.departing_at.date()
    }
}

/// One direction of a journey: a flight, or two with a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Slice {
    /// Where it begins.
    #[schema(value_type = String)]
    pub origin: Iata,
    /// Where it ends.
    #[schema(value_type = String)]
    pub destination: Iata,
    /// From the first departure to the last arrival, in minutes.
    pub duration_minutes: i64,
    /// The flights in order.
    pub segments: Vec<Segment>,
}
