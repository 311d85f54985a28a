//! One try to deliver an event: seal off, sign, post, and write what was learned under the claim.
//! Nothing is posted inside a transaction; what is not written is tried again, with the same id.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use meridian_regions::RegionId;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use uuid::Uuid;

use super::guard::{Guard, Reach, Target};
use super::{place, url_place};
use crate::clock::{Clock, Deadline};
use crate::domain::event::Event;
use crate::domain::ids::EndpointId;
use crate::domain::signed_message::{ID, SIGNATURE, Secret, TIMESTAMP};
use crate::privacy::keys::Keys;
use crate::privacy::seal::Broken;
use crate::store::webhooks::{Claimed, Delivery, Learned, OpenEndpoint};
use crate::store::{Error, Store};
use crate::telemetry::trace::random_fraction;

/// Longest that one try may take, from the look-up of the name to the head of the answer.
pub const TRY_PATIENCE: Duration = Duration::from_secs(15);
/// Longest that a connection may take to be made.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a claimed delivery is this node's: longer than a try and what is written after it.
pub const LEASE: Duration = Duration::from_secs(30);
/// Longest that a transaction may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long what was settled is kept for its traveller to look at, and to deliver again.
pub const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Pauses between one try and the next, as Standard Webhooks recommends; after the last, none.
pub const PAUSES: &[Duration] = &[
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(14 * 60 * 60),
    Duration::from_secs(20 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];
/// By how much a pause may be longer, so that what failed together does not come back together.
const JITTER: f64 = 0.1;
/// Who calls.
const AGENT: &str = "Meridian-Webhooks/1";

/// Delivers events to the endpoints of one region's travellers.
#[derive(Clone)]
pub struct Deliverer {
    /// The database.
    pub store: Store,
    /// The region's keys.
    pub keys: Keys,
    /// Tells the time that is signed.
    pub clock: Clock,
    /// Whose endpoints.
    pub home: RegionId,
    /// This node's name, under which it holds leases.
    pub node: String,
    /// How far it may reach.
    pub reach: Reach,
    client: Client,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It arrived.
    Delivered,
    /// It did not; to be tried again.
    Failed,
    /// It did not, and that was the last try.
    Dead,
    /// The other side wants nothing more.
    Gone,
    /// Somebody else had taken over, and nothing was written.
    Fenced,
}

impl Ended {
    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Gone => "gone",
            Self::Fenced => "fenced",
        }
    }
}

/// What the other side did.
struct Answer {
    learned: Learned,
    retry_after: Option<Duration>,
}

impl Answer {
    fn none(failure: &'static str) -> Self {
        Self { learned: Learned { status: None, failure: Some(failure) }, retry_after: None }
    }
}

impl Deliverer {
    /// A deliverer with connections of its own.
    pub fn new(
        store: Store,
        keys: Keys,
        clock: Clock,
        home: RegionId,
        node: String,
        reach: Reach,
    ) -> Self {
        Self { store, keys, clock, home, node, reach, client: client(reach) }
    }

    /// Takes what is due and may be tried now.
    pub async fn claim(&self, closed: &[i64], most: i64) -> Result<Vec<Claimed>, Error> {
        let home = self.home;
        self.store
            .transact("delivery_claim", Deadline::after(PATIENCE), |tx| {
                let (node, closed) = (self.node.clone(), closed.to_vec());
                async move { tx.delivery_claim(home, &node, LEASE, &closed, most).await }
            })
            .await
    }

    /// What is needed to deliver to the endpoints of some claims.
    pub async fn open(
        &self,
        claimed: &[Claimed],
    ) -> Result<HashMap<EndpointId, OpenEndpoint>, Error> {
        let mut ids: Vec<Uuid> = claimed.iter().map(|it| it.endpoint.uuid()).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = self.store.fresh().endpoints_open(self.home, &ids).await?;
        Ok(found.into_iter().map(|endpoint| (endpoint.id, endpoint)).collect())
    }

    /// Lets claims go untried.
    pub async fn let_go(&self, claimed: &[Claimed]) -> Result<(), Error> {
        self.store.deliveries_let_go(Deadline::after(PATIENCE), self.home, claimed).await
    }

    /// Tries once, and writes what was learned; and whether anybody answered.
    pub async fn deliver(
        &self,
        claimed: &Claimed,
        endpoint: &OpenEndpoint,
    ) -> (bool, Result<Ended, Error>) {
        let answer = match self.post(&claimed.event, endpoint).await {
            Ok(answer) => answer,
            Err(broken) => {
                tracing::error!(error = %broken, "an endpoint does not open with our keys");
                Answer::none("sealed")
            }
        };
        (answer.learned.status.is_some(), self.write(claimed, &answer).await)
    }

