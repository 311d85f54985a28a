//! Calling another company over HTTP, and sorting its answer into done, refused and unknown.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;

use super::breaker::Health;
use super::gate::Gate;
use super::{Outcome, Reason};
use crate::clock::{Clock, Deadline};
use crate::domain::money::Money;
use crate::telemetry::trace::TraceContext;

/// Longest that one call may take, or one question with its repeats; shorter than the lease under
/// which it is made.
const CALL_PATIENCE: Duration = Duration::from_secs(4);
/// Longest that a connection may take to be made.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);
/// Pauses before a question is repeated; longer by chance.
const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(50))
    .with_max_times(2)
    .with_jitter();
/// What must be left of a question's patience for a repeat to be worth it.
const TRY_PATIENCE_MIN: Duration = Duration::from_millis(500);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Longest id of theirs that is taken.
const ID_BYTES_MAX: usize = 64;

/// Something that a company can be asked.
#[derive(Debug)]
pub(super) struct Operation {
    /// For metrics, as in the company's description.
    pub(super) name: &'static str,
    /// The codes with which it may say no for good. Any other no is not understood.
    pub(super) refusals: &'static [&'static str],
}

/// A company's API.
pub(super) struct Api {
    supplier: &'static str,
    base: String,
    client: Client,
    gates: Vec<Gate>,
}

impl Api {
    pub(super) fn new(
        supplier: &'static str,
        base: &str,
        operations: &[&'static Operation],
    ) -> Self {
        let client = Client::builder()
            .connect_timeout(CONNECT_PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("the TLS provider was installed at start");
        let gates = operations.iter().map(|operation| Gate::new(supplier, operation)).collect();
        Self { supplier, base: base.trim_end_matches('/').to_owned(), client, gates }
    }

    /// Has something done under a stable key. It is not repeated here: the saga repeats it.
    pub(super) async fn act(
        &self,
        operation: &'static Operation,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Outcome<Value> {
        let request = self.request(Method::POST, path).json(body);
        let request = request.header("idempotency-key", format!("\"{key}\""));
        self.call(self.gate(operation), request.timeout(CALL_PATIENCE)).await.outcome
    }

    /// Asks a question that changes nothing and has no key. It is repeated, within its patience and
    /// the budget.
    pub(super) async fn ask(
        &self,
        operation: &'static Operation,
        path: &str,
        body: Option<&Value>,
    ) -> Outcome<Value> {
        let (gate, deadline) = (self.gate(operation), Deadline::after(CALL_PATIENCE));
        gate.first_try();
        let mut pauses = PAUSES.build();
        loop {
            let request = match body {
                Some(body) => self.request(Method::POST, path).json(body),
                None => self.request(Method::GET, path),
            };
            let answer = self.call(gate, request.timeout(deadline.left())).await;
            let Health::Bad(wait) = answer.health else { return answer.outcome };
            let Some(pause) = pauses.next() else { return answer.outcome };
            let pause = pause.max(wait.unwrap_or_default());
            if pause + TRY_PATIENCE_MIN > deadline.left() || !gate.may_repeat() {
                return answer.outcome;
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn gate(&self, operation: &'static Operation) -> &Gate {
        let gate = self.gates.iter().find(|gate| gate.operation.name == operation.name);
        gate.expect("every operation of a company was named when its API was made")
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .header("traceparent", TraceContext::current().child().to_string())
    }

    async fn call(&self, gate: &Gate, request: RequestBuilder) -> Answer {
        let Some(pass) = gate.enter() else {
            return Answer { outcome: Outcome::NotTried, health: Health::Unseen };
        };
        let started = Clock::instant();
        let answer = send(gate.operation, request).await;
        pass.leave(answer.health);
        let name = match &answer.outcome {
            Outcome::Done(_) => "done",
            Outcome::Refused(_) => "refused",
            Outcome::Unknown | Outcome::NotTried => "unknown",
        };
        let operation = gate.operation.name;
        let labels = [("supplier", self.supplier), ("operation", operation), ("outcome", name)];
        metrics::histogram!("meridian_supplier_call_duration_seconds", &labels)
            .record(started.elapsed());
        answer
    }
}

/// How a call ended, and what that says about the company.
struct Answer {
    outcome: Outcome<Value>,
    health: Health,
}

impl Answer {
    fn none(wait: Option<Duration>) -> Self {
        Self { outcome: Outcome::Unknown, health: Health::Bad(wait) }
    }
}

async fn send(operation: &Operation, request: RequestBuilder) -> Answer {
    let Ok(answer) = request.send().await else { return Answer::none(None) };
    let (status, wait) = (answer.status(), retry_after(&answer));
    let body = read(answer).await;
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Answer::none(wait);
    }
    let outcome = match body {
        Some(body) if status.is_success() => Outcome::Done(body),
        None if status.is_success() => return Answer::none(None),
        // Only a no that we know is a no. A conflict may also mean that the first call under this
        // key is still being worked on, and that one may yet succeed; 5xx and 429 say nothing about
        // what was done; other 4xx are our bug, and a person must see the order before anything is
        // undone.
        body => body
            .and_then(|body| refusal(operation, status, &body))
            .map_or(Outcome::Unknown, Outcome::Refused),
    };
    Answer { outcome, health: Health::Good }
}

fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn refusal(operation: &Operation, status: StatusCode, body: &Value) -> Option<Reason> {
    let code = body["code"].as_str().filter(|code| operation.refusals.contains(code))?;
    match (status.as_u16(), code) {
        (402, "declined") => Some(Reason::Declined),
        (402, "authentication_failed") => Some(Reason::AuthenticationFailed),
        (402, "capture_failed") => Some(Reason::CaptureFailed),
        (409, "already_captured") => Some(Reason::AlreadyCaptured),
        (409, "sold_out") => Some(Reason::SoldOut),
        (409, "price_changed") => Some(Reason::PriceChanged(money(&body["total"]))),
        (409, "ticketing_failed") => Some(Reason::TicketingFailed),
        (409, "not_changeable") => Some(Reason::NotChangeable),
        (422, "documents_invalid") => Some(Reason::DocumentsInvalid),
        // A key that we closed ourselves: nothing was done under it, and nothing will be.
        (409, "key_closed") => Some(match operation.name {
            "authorize" => Reason::Declined,
            _ => Reason::SoldOut,
        }),
        _ => None,
    }
}

/// The body, unless it is too large or no JSON: another company's answer is not trusted.
async fn read(mut answer: reqwest::Response) -> Option<Value> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return None;
        }
        bytes.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&bytes).ok()
}

/// An amount of theirs that is one: of a currency, and not less than nothing.
pub(super) fn money(value: &Value) -> Option<Money> {
    let currency = value["currency"].as_str()?.parse().ok()?;
    let amount_minor = value["amount_minor"].as_i64().filter(|amount| *amount >= 0)?;
    Some(Money { amount_minor, currency })
}

/// An id of theirs, if it may stand in our paths and rows.
pub(super) fn id(value: &Value) -> Option<String> {
    let plain = |id: &&str| {
        (1..=ID_BYTES_MAX).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    value.as_str().filter(plain).map(str::to_owned)
}
