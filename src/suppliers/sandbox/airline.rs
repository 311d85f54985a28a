//! The sandbox's airlines, behind one reservation API.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::books::{Books, Company, Reply};
use super::{Body, Call, Sandbox, Silence, delay, illegal, malformed, not_found, ok, refused};
use crate::domain::money::Money;
use crate::domain::offer::PASSENGERS_MAX;

/// Of the price, what a fare with a fee keeps.
const FEE_PERCENT: i64 = 25;
/// How much dearer a changed price is.
const DEARER_PERCENT: i64 = 10;
/// How many tries of a `TIMEOUT` booking are left without an answer.
const TIMEOUT_TRIES: u64 = 2;

/// A booking.
#[derive(Clone)]
pub(super) struct Booking {
    pub(super) key: String,
    stage: Stage,
    hold_until: Option<Timestamp>,
    itinerary: Value,
    total: Money,
    family_names: Vec<String>,
    documents: Vec<String>,
    ticketings: u64,
    change: Option<Change>,
}

/// A change of the schedule.
#[derive(Clone)]
struct Change {
    id: String,
    itinerary: Value,
    accepted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Held,
    Booked,
    Ticketed,
    Cancelled,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Priced {
    itinerary: Value,
    total: Money,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    hold: bool,
    itinerary: Value,
    total: Money,
    passengers: Vec<Person>,
    #[serde(rename = "callback_url")]
    _callback_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    #[serde(rename = "given_name")]
    _given_name: String,
    family_name: String,
    #[serde(rename = "born_on")]
    _born_on: jiff::civil::Date,
}

pub(super) fn routes() -> Router<Sandbox> {
    Router::new()
        .route("/airline/v1/prices", post(price))
        .route("/airline/v1/bookings", post(book))
        .route("/airline/v1/bookings/close", post(close))
        .route("/airline/v1/bookings/{locator}/confirm", post(confirm))
        .route("/airline/v1/bookings/{locator}/tickets", post(tickets))
        .route("/airline/v1/bookings/{locator}/cancel", post(cancel))
        .route("/airline/v1/bookings/{locator}/cancellation-terms", post(cancellation_terms))
        .route("/airline/v1/bookings/{locator}/change-terms", post(change_terms))
        .route("/airline/v1/bookings/{locator}/change", get(airline_change).post(change))
        .route("/airline/v1/bookings/{locator}/accept-change", post(accept_change))
}

impl Booking {
    fn called(&self, name: &str) -> bool {
        self.family_names.iter().any(|other| other == name)
    }

    fn view(&self, locator: &str) -> Value {
        json!({
            "status": "made", "record_locator": locator, "payment_required_by": self.hold_until,
        })
    }

    pub(super) fn journal(&self) -> Value {
        let state = match self.stage {
            Stage::Held => "held",
            Stage::Booked => "booked",
            Stage::Ticketed => "ticketed",
            Stage::Cancelled => "cancelled",
        };
        let change = self.change.as_ref();
        json!({
            "key": self.key, "state": state, "total": self.total, "documents": self.documents,
            "airline_change": change.map(|it| if it.accepted { "accepted" } else { "open" }),
        })
    }

    /// Whether the airline changed it and nobody has agreed: then no fare keeps anything.
    fn moved(&self) -> bool {
        self.change.as_ref().is_some_and(|change| !change.accepted)
    }

    /// What a fare with a fee keeps of an amount.
    fn fee(&self, of: Money) -> i64 {
        if self.called("FEE") && !self.moved() { of.amount_minor * FEE_PERCENT / 100 } else { 0 }
    }

    fn confirm(&mut self, now: Timestamp) -> Result<(), Reply> {
        match self.stage {
            // Nobody paid in time, and the seats went to others.
            Stage::Held if self.hold_until.is_some_and(|until| now >= until) => {
                return Err(refused(StatusCode::CONFLICT, "sold_out"));
            }
            Stage::Held => self.stage = Stage::Booked,
            Stage::Booked | Stage::Ticketed => {}
            Stage::Cancelled => return Err(illegal()),
        }
        Ok(())
    }

