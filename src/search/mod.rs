//! Search: from a question to offers, in memory, without asking the database anything.

pub mod connections;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalogue::schedule::Pattern;
use crate::catalogue::{AirportIndex, Catalogue, Schedule};
use crate::clock::Clock;
use crate::domain::itinerary::{Cabin, Segment, Slice};
use crate::domain::money::Money;
use crate::domain::offer::{Leg, OfferKey, PASSENGERS_MAX, SLICES_MAX, Search, Terms};
use crate::pricing;
use connections::Journey;

/// How long an offer's price stands.
pub const OFFER_LIFE: Duration = Duration::from_secs(30 * 60);
/// Most offers of one answer.
const OFFERS_MAX: usize = 60;
/// Most journeys of one direction that are combined with the other direction's.
const COMBINED_MAX: usize = 24;
/// How far ahead seats are sold, in days.
pub const HORIZON_DAYS: i32 = 330;
/// Shortest time between landing and leaving again on a return.
const TURN_AROUND_SECONDS: i64 = 2 * 60 * 60;
/// A connection's fare against the sum of its flights' fares.
const THROUGH_FARE_PERCENT: i64 = 80;

/// What search works with; clones share it.
#[derive(Clone)]
pub struct Finder {
    /// Places and rates.
    pub catalogue: Arc<Catalogue>,
    /// What is flown.
    pub schedule: Arc<Schedule>,
    /// Seals offers.
    pub key: OfferKey,
    /// Tells today.
    pub clock: Clock,
}

/// Something that may be bought.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Offer {
    /// The offer's terms, sealed.
    #[schema(example = "off_AQ…")]
    pub id: String,
    /// Each direction with its flights.
    pub slices: Vec<Slice>,
    /// Class of all seats.
    pub cabin: Cabin,
    /// How many seats on each flight.
    pub passengers: u8,
    /// For everybody, everything included.
    #[schema(value_type = Object, example = json!({"amount_minor": 12345, "currency": "EUR"}))]
    pub total: Money,
    /// The price stands until then.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
    /// Seats that are left on the fullest flight; only when asked for one offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seats_left: Option<i64>,
}

impl Offer {
    /// When the first flight leaves.
    pub fn departs(&self) -> Timestamp {
        self.slices[0].segments[0].departs
    }
}

/// The answer to a search.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Found {
    /// Offers, best first.
    pub offers: Vec<Offer>,
    /// Offer ids in three orders.
    pub sorting: Sorting,
}

/// Offer ids in three orders.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Sorting {
    /// By price, duration and changes together.
    pub best: Vec<String>,
    /// By price.
    pub cheapest: Vec<String>,
    /// By duration.
    pub fastest: Vec<String>,
}

/// A field of a question that makes no sense, by its JSON pointer, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonsense {
    /// JSON pointer (RFC 6901).
    pub pointer: String,
    /// What would make sense.
    pub detail: String,
}

/// Why an offer cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// It is none of ours.
    #[error("this is no offer of ours")]
    Unknown,
    /// Its price stands no longer, or the schedule has changed.
    #[error("the offer has expired")]
    Expired,
}

impl Finder {
    /// Answers a question, or says what is wrong with it.
    pub fn find(&self, search: &Search) -> Result<Found, Vec<Nonsense>> {
        let directions = self.directions(search)?;
        let now = self.clock.now();
        let expires_at = now + OFFER_LIFE;
        let mut priced: Vec<(Vec<&Journey>, i64)> = match directions.as_slice() {
            [out] => out.iter().map(|j| (vec![j], self.cents(j, search.cabin, now))).collect(),
            [out, back] => self.pairs(out, back, search.cabin, now),
            _ => Vec::new(),
        };
        priced.sort_by(|a, b| {
            rank(&a.0, a.1).total_cmp(&rank(&b.0, b.1)).then_with(|| a.1.cmp(&b.1))
        });
        priced.truncate(OFFERS_MAX);
        let offers: Vec<Offer> = priced
            .iter()
            .filter_map(|(journeys, cents)| {
                let seat = pricing::convert(&self.catalogue, *cents, search.currency)?;
                let terms = Terms {
                    schedule: self.schedule.fingerprint,
                    slices: journeys.iter().map(|journey| journey.legs.clone()).collect(),
                    cabin: search.cabin,
                    passengers: search.passengers,
                    total: seat.times(search.passengers),
                    expires_at: Timestamp::from_second(expires_at.as_second()).ok()?,
                };
                self.offer(&terms).ok()
            })
            .collect();
        Ok(Found { sorting: sorting(&offers), offers })
    }

