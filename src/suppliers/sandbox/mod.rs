//! A sandbox of the other companies: the payment provider and the airlines, in memory, misbehaving
//! on request. It speaks the whole protocol of `docs/suppliers/`, and like theirs, its operations
//! are idempotent under a key.
//!
//! | token | what happens |
//! | --- | --- |
//! | `tok_decline` | the card is declined |
//! | `tok_lost` | the money is reserved and the first answer is lost |
//! | `tok_3ds` | the cardholder must prove who they are, on the page at `action_url` |
//! | `tok_3ds_fail` | the same, and the proof fails whatever the cardholder does |
//! | `tok_capture_fail` | the reserved money can never be taken |
//! | `tok_capture_fail_once` | it cannot be taken under the first key, and can under the next |
//!
//! | family name | what happens |
//! | --- | --- |
//! | `SOLDOUT` | no seats |
//! | `PRICECHANGE` | another price: a tenth dearer |
//! | `DOCUMENTS` | the passenger's documents are refused |
//! | `LOST` | the booking is made and the first answer is lost |
//! | `TIMEOUT` | the booking is made and the first two tries are never answered |
//! | `SLOWAIRLINE` | 202 first; made, and told, a second later |
//! | `SLOWSOLDOUT` | 202 first; refused, and told, a second later |
//! | `TICKETFAIL` | tickets are never issued |
//! | `TICKETFAILONCE` | not under the first key, and under the next |
//! | `NOREFUND` | a cancellation gives nothing back |
//! | `FEE` | a cancellation or a change costs a quarter |
//! | `NOCHANGE` | the booking cannot be changed |
//! | `SCHEDULECHANGE` | a second after ticketing, the first departure moves by three hours |
//!
//! `POST /sandbox/faults` makes calls of an operation go wrong: the next ones (`times`) or a share
//! of all (`rate`, drawn from the seed). [`faults::OPERATIONS`] may be named, [`faults::Mode`] says
//! how they go wrong. `GET /sandbox/journal` says what was asked and really done, once per key, and
//! where money and bookings are; `?key=` narrows it to keys that begin so. No names are in it.

pub mod faults;

mod airline;
mod books;
mod callbacks;
mod payments;
mod timetable;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{FromRequest, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};

use self::books::{Books, Company, Reply};
use self::callbacks::Messenger;
use self::faults::{Fault, Mode, Struck};
use super::CallbackSecrets;
use crate::clock::Clock;

/// How long the sandbox's airlines keep a held booking, unless told otherwise.
pub const HOLD: Duration = Duration::from_secs(30 * 60);
/// What a slow airline takes.
const SLOW: Duration = Duration::from_secs(1);
/// How long a try stays without an answer: longer than anybody waits.
const HUNG: Duration = Duration::from_secs(30);
/// Longest key.
const KEY_BYTES_MAX: usize = 255;
/// Largest body.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Operations that change nothing and have no key.
const READS: [&str; 5] =
    ["authorization", "price", "cancellation_terms", "change_terms", "airline_change"];
/// Operations that may answer with another price.
const PRICED: [&str; 5] = ["price", "book", "confirm", "change_terms", "change"];

/// The other companies.
#[derive(Clone)]
pub struct Sandbox {
    clock: Clock,
    hold: Duration,
    slow: Duration,
    messenger: Messenger,
    books: Arc<Mutex<Books>>,
}

impl Sandbox {
    /// Empty books. Callbacks are sent by companies that have a secret; shares of faults are drawn
    /// from the seed.
    pub fn new(clock: Clock, hold: Duration, secrets: CallbackSecrets, seed: u64) -> Self {
        let messenger = Messenger::new(clock.clone(), secrets);
        Self { clock, hold, slow: SLOW, messenger, books: Arc::new(Mutex::new(Books::new(seed))) }
    }

    /// Plans a fault; whether it makes sense.
    pub fn plan(&self, fault: Fault) -> bool {
        self.lock().faults.plan(fault)
    }

