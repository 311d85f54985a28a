//! The airlines over HTTP, behind one reservation API, as `docs/suppliers/airline.openapi.json`
//! describes it. Names reach them because a contract of carriage needs them (Art. 49(1)(b) GDPR);
//! nothing else about a person does.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::http::{Api, Operation, id, money};
use super::schedule_change;
use super::{Airline, AirlineChange, Booked, Booking, BookingRequest, Outcome, Reason};
use crate::domain::money::Money;

/// Longest hold that an airline may promise; more is taken as a mistake of theirs.
const HOLD_MAX: jiff::SignedDuration = jiff::SignedDuration::from_hours(24 * 30);
/// Digits of a ticket's number: the airline's three, and ten more (IATA resolution 722).
const TICKET_DIGITS: usize = 13;
/// Most tickets of one booking.
const TICKETS_MAX: usize = 9;

static PRICE: Operation = Operation { name: "price", refusals: &["sold_out", "price_changed"] };
static BOOK: Operation = Operation {
    name: "book",
    refusals: &["sold_out", "price_changed", "documents_invalid", "key_closed"],
};
static CLOSE: Operation = Operation { name: "close_booking", refusals: &[] };
static CONFIRM: Operation = Operation { name: "confirm", refusals: &["sold_out", "price_changed"] };
static TICKETS: Operation = Operation { name: "tickets", refusals: &["ticketing_failed"] };
static CANCELLATION_TERMS: Operation = Operation { name: "cancellation_terms", refusals: &[] };
static CANCEL: Operation = Operation { name: "cancel", refusals: &[] };
static CHANGE_TERMS: Operation =
    Operation { name: "change_terms", refusals: &["not_changeable", "price_changed"] };
static CHANGE: Operation =
    Operation { name: "change", refusals: &["not_changeable", "price_changed"] };
static AIRLINE_CHANGE: Operation = Operation { name: "airline_change", refusals: &[] };
static ACCEPT_CHANGE: Operation = Operation { name: "accept_change", refusals: &[] };

static OPERATIONS: [&Operation; 11] = [
    &PRICE,
    &BOOK,
    &CLOSE,
    &CONFIRM,
    &TICKETS,
    &CANCELLATION_TERMS,
    &CANCEL,
    &CHANGE_TERMS,
    &CHANGE,
    &AIRLINE_CHANGE,
    &ACCEPT_CHANGE,
];

/// The airlines' API.
pub struct HttpAirline {
    api: Api,
    callback_url: Option<String>,
}

impl HttpAirline {
    /// The airlines at a base URL, and where they may tell us that something happened.
    pub fn new(base: &str, callback_url: Option<String>) -> Self {
        Self { api: Api::new("airline", base, &OPERATIONS), callback_url }
    }

    async fn act(
        &self,
        operation: &'static Operation,
        key: &str,
        locator: &str,
        body: &Value,
    ) -> Outcome<Value> {
        let path = path(locator, operation);
        let answer = self.api.act(operation, &path, key, body).await;
        answer.read(|answer| (answer["record_locator"] == locator).then_some(answer))
    }

    async fn terms(
        &self,
        operation: &'static Operation,
        locator: &str,
        body: &Value,
    ) -> Outcome<Value> {
        self.api.ask(operation, &path(locator, operation), Some(body)).await
    }
}

#[async_trait]
impl Airline for HttpAirline {
    async fn price(&self, itinerary: &Value, total: Money) -> Outcome<()> {
        let body = json!({ "itinerary": itinerary, "total": total });
        let answer = self.api.ask(&PRICE, "/airline/v1/prices", Some(&body)).await;
        sane(answer, total).read(|answer| (money(&answer["total"]) == Some(total)).then_some(()))
    }

    async fn book(&self, key: &str, request: &BookingRequest<'_>) -> Outcome<Booking> {
        let people: Vec<Value> = request
            .passengers
            .iter()
            .map(|p| {
                json!({
                    "given_name": p.given_name.expose(),
                    "family_name": p.family_name.expose(),
                    "born_on": p.born_on,
                })
            })
            .collect();
        let mut body = json!({
            "hold": request.hold, "itinerary": request.itinerary, "total": request.total,
            "passengers": people,
        });
        if let Some(url) = &self.callback_url {
            body["callback_url"] = json!(url);
        }
        let answer = self.api.act(&BOOK, "/airline/v1/bookings", key, &body).await;
        sane(answer, request.total).read(|answer| match answer["status"].as_str()? {
            "under_way" => Some(Booking::UnderWay),
            _ => booked(&answer, request.hold, request.now).map(Booking::Made),
        })
    }

