//! Repeated requests (draft-ietf-httpapi-idempotency-key-header-06): the first answer's bytes,
//! again.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Refusal;
use crate::domain::order::State;
use crate::store::Abort;
use crate::store::idempotency::{Reply, StoredReply};

/// Status of every accepted order, payment, cancellation and change.
pub(super) const ACCEPTED: u16 = 202;
/// Status of a quote that was made.
pub(super) const CREATED: u16 = 201;

/// What makes a request recognisable.
#[derive(Clone, Debug)]
pub struct Request {
    /// SHA-256 of the client's key.
    pub key_hash: Vec<u8>,
    /// SHA-256 of everything that makes it that request.
    pub request_hash: Vec<u8>,
}

/// What is answered: the stored bytes, whether for the first time or again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The `Location` header.
    pub location: String,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// Whether it was answered before.
    pub replayed: bool,
}

impl Request {
    /// Recognises a request by its key, and by what it asks: the API's version, method and route,
    /// the versions that it was made for, and its body whatever its spelling.
    pub fn new(key: &str, asks: [&str; 3], body: &Value) -> Self {
        let mut hash = Sha256::new();
        for part in asks {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(canonical(body).as_bytes());
        Self {
            key_hash: Sha256::digest(key.as_bytes()).to_vec(),
            request_hash: hash.finalize().to_vec(),
        }
    }

    /// The reply that is stored and sent.
    pub(super) fn reply(&self, location: String, view: &impl Serialize) -> Reply {
        self.with(location, body(view))
    }

    pub(super) fn with(&self, location: String, body: Vec<u8>) -> Reply {
        let (key_hash, request_hash) = (self.key_hash.clone(), self.request_hash.clone());
        Reply { key_hash, request_hash, location, body }
    }
}

/// A thing in its envelope, as bytes.
pub(super) fn body(view: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Data<'a, T> {
        data: &'a T,
    }
    serde_json::to_vec(&Data { data: view }).expect("a view is plain data")
}

impl Answer {
    pub(super) fn first(status: u16, reply: Reply) -> Self {
        let Reply { location, body, .. } = reply;
        Self { status, location, body, replayed: false }
    }

    /// The stored answer, if it answered the same request.
    pub(super) fn replayed(
        stored: Option<StoredReply>,
        request_hash: &[u8],
    ) -> Result<Self, Abort<Refusal>> {
        let stored = stored.ok_or_else(|| {
            // The key was there a moment ago; only the purge of a 30-day-old key can take it away.
            Abort::Failed(crate::store::Error::NotReady("the key was being forgotten".into()))
        })?;
        if stored.request_hash != request_hash {
            return Err(Abort::Refused(Refusal::KeyReused));
        }
        metrics::counter!("meridian_idempotency_replays_total").increment(1);
        let StoredReply { status, location, body, .. } = stored;
        if body.is_empty() {
            return Err(Abort::Refused(Refusal::AlreadyCreated { location }));
        }
        let status = u16::try_from(status).unwrap_or(ACCEPTED);
        Ok(Self { status, location, body, replayed: true })
    }
}

/// The states in which an order is not at rest: the answers about it are kept whole. A ticketed
/// order rests; it is over only when it is flown, perhaps in a year.
pub fn moving() -> Vec<&'static str> {
    let moves = |state: &&State| state.works() || **state == State::Held;
    State::ALL.iter().filter(moves).map(|state| state.name()).collect()
}

/// JSON with sorted keys and no spaces, as in RFC 8785 but for its numbers, which we take as sent.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            let parts: Vec<String> = sorted
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::String(key.clone()), canonical(value)))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spelling_does_not_matter_and_meaning_does() {
        let hash =
            |route: &str, body: Value| Request::new("key", ["1", route, ""], &body).request_hash;
        let one = hash("POST /v1/orders", json!({"a": 1, "b": {"c": [1, "x"], "d": null}}));
        let text = r#"{ "b": {"d": null, "c": [1, "x"]}, "a": 1 }"#;
        let same = hash("POST /v1/orders", serde_json::from_str(text).expect("JSON"));
        assert_eq!(one, same);
        assert_ne!(
            one,
            hash("POST /v1/payments", json!({"a": 1, "b": {"c": [1, "x"], "d": null}}))
        );
        assert_ne!(one, hash("POST /v1/orders", json!({"a": 1, "b": {"c": ["x", 1], "d": null}})));
        let body = json!({});
        let matched = |tag: &str| Request::new("key", ["1", "POST", tag], &body).request_hash;
        assert_ne!(matched("\"order-1\""), matched("\"order-2\""));
    }
}
