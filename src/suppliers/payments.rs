//! The payment provider. It knows cards; we know tokens.

use serde_json::{Value, json};

use super::Outcome;
use super::http::Api;
use crate::domain::money::Money;

/// The payment provider's API.
#[derive(Clone)]
pub struct Payments(Api);

impl Payments {
    /// The provider at a base URL.
    pub fn new(base: &str) -> Self {
        Self(Api::new("payments", base))
    }

    /// Reserves money on a token; the id of the authorisation.
    pub async fn authorize(&self, key: &str, total: Money, token: &str) -> Outcome<String> {
        let body = json!({
            "amount_minor": total.amount_minor,
            "currency": total.currency,
            "token": token,
        });
        match self.0.post("authorize", "/payments/v1/authorizations", key, &body).await {
            Outcome::Done(answer) => match answer["id"].as_str() {
                Some(id) if well_formed(id) => Outcome::Done(id.to_owned()),
                _ => Outcome::Unknown,
            },
            Outcome::Refused(reason) => Outcome::Refused(reason),
            Outcome::Unknown => Outcome::Unknown,
            Outcome::NotTried => Outcome::NotTried,
        }
    }

    /// Takes the reserved money.
    pub async fn capture(&self, key: &str, authorization: &str) -> Outcome<Value> {
        self.act("capture", key, authorization).await
    }

    /// Lets the reserved money go.
    pub async fn void(&self, key: &str, authorization: &str) -> Outcome<Value> {
        self.act("void", key, authorization).await
    }

    /// Gives taken money back.
    pub async fn refund(&self, key: &str, authorization: &str) -> Outcome<Value> {
        self.act("refund", key, authorization).await
    }

    async fn act(&self, verb: &'static str, key: &str, authorization: &str) -> Outcome<Value> {
        let path = format!("/payments/v1/authorizations/{authorization}/{verb}");
        self.0.post(verb, &path, key, &json!({})).await
    }
}

/// Their ids go into our paths, so only plain ones are taken.
pub(super) fn well_formed(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