    /// Nobody gets two tickets: a second issue gives the first one's numbers.
    fn ticket(&mut self, first_number: u64) -> Result<(), Reply> {
        if !matches!(self.stage, Stage::Booked | Stage::Ticketed) {
            return Err(illegal());
        }
        self.ticketings += 1;
        let once = self.called("TICKETFAILONCE") && self.ticketings == 1;
        if once || self.called("TICKETFAIL") {
            return Err(refused(StatusCode::CONFLICT, "ticketing_failed"));
        }
        if self.documents.is_empty() {
            let numbers = (first_number..).take(self.family_names.len());
            self.documents = numbers.map(|n| (9_990_000_000_000 + n).to_string()).collect();
        }
        self.stage = Stage::Ticketed;
        Ok(())
    }

    fn change(&mut self, wish: Priced) -> Result<(), Reply> {
        if self.called("NOCHANGE") {
            return Err(refused(StatusCode::CONFLICT, "not_changeable"));
        }
        if !matches!(self.stage, Stage::Booked | Stage::Ticketed) {
            return Err(illegal());
        }
        (self.itinerary, self.total, self.change) = (wish.itinerary, wish.total, None);
        Ok(())
    }

    fn accept(&mut self, id: &str) -> Result<(), Reply> {
        let change = self.change.as_mut().filter(|change| change.id == id);
        let change = change.ok_or_else(illegal)?;
        change.accepted = true;
        self.itinerary = change.itinerary.clone();
        Ok(())
    }
}

/// A no with the price that stands instead.
fn dearer(total: Money) -> Reply {
    let amount_minor = total.amount_minor + total.amount_minor * DEARER_PERCENT / 100;
    let total = Money { amount_minor, ..total };
    (StatusCode::CONFLICT, json!({ "code": "price_changed", "total": total }))
}

/// The no of an operation that was told to change its price.
pub(super) fn price_changed(body: &Value) -> Reply {
    match Money::deserialize(&body["total"]) {
        Ok(total) => dearer(total),
        Err(_) => refused(StatusCode::CONFLICT, "price_changed"),
    }
}

async fn price(State(sandbox): State<Sandbox>, body: Body) -> Response {
    let Ok(wish) = Priced::deserialize(&body.0) else { return malformed() };
    sandbox.read("price", &body.0, |_| ok(json!({ "total": wish.total }))).await
}

async fn book(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Body) -> Response {
    let call = Call::new(Company::Airline, "book", &headers, "", &body.0);
    let Ok(wish) = Wish::deserialize(&body.0) else { return malformed() };
    if wish.passengers.is_empty() || !wish.itinerary["slices"].is_array() {
        return malformed();
    }
    let family_names: Vec<String> = wish.passengers.into_iter().map(|p| p.family_name).collect();
    let booking = Booking {
        key: call.key.clone().unwrap_or_default(),
        stage: if wish.hold { Stage::Held } else { Stage::Booked },
        hold_until: wish.hold.then(|| super::whole_seconds(sandbox.clock.now() + sandbox.hold)),
        itinerary: wish.itinerary,
        total: wish.total,
        family_names,
        documents: Vec::new(),
        ticketings: 0,
        change: None,
    };
    let call = match &booking {
        it if it.called("LOST") => call.silent(Silence::Lost, 1),
        it if it.called("TIMEOUT") => call.silent(Silence::Hung, TIMEOUT_TRIES),
        _ => call,
    };
    sandbox.act(&call, |books, _| decide(&sandbox, books, booking)).await
}

fn decide(sandbox: &Sandbox, books: &mut Books, booking: Booking) -> Reply {
    if booking.called("SOLDOUT") {
        return refused(StatusCode::CONFLICT, "sold_out");
    }
    if booking.called("PRICECHANGE") {
        return dearer(booking.total);
    }
    if booking.called("DOCUMENTS") {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, "documents_invalid");
    }
    if booking.called("SLOWAIRLINE") || booking.called("SLOWSOLDOUT") {
        let key = booking.key.clone();
        books.under_way.insert(key.clone(), booking);
        tokio::spawn(finish(sandbox.clone(), key));
        return (StatusCode::ACCEPTED, json!({ "status": "under_way" }));
    }
    make(books, booking)
}