    async fn post(&self, event: &Event, endpoint: &OpenEndpoint) -> Result<Answer, Broken> {
        let key =
            self.keys.region.unwrap_data_key(endpoint.traveller.uuid(), &endpoint.data_key)?;
        let url = key.open(url_place(endpoint.id), &endpoint.url)?;
        // The old one was sealed when it was the new one, for the same place.
        let secrets: Vec<Secret> = std::iter::once(&endpoint.secret)
            .chain(&endpoint.old_secret)
            .map(|sealed| {
                let text = key.open(place(endpoint.id, "secret"), sealed)?;
                Secret::parse(&text).ok_or(Broken)
            })
            .collect::<Result<_, _>>()?;
        // What was allowed when it was registered may not be allowed by today's rules.
        let Ok(target) = Target::parse(&url, self.reach) else {
            return Ok(Answer::none("forbidden"));
        };
        let (id, body, now) = (event.id.to_string(), event.body(), self.clock.now());
        let request = self
            .client
            .post(target.url().clone())
            .header(USER_AGENT, AGENT)
            .header(CONTENT_TYPE, "application/json")
            .header(ID, &id)
            .header(TIMESTAMP, now.as_second().to_string())
            .header(SIGNATURE, signatures(&secrets, &id, now, &body))
            .body(body);
        Ok(match request.send().await {
            Ok(answer) => judge(answer.status(), answer.headers(), now),
            Err(error) => Answer::none(silence(&error)),
        })
    }

    async fn write(&self, claimed: &Claimed, answer: &Answer) -> Result<Ended, Error> {
        let (store, deadline) = (&self.store, Deadline::after(PATIENCE));
        let learned = answer.learned;
        let settle = |state| store.delivery_settle(deadline, claimed, state, learned, KEEP);
        let (ended, written) = if learned.failure.is_none() {
            (Ended::Delivered, settle(Delivery::Delivered).await?)
        } else if learned.failure == Some(GONE) {
            (Ended::Gone, self.disable(claimed, learned).await?)
        } else if let Some(pause) = pause(claimed.attempts, answer.retry_after) {
            (Ended::Failed, store.delivery_retry(deadline, claimed, learned, pause).await?)
        } else {
            (Ended::Dead, settle(Delivery::Dead).await?)
        };
        Ok(if written { ended } else { Ended::Fenced })
    }

    async fn disable(&self, claimed: &Claimed, learned: Learned) -> Result<bool, Error> {
        let dropped = self
            .store
            .transact("endpoint_disable", Deadline::after(PATIENCE), |tx| {
                let claimed = claimed.clone();
                async move { tx.endpoint_disable(&claimed, learned, KEEP).await }
            })
            .await?;
        Ok(dropped > 0)
    }
}

/// No proxy stands between the address that was looked at and the one that is called, and no answer
/// leads anywhere else.
fn client(reach: Reach) -> Client {
    Client::builder()
        .timeout(TRY_PATIENCE)
        .connect_timeout(CONNECT_PATIENCE)
        .redirect(Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(Guard(reach)))
        .pool_max_idle_per_host(1)
        .build()
        .expect("the TLS provider was installed at start")
}

/// The other side said that nothing is wanted there any more.
pub const GONE: &str = "gone";

/// One signature for each secret, the newest first.
fn signatures(secrets: &[Secret], id: &str, at: Timestamp, body: &[u8]) -> String {
    let signed: Vec<String> = secrets.iter().map(|secret| secret.sign(id, at, body)).collect();
    signed.join(" ")
}

/// Only 2xx is a yes.
fn judge(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Answer {
    let failure = if status.is_success() {
        None
    } else if status == StatusCode::GONE {
        Some(GONE)
    } else if status.is_redirection() {
        Some("redirect")
    } else {
        Some("status")
    };
    let learned = Learned { status: Some(status.as_u16()), failure };
    Answer { learned, retry_after: retry_after(headers, now) }
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Duration::try_from(at.duration_since(now)).ok()
}

fn silence(error: &reqwest::Error) -> &'static str {
    use std::error::Error as _;
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<super::guard::Forbidden>() {
            return "forbidden";
        }
        cause = inner.source();
    }
    if error.is_timeout() { "timeout" } else { "unreachable" }
}

