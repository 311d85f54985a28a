//! The payment provider over HTTP, as `docs/suppliers/payments.openapi.json` describes it.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::http::{Api, Operation, id};
use super::{Authorization, AuthorizationStatus, Outcome, PaymentProvider, Reason};
use crate::domain::money::Money;

/// Longest address of a page for the cardholder.
const URL_BYTES_MAX: usize = 1024;

static AUTHORIZE: Operation =
    Operation { name: "authorize", refusals: &["declined", "authentication_failed", "key_closed"] };
static AUTHORIZATION: Operation = Operation { name: "authorization", refusals: &[] };
static CLOSE: Operation = Operation { name: "close_authorization", refusals: &[] };
static CAPTURE: Operation = Operation { name: "capture", refusals: &["capture_failed"] };
static VOID: Operation = Operation { name: "void", refusals: &["already_captured"] };
static REFUND: Operation = Operation { name: "refund", refusals: &[] };

static OPERATIONS: [&Operation; 6] = [&AUTHORIZE, &AUTHORIZATION, &CLOSE, &CAPTURE, &VOID, &REFUND];

/// The payment provider's API.
pub struct HttpPayments {
    api: Api,
    callback_url: Option<String>,
}

impl HttpPayments {
    /// The provider at a base URL, and where it may tell us that something happened.
    pub fn new(base: &str, callback_url: Option<String>) -> Self {
        Self { api: Api::new("payments", base, &OPERATIONS), callback_url }
    }

    async fn settle(
        &self,
        operation: &'static Operation,
        key: &str,
        reference: &str,
        amount: Option<Money>,
    ) -> Outcome<Value> {
        let path = format!("/payments/v1/authorizations/{reference}/{}", operation.name);
        let body = match amount {
            Some(amount) => json!(amount),
            None => json!({}),
        };
        self.api.act(operation, &path, key, &body).await
    }
}

#[async_trait]
impl PaymentProvider for HttpPayments {
    async fn authorize(&self, key: &str, total: Money, token: &str) -> Outcome<Authorization> {
        let mut body = json!({
            "amount_minor": total.amount_minor, "currency": total.currency, "token": token,
        });
        if let Some(url) = &self.callback_url {
            body["callback_url"] = json!(url);
        }
        let answer = self.api.act(&AUTHORIZE, "/payments/v1/authorizations", key, &body).await;
        answer.read(|answer| of(&answer, total).then(|| authorization(&answer))?)
    }

    async fn authorization(&self, reference: &str) -> Outcome<Authorization> {
        let path = format!("/payments/v1/authorizations/{reference}");
        match self.api.ask(&AUTHORIZATION, &path, None).await {
            // Nothing is reserved, and nothing will be.
            Outcome::Done(answer)
                if matches!(answer["status"].as_str(), Some("failed" | "voided" | "expired")) =>
            {
                Outcome::Refused(Reason::AuthenticationFailed)
            }
            answer => answer
                .read(|answer| authorization(&answer).filter(|found| found.reference == reference)),
        }
    }

    async fn close(&self, key: &str) -> Outcome<Option<Authorization>> {
        let path = "/payments/v1/authorizations/close";
        let answer =
            self.api.act(&CLOSE, path, &format!("{key}:close"), &json!({ "key": key })).await;
        answer.read(|answer| match answer["stands"].as_bool()? {
            true => authorization(&answer["authorization"]).map(Some),
            false => Some(None),
        })
    }

    async fn capture(&self, key: &str, reference: &str, amount: Money) -> Outcome<()> {
        let answer = self.settle(&CAPTURE, key, reference, Some(amount)).await;
        answer.read(|answer| {
            let taken = answer["captured_minor"].as_i64() == Some(amount.amount_minor);
            (taken && is(&answer, reference, "captured")).then_some(())
        })
    }

    async fn void(&self, key: &str, reference: &str) -> Outcome<()> {
        let answer = self.settle(&VOID, key, reference, None).await;
        answer.read(|answer| is(&answer, reference, "voided").then_some(()))
    }

    async fn refund(&self, key: &str, reference: &str, amount: Money) -> Outcome<()> {
        let answer = self.settle(&REFUND, key, reference, Some(amount)).await;
        answer.read(|answer| {
            // Earlier parts count, too.
            let back = answer["refunded_minor"].as_i64()?;
            let sane = (amount.amount_minor..=answer["captured_minor"].as_i64()?).contains(&back);
            (sane && is(&answer, reference, "captured")).then_some(())
        })
    }
}

/// Whether an answer is about the money that was asked for.
fn of(answer: &Value, total: Money) -> bool {
    answer["amount_minor"].as_i64() == Some(total.amount_minor)
        && answer["currency"].as_str() == Some(total.currency.code())
}

fn is(answer: &Value, reference: &str, status: &str) -> bool {
    answer["id"].as_str() == Some(reference) && answer["status"].as_str() == Some(status)
}

fn authorization(answer: &Value) -> Option<Authorization> {
    let status = match answer["status"].as_str()? {
        "reserved" => AuthorizationStatus::Reserved {
            capture_before: match &answer["capture_before"] {
                Value::Null => None,
                until => Some(until.as_str()?.parse::<Timestamp>().ok()?),
            },
        },
        "requires_action" => {
            AuthorizationStatus::ActionRequired { url: page(answer["action_url"].as_str()?)? }
        }
        _ => return None,
    };
    Some(Authorization { reference: id(&answer["id"])?, status })
}

/// The address goes into a browser, so it must be one of a page.
fn page(url: &str) -> Option<String> {
    let parsed = reqwest::Url::parse(url).ok()?;
    let page = matches!(parsed.scheme(), "https" | "http") && parsed.has_host();
    (page && url.len() <= URL_BYTES_MAX).then(|| url.to_owned())
}
