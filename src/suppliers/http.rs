//! Calling another company over HTTP.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::{Outcome, Reason};
use crate::clock::Clock;
use crate::telemetry::trace::TraceContext;

/// Longest that one call may take; shorter than the lease under which it is made.
const CALL_PATIENCE: Duration = Duration::from_secs(4);
/// Longest that a connection may take to be made.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A company's API.
#[derive(Clone)]
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

    /// Posts under a stable key and sorts the answer into done, refused and unknown.
    pub(super) async fn post(
        &self,
        operation: &'static str,
        path: &str,
        key: &str,
        body: &impl Serialize,
    ) -> Outcome<Value> {
        let started = Clock::instant();
        let outcome = self.send(path, key, body).await;
        let name = match &outcome {
            Outcome::Done(_) => "done",
            Outcome::Refused(_) => "refused",
            Outcome::Unknown => "unknown",
            Outcome::NotTried => "not_tried",
        };
        let labels = [("supplier", self.supplier), ("operation", operation), ("outcome", name)];
        metrics::histogram!("meridian_supplier_call_duration_seconds", &labels)
            .record(started.elapsed());
        outcome
    }

    async fn send(&self, path: &str, key: &str, body: &impl Serialize) -> Outcome<Value> {
        let request = self
            .client
            .request(Method::POST, format!("{}{path}", self.base))
            .header("idempotency-key", format!("\"{key}\""))
            .header("traceparent", TraceContext::current().child().to_string())
            .json(body);
        let Ok(answer) = request.send().await else {
            return Outcome::Unknown;
        };
        let status = answer.status();
        let Some(body) = read(answer).await else {
            return Outcome::Unknown;
        };
        if status.is_success() {
            Outcome::Done(body)
        } else if status == StatusCode::PAYMENT_REQUIRED || status == StatusCode::CONFLICT {
            // Only a no that we know is a no. A conflict may also mean that the first call under
            // this key is still being worked on, and that one may yet succeed.
            match body["code"].as_str() {
                Some("declined") => Outcome::Refused(Reason::Declined),
                Some("sold_out") => Outcome::Refused(Reason::SoldOut),
                Some("price_changed") => Outcome::Refused(Reason::PriceChanged(None)),
                _ => Outcome::Unknown,
            }
        } else {
            // 5xx and 429 say nothing about what was done; other 4xx are our bug, and a person must
            // see the order before anything is undone.
            Outcome::Unknown
        }
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