fn make(books: &mut Books, booking: Booking) -> Reply {
    let locator = record_locator(books.next());
    let view = booking.view(&locator);
    books.made.insert((Company::Airline, booking.key.clone()), locator.clone());
    books.bookings.insert(locator, booking);
    (StatusCode::CREATED, view)
}

/// A slow airline comes to its end, unless the key was closed before.
async fn finish(sandbox: Sandbox, key: String) {
    delay(sandbox.slow).await;
    let kind = {
        let mut books = sandbox.lock();
        let Some(booking) = books.under_way.remove(&key) else { return };
        let refuses = booking.called("SLOWSOLDOUT");
        let reply = match refuses {
            true => refused(StatusCode::CONFLICT, "sold_out"),
            false => make(&mut books, booking),
        };
        books.decide((Company::Airline, &key), reply);
        if refuses { "booking.refused" } else { "booking.made" }
    };
    sandbox.tell(Company::Airline, kind, &key);
}

async fn close(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Body) -> Response {
    let call = Call::new(Company::Airline, "close_booking", &headers, "", &body.0);
    let Some(theirs) = super::key_of(&body.0) else { return malformed() };
    let work = |books: &mut Books, _: &str| {
        let locator = books.made.get(&(Company::Airline, theirs.clone())).cloned();
        let found = locator.and_then(|it| Some((books.bookings.get(&it)?, it)));
        match found {
            Some((booking, locator)) if booking.stage != Stage::Cancelled => {
                return ok(json!({ "stands": true, "booking": booking.view(&locator) }));
            }
            Some(_) | None => {}
        }
        books.under_way.remove(&theirs);
        books.close("book", (Company::Airline, &theirs));
        ok(json!({ "stands": false, "booking": null }))
    };
    sandbox.act(&call, work).await
}

/// Something done to a booking.
async fn amend(
    sandbox: &Sandbox,
    call: &Call,
    locator: &str,
    work: impl FnOnce(&mut Booking, u64) -> Result<(), Reply> + Send,
) -> Response {
    let work = |books: &mut Books, _: &str| {
        // As many numbers as a booking may need for its tickets.
        let number = books.take(PASSENGERS_MAX.into());
        let Some(booking) = books.bookings.get_mut(locator) else { return not_found() };
        match work(booking, number) {
            Err(reply) => reply,
            Ok(()) => ok(json!({
                "record_locator": locator, "documents": booking.documents,
                "itinerary": booking.itinerary,
            })),
        }
    };
    sandbox.act(call, work).await
}

async fn confirm(
    State(sandbox): State<Sandbox>,
    Path(locator): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let call = Call::new(Company::Airline, "confirm", &headers, &locator, &body.0);
    let now = sandbox.clock.now();
    amend(&sandbox, &call, &locator, |booking, _| booking.confirm(now)).await
}

async fn tickets(
    State(sandbox): State<Sandbox>,
    Path(locator): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let call = Call::new(Company::Airline, "tickets", &headers, &locator, &body.0);
    let work = |booking: &mut Booking, number| {
        booking.ticket(number)?;
        if booking.called("SCHEDULECHANGE") && booking.change.is_none() {
            tokio::spawn(reschedule(sandbox.clone(), locator.clone()));
        }
        Ok(())
    };
    amend(&sandbox, &call, &locator, work).await
}