    /// Answers on a listener until told to stop.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let router = self.router();
        let connections = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let stream = tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => accepted?.0,
            };
            tokio::spawn(connection(&connections, stream, router.clone()));
        }
        connections.shutdown().await;
        Ok(())
    }

    /// The companies' HTTP APIs.
    fn router(self) -> Router {
        Router::new()
            .merge(payments::routes())
            .merge(airline::routes())
            .route("/sandbox/faults", post(plan_fault))
            .route("/sandbox/journal", get(journal))
            .with_state(self)
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has something done once per key, and answers as planned.
    async fn act(&self, call: &Call, work: impl FnOnce(&mut Books, &str) -> Reply) -> Response {
        let Some(key) = &call.key else {
            return answer(refused(StatusCode::BAD_REQUEST, "idempotency_key_missing"));
        };
        let mode = self.meet(call.operation).await;
        if let Some(response) = ended(mode) {
            return response;
        }
        let (reply, asked) = {
            let mut books = self.lock();
            if let Some(url) = &call.callback_url {
                books.callback_urls.insert((call.company, key.clone()), url.clone());
            }
            let whose = (call.company, key.as_str());
            books.once(call.operation, whose, call.fingerprint, |books| match mode {
                Some(Mode::Refuse) => refusal(call.operation).expect("it was planned"),
                Some(Mode::PriceChange) => airline::price_changed(&call.body),
                _ => work(books, key),
            })
        };
        match call.silent {
            Some((how, tries)) if (1..=tries).contains(&asked) => how.response().await,
            _ => self.deliver(reply, mode),
        }
    }

    /// Answers a question that changes nothing.
    async fn read(
        &self,
        operation: &'static str,
        body: &Value,
        look: impl FnOnce(&mut Books) -> Reply,
    ) -> Response {
        let mode = self.meet(operation).await;
        if let Some(response) = ended(mode) {
            return response;
        }
        let reply = match mode {
            Some(Mode::Refuse) => refusal(operation).expect("it was planned"),
            Some(Mode::PriceChange) => airline::price_changed(body),
            _ => look(&mut self.lock()),
        };
        self.deliver(reply, mode)
    }

    /// How a call goes wrong; a slow one waits here.
    async fn meet(&self, operation: &'static str) -> Option<Mode> {
        let struck = {
            let mut books = self.lock();
            books.count_asked(operation);
            books.faults.strike(operation)
        };
        if let Some(Struck { mode: Mode::Slow, ms }) = struck {
            delay(Duration::from_millis(ms)).await;
        }
        struck.map(|struck| struck.mode)
    }

    fn deliver(&self, reply: Reply, mode: Option<Mode>) -> Response {
        match mode {
            Some(Mode::LostReply) if self.lock().cut_this_time() => cut(),
            Some(Mode::LostReply) => lost(),
            _ => answer(reply),
        }
    }

    /// Tells that something happened under a key, if anybody asked to be told.
    fn tell(&self, company: Company, kind: &'static str, key: &str) {
        let (url, struck) = {
            let mut books = self.lock();
            let Some(url) = books.callback_urls.get(&(company, key.to_owned())).cloned() else {
                return;
            };
            books.count_asked("callback");
            (url, books.faults.strike("callback"))
        };
        self.messenger.tell(company, url, kind, key, struck);
    }
}

/// The end of a call for which nothing is done.
fn ended(mode: Option<Mode>) -> Option<Response> {
    let failed = |status, code| Some(answer(refused(status, code)));
    match mode? {
        Mode::LostRequest => Some(cut()),
        Mode::Error => failed(StatusCode::INTERNAL_SERVER_ERROR, "error"),
        Mode::Unavailable => failed(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Mode::InFlight => failed(StatusCode::CONFLICT, "idempotency_in_flight"),
        Mode::TooMany => {
            let mut response = answer(refused(StatusCode::TOO_MANY_REQUESTS, "too_many"));
            response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
            Some(response)
        }
        Mode::Slow
        | Mode::LostReply
        | Mode::Refuse
        | Mode::PriceChange
        | Mode::Duplicate
        | Mode::Reordered => None,
    }
}

/// A call that has something done.
struct Call {
    company: Company,
    operation: &'static str,
    key: Option<String>,
    fingerprint: [u8; 32],
    callback_url: Option<String>,
    body: Value,
    silent: Option<(Silence, u64)>,
}

impl Call {
    /// The same key must come with the same call; where to call back is not a part of it.
    fn new(
        company: Company,
        operation: &'static str,
        headers: &HeaderMap,
        about: &str,
        body: &Value,
    ) -> Self {
        let mut compared = body.clone();
        let callback = compared.as_object_mut().and_then(|fields| fields.remove("callback_url"));
        let fingerprint = Sha256::digest(format!("{operation} {about} {compared}")).into();
        let callback_url = callback.as_ref().and_then(Value::as_str).map(str::to_owned);
        let (key, body) = (key(headers), body.clone());
        Self { company, operation, key, fingerprint, callback_url, body, silent: None }
    }

    /// Its first tries are done and stay without an answer.
    fn silent(self, how: Silence, tries: u64) -> Self {
        Self { silent: Some((how, tries)), ..self }
    }
}

/// How a call stays without an answer.
#[derive(Clone, Copy)]
enum Silence {
    /// At once.
    Lost,
    /// After a long wait.
    Hung,
}

impl Silence {
    async fn response(self) -> Response {
        if let Self::Hung = self {
            delay(HUNG).await;
        }
        lost()
    }
}

/// A JSON body.
struct Body(Value);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let bytes = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await;
        let bytes = bytes.map_err(|_| malformed())?;
        serde_json::from_slice(&bytes).map(Self).map_err(|_| malformed())
    }
}