    /// The terms behind an id, if they still stand.
    pub fn open(&self, id: &str) -> Result<Terms, OfferError> {
        let terms = Terms::open(id, &self.key).ok_or(OfferError::Unknown)?;
        let stands = terms.schedule == self.schedule.fingerprint
            && self.clock.now() < terms.expires_at
            && terms.slices.iter().flatten().all(|leg| self.pattern_exists(*leg));
        if stands { Ok(terms) } else { Err(OfferError::Expired) }
    }

    /// An offer as a traveller reads it.
    pub fn offer(&self, terms: &Terms) -> Result<Offer, OfferError> {
        let slices = terms
            .slices
            .iter()
            .map(|legs| self.slice(legs))
            .collect::<Option<Vec<Slice>>>()
            .ok_or(OfferError::Expired)?;
        Ok(Offer {
            id: terms.seal(&self.key),
            slices,
            cabin: terms.cabin,
            passengers: terms.passengers,
            total: terms.total,
            expires_at: terms.expires_at,
            seats_left: None,
        })
    }

    /// The terms behind an id and the offer that they are, if it can still be booked.
    pub fn bookable(&self, id: &str) -> Result<(Terms, Offer), OfferError> {
        let terms = self.open(id)?;
        let offer = self.offer(&terms)?;
        if offer.departs() <= self.clock.now() {
            return Err(OfferError::Expired);
        }
        Ok((terms, offer))
    }

    /// The same flights at another price, as an offer; `None` when they are no longer flown so.
    pub fn reoffer(&self, itinerary: &str, total: Money, until: Timestamp) -> Option<String> {
        #[derive(Deserialize)]
        struct Booked {
            slices: Vec<Slice>,
            cabin: Cabin,
            passengers: u8,
        }
        let booked: Booked = serde_json::from_str(itinerary).ok()?;
        let leg = |segment: &Segment| {
            let flies = |pattern: &Pattern| pattern.flight().to_string() == segment.flight;
            let pattern = self.schedule.patterns.iter().position(flies)?;
            Some(Leg { pattern: u32::try_from(pattern).ok()?, on: segment.departs_on() })
        };
        let legs = |slice: &Slice| slice.segments.iter().map(leg).collect::<Option<Vec<Leg>>>();
        let terms = Terms {
            schedule: self.schedule.fingerprint,
            slices: booked.slices.iter().map(legs).collect::<Option<_>>()?,
            cabin: booked.cabin,
            passengers: booked.passengers,
            total,
            expires_at: Timestamp::from_second(until.as_second()).ok()?,
        };
        self.offer(&terms).ok().map(|offer| offer.id)
    }

    fn pattern_exists(&self, leg: Leg) -> bool {
        (leg.pattern as usize) < self.schedule.patterns.len()
    }

    /// The journeys of each direction, or every field that makes no sense.
    fn directions(&self, search: &Search) -> Result<Vec<Vec<Journey>>, Vec<Nonsense>> {
        let mut nonsense = Vec::new();
        let mut say = |pointer: String, detail: &str| {
            nonsense.push(Nonsense { pointer, detail: detail.to_owned() });
        };
        if search.slices.is_empty() || search.slices.len() > SLICES_MAX {
            say("/slices".into(), "one slice for one way, two for there and back");
        }
        if !(1..=PASSENGERS_MAX).contains(&search.passengers) {
            say("/passengers".into(), "1 to 9 passengers");
        }
        if search.max_connections > 1 {
            say("/max_connections".into(), "0 for direct flights only, 1 to allow one change");
        }
        if self.catalogue.per_euro(search.currency).is_none() {
            say("/currency".into(), "no rate is known for this currency; try EUR or USD");
        }
        let today = self.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let mut ends = Vec::new();
        for (index, slice) in search.slices.iter().enumerate() {
            let days = (slice.departure_date - today).get_days();
            if days < 0 {
                say(format!("/slices/{index}/departure_date"), "this day has passed");
            } else if days > HORIZON_DAYS {
                say(format!("/slices/{index}/departure_date"), "sold at most 330 days ahead");
            }
            let (from, to) =
                (self.catalogue.expand(slice.origin), self.catalogue.expand(slice.destination));
            if from.is_empty() {
                say(format!("/slices/{index}/origin"), "no airport or city has this code");
            }
            if to.is_empty() {
                say(format!("/slices/{index}/destination"), "no airport or city has this code");
            } else if from.iter().any(|airport| to.contains(airport)) {
                say(format!("/slices/{index}/destination"), "the same place as the origin");
            }
            ends.push((from, to));
        }
        if let [out, back] = search.slices.as_slice()
            && back.departure_date < out.departure_date
        {
            say("/slices/1/departure_date".into(), "the way back is before the way there");
        }
        if !nonsense.is_empty() {
            return Err(nonsense);
        }
        Ok(search
            .slices
            .iter()
            .zip(ends)
            .map(|(slice, (from, to))| self.journeys(&from, &to, slice.departure_date, search))
            .collect())
    }