/// The airline moves the first departure.
async fn reschedule(sandbox: Sandbox, locator: String) {
    delay(sandbox.slow).await;
    let key = {
        let mut books = sandbox.lock();
        let id = format!("chg_{:06}", books.next());
        let Some(booking) = books.bookings.get_mut(&locator) else { return };
        let Some(itinerary) = super::timetable::moved(&booking.itinerary) else { return };
        booking.change = Some(Change { id, itinerary, accepted: false });
        booking.key.clone()
    };
    sandbox.tell(Company::Airline, "booking.changed", &key);
}

async fn cancel(
    State(sandbox): State<Sandbox>,
    Path(locator): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let call = Call::new(Company::Airline, "cancel", &headers, &locator, &body.0);
    let work = |booking: &mut Booking, _| {
        booking.stage = Stage::Cancelled;
        Ok(())
    };
    amend(&sandbox, &call, &locator, work).await
}

async fn change(
    State(sandbox): State<Sandbox>,
    Path(locator): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let call = Call::new(Company::Airline, "change", &headers, &locator, &body.0);
    let Ok(wish) = Priced::deserialize(&body.0) else { return malformed() };
    amend(&sandbox, &call, &locator, |booking, _| booking.change(wish)).await
}

async fn accept_change(
    State(sandbox): State<Sandbox>,
    Path(locator): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let call = Call::new(Company::Airline, "accept_change", &headers, &locator, &body.0);
    let Some(id) = body.0["id"].as_str() else { return malformed() };
    amend(&sandbox, &call, &locator, |booking, _| booking.accept(id)).await
}

/// A look at a booking.
async fn look(
    sandbox: &Sandbox,
    operation: &'static str,
    locator: &str,
    body: &Value,
    view: impl FnOnce(&Booking) -> Reply + Send,
) -> Response {
    let work = |books: &mut Books| books.bookings.get(locator).map_or_else(not_found, view);
    sandbox.read(operation, body, work).await
}

async fn cancellation_terms(
    State(sandbox): State<Sandbox>,
    Path(locator): Path<String>,
    body: Body,
) -> Response {
    let Ok(total) = Money::deserialize(&body.0["total"]) else { return malformed() };
    let view = |booking: &Booking| {
        let strict = booking.called("NOREFUND") && !booking.moved();
        let back = if strict { 0 } else { total.amount_minor };
        let amount_minor = back - booking.fee(Money { amount_minor: back, ..total });
        ok(json!({ "refund": Money { amount_minor, ..total } }))
    };
    look(&sandbox, "cancellation_terms", &locator, &body.0, view).await
}

async fn change_terms(
    State(sandbox): State<Sandbox>,
    Path(locator): Path<String>,
    body: Body,
) -> Response {
    let Ok(wish) = Priced::deserialize(&body.0) else { return malformed() };
    let view = |booking: &Booking| {
        if booking.called("NOCHANGE") {
            return refused(StatusCode::CONFLICT, "not_changeable");
        }
        ok(json!({ "fee": Money { amount_minor: booking.fee(wish.total), ..wish.total } }))
    };
    look(&sandbox, "change_terms", &locator, &body.0, view).await
}

async fn airline_change(State(sandbox): State<Sandbox>, Path(locator): Path<String>) -> Response {
    let view = |booking: &Booking| {
        let open = booking.change.as_ref().filter(|change| !change.accepted);
        let change = open.map(|it| json!({ "id": it.id, "itinerary": it.itinerary }));
        ok(json!({ "change": change }))
    };
    look(&sandbox, "airline_change", &locator, &Value::Null, view).await
}

/// Six characters that cannot be misread, as airlines write them.
fn record_locator(mut number: u64) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    (0..6)
        .map(|_| {
            let letter = LETTERS[usize::try_from(number % 32).expect("below 32")];
            number /= 32;
            char::from(letter)
        })
        .collect::<Vec<char>>()
        .into_iter()
        .rev()
        .collect()
}