/// The pause after so many tries before this one; `None` when this was the last. Who asks for more
/// time gets it, but no more than the longest pause.
fn pause(attempts: i64, retry_after: Option<Duration>) -> Option<Duration> {
    let planned = PAUSES.get(usize::try_from(attempts).ok()?)?;
    let longest = PAUSES.last()?;
    let wanted = retry_after.unwrap_or_default().min(*longest);
    Some(planned.max(&wanted).mul_f64(1.0 + JITTER * random_fraction()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(retry_after: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().expect("a header"));
        headers
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_connected_to() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://localhost:{}/", listener.local_addr().expect("bound").port());
        let refused = client(Reach::World).post(&url).send().await.expect_err("it leads inside");
        assert_eq!(silence(&refused), "forbidden");
        // The listener has heard of nobody; whoever may reach it is the first.
        let (reached, heard) = tokio::join!(
            tokio::time::timeout(Duration::from_secs(1), client(Reach::Anywhere).post(&url).send()),
            listener.accept(),
        );
        assert!(reached.is_err() && heard.is_ok(), "it accepts, and says nothing");
    }

    #[test]
    fn the_document_shows_what_is_sent() {
        let document = include_str!("../../docs/webhooks.md");
        let registry = meridian_regions::Registry::embedded().expect("embedded regions");
        let home = registry.by_name("eu-central").expect("a shipped region");
        let about = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let order = crate::domain::ids::OrderId::from_parts(home, about);
        let at: Timestamp = "2026-11-01T10:00:00Z".parse().expect("a time");
        let event = Event::of_order(order, 2, "order.confirmed", "confirmed".into(), at);
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let (id, body) = (event.id.to_string(), event.body());
        let signature = signatures(&[secret], &id, at, &body);
        for line in [
            format!("{ID}: {id}"),
            format!("{TIMESTAMP}: {}", at.as_second()),
            format!("{SIGNATURE}: {signature}"),
            String::from_utf8(body).expect("JSON is text"),
        ] {
            assert!(document.lines().any(|it| it == line), "write: {line}");
        }
        let mut names = crate::domain::event::names();
        names.push(crate::domain::event::PING);
        for name in names {
            assert!(document.contains(&format!("`{name}`")), "explain {name}");
        }
    }

    #[test]
    fn ten_tries_take_three_days_and_end() {
        let total: Duration = PAUSES.iter().sum();
        assert_eq!(total, Duration::from_secs(5 + 35 * 60 + 75 * 60 * 60));
        for (attempts, planned) in (0..).zip(PAUSES) {
            let pause = pause(attempts, None).expect("one more try");
            assert!(pause >= *planned && pause <= planned.mul_f64(1.0 + JITTER), "{pause:?}");
        }
        assert_eq!(pause(9, None), None);
    }

    #[test]
    fn who_asks_for_more_time_gets_it_within_bounds() {
        let hour = Duration::from_secs(60 * 60);
        assert!(pause(0, Some(hour)).expect("one more try") >= hour);
        assert!(pause(3, Some(Duration::from_secs(1))).expect("one more try") >= PAUSES[3]);
        let much = pause(0, Some(Duration::from_secs(u64::MAX))).expect("one more try");
        assert!(much <= PAUSES[8].mul_f64(1.0 + JITTER));
        assert_eq!(pause(9, Some(hour)), None, "the last try is the last");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-01T10:00:00Z".parse().expect("a time");
        let of = |text: &str| retry_after(&headers(text), now);
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of("Sun, 01 Nov 2026 10:02:00 GMT"), Some(Duration::from_secs(120)));
        assert_eq!(of("Sun, 01 Nov 2026 09:00:00 GMT"), None);
        assert_eq!(of("soon"), None);
    }

    #[test]
    fn only_2xx_is_a_yes() {
        let now: Timestamp = "2026-11-01T10:00:00Z".parse().expect("a time");
        let failure = |status: u16| {
            let status = StatusCode::from_u16(status).expect("a status");
            judge(status, &HeaderMap::new(), now).learned.failure
        };
        assert_eq!((failure(200), failure(204), failure(299)), (None, None, None));
        for status in [301, 302, 307, 308] {
            assert_eq!(failure(status), Some("redirect"));
        }
        for status in [400, 404, 429, 500, 503] {
            assert_eq!(failure(status), Some("status"));
        }
        assert_eq!(failure(410), Some(GONE));
    }
}
