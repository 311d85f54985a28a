//! A sandbox of the other companies: the payment provider and the airlines, in memory, misbehaving
//! on request. Like theirs, its operations are idempotent under a key.
//!
//! | input | what happens |
//! | --- | --- |
//! | token `tok_decline` | the card is declined |
//! | token `tok_lost` | the first authorisation is made and its answer is lost |
//! | family name `SOLDOUT` | the airline has no seats |
//! | family name `PRICECHANGE` | the airline's price is another one |
//! | family name `LOST` | the first booking is made and its answer is lost |
//!
//! `POST /sandbox/faults` makes the next calls of an operation fail; `GET /sandbox/journal` says
//! what was really done, once per key, so that a test can count charges.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::clock::Clock;

/// How long the sandbox's airlines keep a held booking, unless told otherwise.
pub const HOLD: Duration = Duration::from_secs(30 * 60);

/// The other companies.
#[derive(Clone)]
pub struct Sandbox {
    clock: Clock,
    hold: Duration,
    books: Arc<Mutex<Books>>,
}

#[derive(Default)]
struct Books {
    /// First answer of every key; a repeated key gets it again.
    answers: HashMap<String, (StatusCode, Value)>,
    /// What was done: operation -> how often.
    journal: BTreeMap<String, u64>,
    /// Charged, per authorisation: reserved, captured, voided, refunded.
    money: BTreeMap<String, &'static str>,
    faults: HashMap<String, Fault>,
    count: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    operation: String,
    mode: Mode,
    #[serde(default = "once")]
    times: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// 503, nothing done.
    Unavailable,
    /// Done, and the answer is lost.
    LostReply,
    /// Being done: the key is in use, says a 409.
    InFlight,
}

fn once() -> u64 {
    1
}

impl Sandbox {
    /// Empty books.
    pub fn new(clock: Clock, hold: Duration) -> Self {
        Self { clock, hold, books: Arc::default() }
    }

    /// Answers on a listener until told to stop.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        axum::serve(listener, self.router()).with_graceful_shutdown(stop).await
    }

    /// The companies' HTTP APIs.
    fn router(self) -> Router {
        Router::new()
            .route("/payments/v1/authorizations", post(authorize))
            .route("/payments/v1/authorizations/{id}/{verb}", post(settle))
            .route("/airline/v1/bookings", post(book))
            .route("/airline/v1/bookings/{locator}/{verb}", post(amend))
            .route("/sandbox/faults", post(plan_fault))
            .route("/sandbox/journal", get(journal))
            .with_state(self)
    }

    /// Answers a key once and for all; the work is done only the first time.
    fn once(
        &self,
        operation: &str,
        headers: &HeaderMap,
        lose_reply: bool,
        work: impl FnOnce(&mut Books) -> (StatusCode, Value),
    ) -> Response {
        let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else {
            let body = json!({"code": "idempotency_key_missing"});
            return (StatusCode::BAD_REQUEST, Json(body)).into_response();
        };
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let mode = books.strike(operation);
        if mode == Some(Mode::Unavailable) {
            let body = json!({"code": "unavailable"});
            return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
        }
        if mode == Some(Mode::InFlight) {
            let body = json!({"code": "idempotency_in_flight"});
            return (StatusCode::CONFLICT, Json(body)).into_response();
        }
        let known = books.answers.get(key).cloned();
        let first = known.is_none();
        let (status, body) = known.unwrap_or_else(|| {
            let answer = work(&mut books);
            books.answers.insert(key.to_owned(), answer.clone());
            answer
        });
        if first && status.is_success() {
            *books.journal.entry(operation.to_owned()).or_default() += 1;
        }
        if mode == Some(Mode::LostReply) || (first && lose_reply) {
            return (StatusCode::GATEWAY_TIMEOUT, "the answer was lost").into_response();
        }
        (status, Json(body)).into_response()
    }
}

impl Books {
    fn strike(&mut self, operation: &str) -> Option<Mode> {
        let fault = self.faults.get_mut(operation)?;
        let mode = fault.mode;
        fault.times = fault.times.saturating_sub(1);
        if fault.times == 0 {
            self.faults.remove(operation);
        }
        Some(mode)
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

fn refused(status: StatusCode, code: &str) -> (StatusCode, Value) {
    (status, json!({ "code": code }))
}

async fn authorize(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let token = body["token"].as_str().unwrap_or_default().to_owned();
    sandbox.once("authorize", &headers, token == "tok_lost", |books| {
        if token == "tok_decline" || body["amount_minor"].as_i64().is_none_or(|a| a <= 0) {
            return refused(StatusCode::PAYMENT_REQUIRED, "declined");
        }
        let id = format!("auth_{:06}", books.next());
        books.money.insert(id.clone(), "reserved");
        (StatusCode::CREATED, json!({ "id": id, "status": "authorized" }))
    })
}

async fn settle(
    State(sandbox): State<Sandbox>,
    Path((id, verb)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    sandbox.once(&verb, &headers, false, |books| {
        let now = match (verb.as_str(), books.money.get(&id)) {
            ("capture", Some(&"reserved")) => "captured",
            ("void", Some(&"reserved")) => "voided",
            ("refund", Some(&"captured")) => "refunded",
            _ => return refused(StatusCode::CONFLICT, "illegal"),
        };
        books.money.insert(id.clone(), now);
        (StatusCode::OK, json!({ "id": id, "status": now }))
    })
}

async fn book(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let named = |name: &str| {
        let people = body["passengers"].as_array().into_iter().flatten();
        people.into_iter().any(|person| person["family_name"] == name)
    };
    let hold = body["hold"] == true;
    let until = sandbox.clock.now() + sandbox.hold;
    let until = jiff::Timestamp::from_second(until.as_second()).unwrap_or(until);
    sandbox.once("book", &headers, named("LOST"), |books| {
        if named("SOLDOUT") {
            return refused(StatusCode::CONFLICT, "sold_out");
        }
        if named("PRICECHANGE") {
            return refused(StatusCode::CONFLICT, "price_changed");
        }
        let record_locator = record_locator(books.next());
        let until = hold.then_some(until);
        let body = json!({ "record_locator": record_locator, "payment_required_by": until });
        (StatusCode::CREATED, body)
    })
}

async fn amend(
    State(sandbox): State<Sandbox>,
    Path((locator, verb)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    sandbox.once(&verb, &headers, false, |books| match verb.as_str() {
        "tickets" => {
            let number = 9_990_000_000_000 + books.next();
            (StatusCode::CREATED, json!({ "documents": [number.to_string()] }))
        }
        "confirm" | "cancel" => (StatusCode::OK, json!({ "record_locator": locator })),
        _ => refused(StatusCode::NOT_FOUND, "unknown_operation"),
    })
}

async fn plan_fault(State(sandbox): State<Sandbox>, Json(fault): Json<Fault>) -> StatusCode {
    let mut books = sandbox.books.lock().unwrap_or_else(PoisonError::into_inner);
    books.faults.insert(fault.operation.clone(), fault);
    StatusCode::NO_CONTENT
}

async fn journal(State(sandbox): State<Sandbox>) -> Json<Value> {
    let books = sandbox.books.lock().unwrap_or_else(PoisonError::into_inner);
    Json(json!({ "done": books.journal, "money": books.money }))
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
