//! The id of a request: what a traveller quotes when something went wrong.

use std::fmt;

use http::{HeaderMap, HeaderName};

use crate::telemetry::trace::{to_hex, unlike};

/// Carries the id, in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Shortest and longest id that is taken from a client.
const BYTES: std::ops::RangeInclusive<usize> = 8..=64;

/// What ids begin with that are made here; a node that passes a request on sends one.
const OWN: &str = "req-";

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The id of a request.
#[derive(Clone, Debug)]
pub struct RequestId(String);

impl RequestId {
    /// The id of the request that is being answered.
    pub fn current() -> String {
        CURRENT.try_with(|id| id.0.clone()).unwrap_or_default()
    }

    /// The client's own, if it is one that may stand in a log, or a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let plain = |text: &&str| {
            BYTES.contains(&text.len())
                && text
                    .strip_prefix(OWN)
                    .unwrap_or(text)
                    .bytes()
                    .all(|b| b.is_ascii_hexdigit() || b == b'-')
        };
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
        let new = || format!("{OWN}{}", to_hex(&unlike::<16>()));
        Self(given.map_or_else(new, str::to_owned))
    }

    /// Does some work under this id.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