    async fn close(&self, key: &str, hold: bool, now: Timestamp) -> Outcome<Option<Booked>> {
        let body = json!({ "key": key });
        let (path, own) = ("/airline/v1/bookings/close", format!("{key}:close"));
        let answer = self.api.act(&CLOSE, path, &own, &body).await;
        answer.read(|answer| match answer["stands"].as_bool()? {
            true => booked(&answer["booking"], hold, now).map(Some),
            false => Some(None),
        })
    }

    async fn confirm(&self, key: &str, record_locator: &str) -> Outcome<()> {
        self.act(&CONFIRM, key, record_locator, &json!({})).await.read(|_| Some(()))
    }

    async fn issue_tickets(&self, key: &str, record_locator: &str) -> Outcome<Value> {
        let answer = self.act(&TICKETS, key, record_locator, &json!({})).await;
        answer.read(|answer| {
            let documents = answer["documents"].as_array()?;
            let number = |document: &Value| {
                document.as_str().is_some_and(|text| {
                    text.len() == TICKET_DIGITS && text.bytes().all(|b| b.is_ascii_digit())
                })
            };
            let sane = (1..=TICKETS_MAX).contains(&documents.len());
            (sane && documents.iter().all(number)).then(|| answer["documents"].clone())
        })
    }

    async fn cancellation_terms(&self, record_locator: &str, total: Money) -> Outcome<Money> {
        let body = json!({ "total": total });
        let answer = self.terms(&CANCELLATION_TERMS, record_locator, &body).await;
        answer.read(|answer| part(&answer["refund"], total))
    }

    async fn cancel(&self, key: &str, record_locator: &str) -> Outcome<()> {
        self.act(&CANCEL, key, record_locator, &json!({})).await.read(|_| Some(()))
    }

    async fn change_terms(
        &self,
        record_locator: &str,
        itinerary: &Value,
        total: Money,
    ) -> Outcome<Money> {
        let body = json!({ "itinerary": itinerary, "total": total });
        let answer = self.terms(&CHANGE_TERMS, record_locator, &body).await;
        sane(answer, total).read(|answer| part(&answer["fee"], total))
    }

    async fn change(
        &self,
        key: &str,
        record_locator: &str,
        itinerary: &Value,
        total: Money,
    ) -> Outcome<()> {
        let body = json!({ "itinerary": itinerary, "total": total });
        let answer = self.act(&CHANGE, key, record_locator, &body).await;
        sane(answer, total).read(|_| Some(()))
    }

    async fn airline_change(
        &self,
        record_locator: &str,
        booked: &Value,
    ) -> Outcome<Option<AirlineChange>> {
        let path = format!("/airline/v1/bookings/{record_locator}/change");
        self.api.ask(&AIRLINE_CHANGE, &path, None).await.read(|answer| match &answer["change"] {
            Value::Null => answer.get("change").map(|_| None),
            change => {
                let itinerary = schedule_change::moved(booked, &change["itinerary"])?;
                Some(Some(AirlineChange { id: id(&change["id"])?, itinerary }))
            }
        })
    }

    async fn accept_change(&self, key: &str, record_locator: &str, change: &str) -> Outcome<()> {
        let body = json!({ "id": change });
        self.act(&ACCEPT_CHANGE, key, record_locator, &body).await.read(|_| Some(()))
    }
}

/// Where an operation on a booking is asked for: its name with the dashes of paths.
fn path(locator: &str, operation: &Operation) -> String {
    format!("/airline/v1/bookings/{locator}/{}", operation.name.replace('_', "-"))
}

/// A hold that says not for how long is not understood: its seats would never be free again.
fn booked(answer: &Value, hold: bool, now: Timestamp) -> Option<Booked> {
    let record_locator = id(&answer["record_locator"])?;
    let payment_required_by = match &answer["payment_required_by"] {
        Value::Null if hold => return None,
        Value::Null => None,
        until => Some(until.as_str()?.parse().ok().filter(|until| *until < now + HOLD_MAX)?),
    };
    Some(Booked { record_locator, payment_required_by })
}

/// An amount of theirs that is some of a total.
fn part(value: &Value, total: Money) -> Option<Money> {
    let part = money(value)?;
    (part.currency == total.currency && part.amount_minor <= total.amount_minor).then_some(part)
}

/// A new price that is none is not passed on; the no remains.
fn sane<T>(outcome: Outcome<T>, asked: Money) -> Outcome<T> {
    match outcome {
        Outcome::Refused(Reason::PriceChanged(price)) => {
            let other = |new: &Money| new.currency == asked.currency && new.amount_minor > 0;
            Outcome::Refused(Reason::PriceChanged(price.filter(other)))
        }
        outcome => outcome,
    }
}
