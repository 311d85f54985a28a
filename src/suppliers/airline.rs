//! The airlines, behind one reservation API. Names reach them because a contract of carriage needs
//! them (Art. 49(1)(b) GDPR); nothing else about a person does.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::http::Api;
use super::payments::well_formed;
use super::{Booked, Outcome};
use crate::domain::traveller::Passenger;

/// Longest hold that an airline may promise; more is taken as a mistake of theirs.
const HOLD_MAX: jiff::SignedDuration = jiff::SignedDuration::from_hours(24 * 30);

/// The airlines' API.
#[derive(Clone)]
pub struct Airline(Api);

impl Airline {
    /// The airlines at a base URL.
    pub fn new(base: &str) -> Self {
        Self(Api::new("airline", base))
    }

    /// Books, or holds, the flights of an order.
    pub async fn book(
        &self,
        key: &str,
        hold: bool,
        itinerary: &Value,
        passengers: &[Passenger],
        now: Timestamp,
    ) -> Outcome<Booked> {
        let people: Vec<Value> = passengers
            .iter()
            .map(|p| {
                json!({
                    "given_name": p.given_name.expose(),
                    "family_name": p.family_name.expose(),
                    "born_on": p.born_on,
                })
            })
            .collect();
        let body = json!({ "hold": hold, "itinerary": itinerary, "passengers": people });
        match self.0.post("book", "/airline/v1/bookings", key, &body).await {
            Outcome::Done(answer) => {
                booked(&answer, hold, now).map_or(Outcome::Unknown, Outcome::Done)
            }
            Outcome::Refused(reason) => Outcome::Refused(reason),
            Outcome::Unknown => Outcome::Unknown,
            Outcome::NotTried => Outcome::NotTried,
        }
    }

    /// Turns a held booking into a firm one.
    pub async fn confirm(&self, key: &str, record_locator: &str) -> Outcome<Value> {
        self.act("confirm", key, record_locator).await
    }

    /// Issues the tickets; their numbers.
    pub async fn issue_tickets(&self, key: &str, record_locator: &str) -> Outcome<Value> {
        match self.act("tickets", key, record_locator).await {
            Outcome::Done(answer) if answer["documents"].is_array() => {
                Outcome::Done(answer["documents"].clone())
            }
            Outcome::Done(_) | Outcome::Unknown => Outcome::Unknown,
            Outcome::Refused(reason) => Outcome::Refused(reason),
            Outcome::NotTried => Outcome::NotTried,
        }
    }

    /// Cancels a booking; cancelling one that is gone is done, too.
    pub async fn cancel(&self, key: &str, record_locator: &str) -> Outcome<Value> {
        self.act("cancel", key, record_locator).await
    }

    async fn act(&self, verb: &'static str, key: &str, record_locator: &str) -> Outcome<Value> {
        let path = format!("/airline/v1/bookings/{record_locator}/{verb}");
        self.0.post(verb, &path, key, &json!({})).await
    }
}

/// A hold that says not for how long is not understood: its seats would never be free again.
fn booked(answer: &Value, hold: bool, now: Timestamp) -> Option<Booked> {
    let record_locator = answer["record_locator"].as_str().filter(|id| well_formed(id))?.to_owned();
    let payment_required_by = match &answer["payment_required_by"] {
        Value::Null if hold => return None,
        Value::Null => None,
        until => Some(until.as_str()?.parse().ok().filter(|until| *until < now + HOLD_MAX)?),
    };
    Some(Booked { record_locator, payment_required_by })
}
