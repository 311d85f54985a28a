//! Offers and offer requests, both of which *are* their id.
//!
//! A node keeps no search session. The id of an offer request is the question; the id of an offer
//! is its terms under a message authentication code (HMAC-SHA-256, RFC 2104, cut to 128 bits). Any
//! node of any region reads either without asking anybody, and a node that dies takes no search
//! with it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::itinerary::Cabin;
use super::money::{Currency, Money};
use super::place::Iata;

/// Most passengers in one booking, as on every airline's site.
pub const PASSENGERS_MAX: u8 = 9;
/// Most directions of a journey: out and back.
pub const SLICES_MAX: usize = 2;
/// Bytes of the code that end an offer's id.
const TAG_BYTES: usize = 16;
/// The form of the bytes below; another form gets another number.
const FORM: u8 = 1;
/// Longest id that is looked at.
const ID_BYTES_MAX: usize = 1024;

/// What somebody searches for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// One direction, or out and back.
    pub slices: Vec<SearchSlice>,
    /// How many seats, 1 to 9.
    pub passengers: u8,
    /// Which class of seat.
    pub cabin: Cabin,
    /// Most changes in a direction: 0 or 1.
    pub max_connections: u8,
    /// In which money prices are shown.
    pub currency: Currency,
}

/// One direction that somebody searches for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSlice {
    /// An airport or a city.
    pub origin: Iata,
    /// An airport or a city.
    pub destination: Iata,
    /// Local day of departure.
    pub departure_date: Date,
}

impl Search {
    /// The question as an id.
    pub fn id(&self) -> String {
        let json = serde_json::to_vec(self).expect("a search is plain data");
        format!("orq_{}", URL_SAFE_NO_PAD.encode(json))
    }

    /// The question behind an id.
    pub fn from_id(id: &str) -> Option<Self> {
        let body = id.strip_prefix("orq_").filter(|body| body.len() <= ID_BYTES_MAX)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
    }
}

/// A flight of the schedule on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Index of the weekly pattern.
    pub pattern: u32,
    /// Local day of departure.
    pub on: Date,
}

/// What was offered: which seats, for how much, until when.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Fingerprint of the schedule that the patterns index into.
    pub schedule: u32,
    /// The flights of each direction.
    pub slices: Vec<Vec<Leg>>,
    /// The class of all seats.
    pub cabin: Cabin,
    /// How many seats on each flight.
    pub passengers: u8,
    /// For everybody, everything included.
    pub total: Money,
    /// Not to be sold after this second.
    pub expires_at: Timestamp,
}

/// The key under which offers are sealed; the same on every node.
#[derive(Clone)]
pub struct OfferKey([u8; 32]);

impl OfferKey {
    /// A key from its bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A code for something of ours that goes out and comes back. An offer's bytes never begin with
    /// a letter and say of nothing what they are about; whatever else there is begins with one. So
    /// neither passes for the other.
    pub fn tag(&self, about: &str, bytes: &[u8]) -> [u8; TAG_BYTES] {
        let tag = self.mac(about.as_bytes()).chain_update(bytes).finalize().into_bytes();
        *tag.first_chunk().expect("SHA-256 has 32 bytes")
    }

    /// Whether a code is the one of such bytes.
    pub fn verify(&self, about: &str, bytes: &[u8], tag: &[u8]) -> bool {
        let mac = self.mac(about.as_bytes()).chain_update(bytes);
        tag.len() == TAG_BYTES && mac.verify_truncated_left(tag).is_ok()
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key length");
        mac.update(body);
        mac
    }
}

