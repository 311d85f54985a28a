//! Calling another company over HTTP, and sorting its answer into done, refused and unknown.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;

use super::{Outcome, Reason};
use crate::clock::Clock;
use crate::domain::money::Money;
use crate::telemetry::trace::TraceContext;

/// Longest that one call may take; shorter than the lease under which it is made.
const CALL_PATIENCE: Duration = Duration::from_secs(4);
/// Longest that a connection may take to be made.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);
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
}

impl Api {
    pub(super) fn new(supplier: &'static str, base: &str) -> Self {
        let client = Client::builder()
            .timeout(CALL_PATIENCE)
            .connect_timeout(CONNECT_PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("the TLS provider was installed at start");
        Self { supplier, base: base.trim_end_matches('/').to_owned(), client }
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
        self.call(operation, request.header("idempotency-key", format!("\"{key}\""))).await
    }

    /// Asks a question that changes nothing and has no key.
    pub(super) async fn ask(
        &self,
        operation: &'static Operation,
        path: &str,
        body: Option<&Value>,
    ) -> Outcome<Value> {
        let request = match body {
            Some(body) => self.request(Method::POST, path).json(body),
            None => self.request(Method::GET, path),
        };
        self.call(operation, request).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .header("traceparent", TraceContext::current().child().to_string())
    }

    async fn call(&self, operation: &'static Operation, request: RequestBuilder) -> Outcome<Value> {
        let started = Clock::instant();
        let outcome = send(operation, request).await;
        let name = match &outcome {
            Outcome::Done(_) => "done",
            Outcome::Refused(_) => "refused",
            Outcome::Unknown => "unknown",
            Outcome::NotTried => "not_tried",
        };
        let labels =
            [("supplier", self.supplier), ("operation", operation.name), ("outcome", name)];
        metrics::histogram!("meridian_supplier_call_duration_seconds", &labels)
            .record(started.elapsed());
        outcome
    }
}

async fn send(operation: &Operation, request: RequestBuilder) -> Outcome<Value> {
    let Ok(answer) = request.send().await else { return Outcome::Unknown };
    let status = answer.status();
    let Some(body) = read(answer).await else { return Outcome::Unknown };
    if status.is_success() {
        return Outcome::Done(body);
    }
    // Only a no that we know is a no. A conflict may also mean that the first call under this key
    // is still being worked on, and that one may yet succeed; 5xx and 429 say nothing about what
    // was done; other 4xx are our bug, and a person must see the order before anything is undone.
    refusal(operation, status, &body).map_or(Outcome::Unknown, Outcome::Refused)
}

fn refusal(operation: &Operation, status: StatusCode, body: &Value) -> Option<Reason> {
    let code = body["code"].as_str().filter(|code| operation.refusals.contains(code))?;
    match (status.as_u16(), code) {
        (402, "declined") => Some(Reason::Declined),
        (402, "authentication_failed") => Some(Reason::AuthenticationFailed),
        (402, "capture_failed") => Some(Reason::CaptureFailed),
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