/// Marks an answer that never leaves: the connection is cut instead.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
struct Cut;

fn cut() -> Response {
    let mut response = StatusCode::GATEWAY_TIMEOUT.into_response();
    response.extensions_mut().insert(Cut);
    response
}

fn lost() -> Response {
    (StatusCode::GATEWAY_TIMEOUT, "the answer was lost").into_response()
}

fn answer((status, body): Reply) -> Response {
    (status, Json(body)).into_response()
}

fn malformed() -> Response {
    answer(refused(StatusCode::BAD_REQUEST, "malformed"))
}

fn ok(body: Value) -> Reply {
    (StatusCode::OK, body)
}

fn refused(status: StatusCode, code: &str) -> Reply {
    (status, json!({ "code": code }))
}

fn illegal() -> Reply {
    refused(StatusCode::CONFLICT, "illegal")
}

fn not_found() -> Reply {
    refused(StatusCode::NOT_FOUND, "not_found")
}

/// The definite no of an operation, if it has one.
fn refusal(operation: &str) -> Option<Reply> {
    match operation {
        "authorize" => Some(refused(StatusCode::PAYMENT_REQUIRED, "declined")),
        "capture" => Some(refused(StatusCode::PAYMENT_REQUIRED, "capture_failed")),
        "price" | "book" | "confirm" => Some(refused(StatusCode::CONFLICT, "sold_out")),
        "tickets" => Some(refused(StatusCode::CONFLICT, "ticketing_failed")),
        "change_terms" | "change" => Some(refused(StatusCode::CONFLICT, "not_changeable")),
        _ => None,
    }
}

/// The request's key; a structured-field string (RFC 8941) is quoted.
fn key(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("idempotency-key")?.to_str().ok()?;
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    (1..=KEY_BYTES_MAX).contains(&bare.len()).then(|| bare.to_owned())
}

/// The key that a body is about.
fn key_of(body: &Value) -> Option<String> {
    let key = body["key"].as_str()?;
    (1..=KEY_BYTES_MAX).contains(&key.len()).then(|| key.to_owned())
}

/// As companies write times.
fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

async fn delay(pause: Duration) {
    tokio::time::sleep(pause).await;
}

fn connection(
    connections: &GracefulShutdown,
    stream: TcpStream,
    router: Router,
) -> impl Future<Output = ()> + Send + use<> {
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| {
        let answered = router.call(request);
        async move {
            let response = match answered.await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let cut = response.extensions().get::<Cut>().copied();
            cut.map_or(Ok(response), Err)
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let watched = connections.watch(connection);
    async move {
        // A cut connection ends with an error, and so do clients that hang up.
        let _ = watched.await;
    }
}

async fn plan_fault(State(sandbox): State<Sandbox>, Json(fault): Json<Fault>) -> StatusCode {
    let sane = sandbox.plan(fault);
    if sane { StatusCode::NO_CONTENT } else { StatusCode::UNPROCESSABLE_ENTITY }
}

/// Which part of the journal.
#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    key: String,
}

async fn journal(State(sandbox): State<Sandbox>, Query(part): Query<Part>) -> Json<Value> {
    let now = sandbox.clock.now();
    Json(sandbox.lock().journal(&part.key, now))
}