impl Terms {
    /// The terms as an id that nobody without the key can make.
    pub fn seal(&self, key: &OfferKey) -> String {
        let mut bytes = self.encode();
        let tag = key.tag("", &bytes);
        bytes.extend_from_slice(&tag);
        format!("off_{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The terms behind an id, if it is one of ours.
    pub fn open(id: &str, key: &OfferKey) -> Option<Self> {
        let body = id.strip_prefix("off_").filter(|body| body.len() <= ID_BYTES_MAX)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).ok()?;
        let (body, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        if !key.verify("", body, tag) {
            return None;
        }
        Self::decode(body)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORM];
        out.extend_from_slice(&self.schedule.to_le_bytes());
        let expires = u32::try_from(self.expires_at.as_second()).expect("before the year 2106");
        out.extend_from_slice(&expires.to_le_bytes());
        out.extend_from_slice(&[self.passengers, self.cabin as u8]);
        out.extend_from_slice(&self.total.amount_minor.to_le_bytes());
        out.extend_from_slice(&self.total.currency.bytes());
        for slice in &self.slices {
            out.push(u8::try_from(slice.len()).expect("a slice has a few segments"));
            for leg in slice {
                out.extend_from_slice(&leg.pattern.to_le_bytes());
                out.extend_from_slice(&day_number(leg.on).to_le_bytes());
            }
        }
        out
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let input = &mut bytes;
        if take::<1>(input)? != [FORM] {
            return None;
        }
        let schedule = u32::from_le_bytes(take(input)?);
        let expires = u32::from_le_bytes(take(input)?);
        let [passengers, cabin] = take(input)?;
        let amount_minor = i64::from_le_bytes(take(input)?);
        let currency = std::str::from_utf8(&take::<3>(input)?).ok()?.parse().ok()?;
        let mut slices = Vec::new();
        while !input.is_empty() {
            let [segments] = take(input)?;
            let slice = (0..segments)
                .map(|_| {
                    let pattern = u32::from_le_bytes(take(input)?);
                    Some(Leg { pattern, on: day(u16::from_le_bytes(take(input)?))? })
                })
                .collect::<Option<Vec<_>>>()?;
            slices.push(slice);
        }
        Some(Self {
            schedule,
            slices,
            cabin: *Cabin::ALL.get(usize::from(cabin))?,
            passengers,
            total: Money { amount_minor, currency },
            expires_at: Timestamp::from_second(i64::from(expires)).ok()?,
        })
    }
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*head)
}

/// Days since 1970-01-01; enough until the year 2149.
fn day_number(on: Date) -> u16 {
    let days = (on - Date::constant(1970, 1, 1)).get_days();
    u16::try_from(days).expect("schedules are of this century")
}

fn day(number: u16) -> Option<Date> {
    Date::constant(1970, 1, 1).checked_add(jiff::Span::new().days(i64::from(number))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        let on = Date::constant(2027, 2, 28);
        Terms {
            schedule: 7,
            slices: vec![
                vec![Leg { pattern: 70_000, on }, Leg { pattern: 3, on }],
                vec![Leg { pattern: 9, on }],
            ],
            cabin: Cabin::Business,
            passengers: 2,
            total: Money { amount_minor: 123_456, currency: Currency::EUR },
            expires_at: Timestamp::from_second(1_800_000_000).expect("a time"),
        }
    }

    #[test]
    fn an_offer_is_its_id() {
        let key = OfferKey::new([7; 32]);
        let id = terms().seal(&key);
        assert_eq!(Terms::open(&id, &key), Some(terms()));
        assert!(id.len() < 120, "{} characters", id.len());
    }

    #[test]
    fn no_changed_bit_and_no_other_key_opens_it() {
        let key = OfferKey::new([7; 32]);
        let id = terms().seal(&key);
        assert_eq!(Terms::open(&id, &OfferKey::new([8; 32])), None);
        for at in 4..id.len() {
            let mut forged = id.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("ASCII");
            assert_eq!(Terms::open(&forged, &key), None, "position {at}");
        }
        for text in ["", "off_", "off_AAAA", "orq_AAAA", &format!("off_{}", "A".repeat(2000))] {
            assert_eq!(Terms::open(text, &key), None, "{text}");
        }
    }
}