    fn journeys(
        &self,
        from: &[AirportIndex],
        to: &[AirportIndex],
        on: jiff::civil::Date,
        search: &Search,
    ) -> Vec<Journey> {
        let mut journeys = Vec::new();
        let after = self.clock.now();
        for &origin in from {
            for &destination in to {
                journeys.extend(connections::between(
                    &self.catalogue,
                    &self.schedule,
                    (origin, destination),
                    on,
                    search,
                ));
            }
        }
        journeys.retain(|journey| journey.departs > after);
        journeys
    }

    fn pairs<'a>(
        &self,
        out: &'a [Journey],
        back: &'a [Journey],
        cabin: Cabin,
        now: Timestamp,
    ) -> Vec<(Vec<&'a Journey>, i64)> {
        let best = |journeys: &'a [Journey]| {
            let mut priced: Vec<(&Journey, i64)> =
                journeys.iter().map(|j| (j, self.cents(j, cabin, now))).collect();
            priced.sort_by(|a, b| {
                let score = |(journey, cents): &(&Journey, i64)| {
                    rank(std::slice::from_ref(journey), *cents)
                };
                score(a).total_cmp(&score(b))
            });
            priced.truncate(COMBINED_MAX);
            priced
        };
        let backs = best(back);
        best(out)
            .iter()
            .flat_map(|(there, there_cents)| {
                backs
                    .iter()
                    .filter(|(again, _)| {
                        again.departs.as_second() - there.arrives.as_second() >= TURN_AROUND_SECONDS
                    })
                    .map(move |(again, cents)| (vec![*there, *again], there_cents + cents))
            })
            .collect()
    }

    /// The fare of a journey for one seat, in euro cents.
    fn cents(&self, journey: &Journey, cabin: Cabin, now: Timestamp) -> i64 {
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let seed = self.schedule.seed;
        let sum: i64 = journey
            .legs
            .iter()
            .map(|leg| {
                let pattern = &self.schedule.patterns[leg.pattern as usize];
                pricing::seat_cents(pattern, cabin, leg.on, today, seed)
            })
            .sum();
        if journey.legs.len() > 1 { sum * THROUGH_FARE_PERCENT / 100 } else { sum }
    }

    fn slice(&self, legs: &[Leg]) -> Option<Slice> {
        let segments = legs
            .iter()
            .map(|leg| connections::segment(&self.catalogue, &self.schedule, *leg))
            .collect::<Option<Vec<_>>>()?;
        let (first, last) = (segments.first()?, segments.last()?);
        Some(Slice {
            origin: first.origin,
            destination: last.destination,
            duration_minutes: (last.arrives.as_second() - first.departs.as_second()) / 60,
            segments,
        })
    }
}

/// Lower is better: what an hour and a change are worth to most, in euro cents.
#[expect(clippy::cast_precision_loss, reason = "fares and minutes are small")]
fn rank(journeys: &[&Journey], cents: i64) -> f64 {
    const CENTS_PER_HOUR: f64 = 1_500.0;
    const CENTS_PER_CHANGE: f64 = 3_000.0;
    let seconds: i64 = journeys.iter().map(|j| j.arrives.as_second() - j.departs.as_second()).sum();
    let changes: usize = journeys.iter().map(|journey| journey.legs.len() - 1).sum();
    cents as f64 + CENTS_PER_HOUR * seconds as f64 / 3600.0 + CENTS_PER_CHANGE * changes as f64
}

fn sorting(offers: &[Offer]) -> Sorting {
    let minutes = |offer: &Offer| offer.slices.iter().map(|s| s.duration_minutes).sum::<i64>();
    let by = |key: &dyn Fn(&Offer) -> i64| {
        let mut order: Vec<&Offer> = offers.iter().collect();
        order.sort_by_key(|offer| key(offer));
        order.into_iter().map(|offer| offer.id.clone()).collect()
    };
    Sorting {
        best: offers.iter().map(|offer| offer.id.clone()).collect(),
        cheapest: by(&|offer| offer.total.amount_minor),
        fastest: by(&minutes),
    }
}
