//! Draining: a region takes nobody new and serves those who are there.
//!
//! The word lies in the database and comes out of the region's own health path, so that neither
//! Terraform nor a deployment stands between an operator and an evacuation.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use meridian_regions::{RegionId, Registry, State};

use crate::clock::Deadline;
use crate::store::{Error, Store};

/// Longest that the word may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two looks at a region that is being evacuated.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What name servers ask.
const HEALTH_PATH: &str = "/edge-health";
/// Longest reason: it is for a line on a screen.
const REASON_MAX: usize = 200;

/// Why a region is not drained.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// The database.
    #[error(transparent)]
    Store(#[from] Error),
    /// Nobody would be left.
    #[error(
        "host \"{host}\" would have no region left that takes anybody new; bring another back \
         first, or say --force"
    )]
    Last {
        /// The host.
        host: String,
    },
    /// It serves nobody.
    #[error("{region} is {state} and serves nobody; there is nothing to drain")]
    NotServing {
        /// The region.
        region: String,
        /// Its state by its file.
        state: State,
    },
    /// The reason.
    #[error("write a reason of 1 to 200 characters, for whoever wonders tonight")]
    Reason,
    /// The end.
    #[error("--until {0} is over; write a time to come")]
    Over(Timestamp),
}

/// Why, until when, and whether to do it at any price.
#[derive(Clone, Debug)]
pub struct Word {
    /// For other operators.
    pub reason: String,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Even if nobody is left.
    pub force: bool,
}

/// A region takes nobody new from now on. Returns since when.
pub async fn drain(
    store: &Store,
    registry: Registry,
    region: RegionId,
    word: &Word,
    now: Timestamp,
) -> Result<Timestamp, DrainError> {
    if !matches!(region.state, State::Active | State::Draining) {
        return Err(DrainError::NotServing { region: region.name.clone(), state: region.state });
    }
    if word.reason.trim().is_empty() || word.reason.chars().count() > REASON_MAX {
        return Err(DrainError::Reason);
    }
    if let Some(until) = word.until.filter(|until| *until <= now) {
        return Err(DrainError::Over(until));
    }
    if !word.force {
        let drained: Vec<String> = store.drains().await?.into_iter().map(|it| it.region).collect();
        if let Some(host) = left_alone(registry, region, &drained) {
            return Err(DrainError::Last { host });
        }
    }
    let deadline = Deadline::after(PATIENCE);
    Ok(store.drain_set(deadline, &region.name, word.reason.trim(), word.until).await?)
}

/// A region takes everybody again; false if it did already.
pub async fn undrain(store: &Store, region: RegionId) -> Result<bool, Error> {
    store.drain_clear(Deadline::after(PATIENCE), &region.name).await
}

/// How a region looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Its nodes are ready for everybody.
    Open,
    /// Its nodes say no: it drains, or is not well.
    Closed,
    /// Nobody answers there.
    Gone,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "says that it takes everybody",
            Self::Closed => "says that it takes nobody new",
            Self::Gone => "does not answer",
        })
    }
}

/// It still takes people.
#[derive(Debug, thiserror::Error)]
#[error(
    "{region} still says that it takes everybody, at {url}; is its build older than drains, or its \
     address another region's?"
)]
pub struct StillOpen {
    region: String,
    url: String,
}

/// Asks a region what name servers ask it.
pub async fn look(region: RegionId) -> Seen {
    let client = reqwest::Client::builder().timeout(PATIENCE).build();
    let client = client.expect("a client without options can be built");
    match client.get(health_url(region)).send().await {
        Err(_) => Seen::Gone,
        Ok(answer) if answer.status().is_success() => Seen::Open,
        Ok(_) => Seen::Closed,
    }
}

/// Waits until a region takes nobody new.
pub async fn until_closed(region: RegionId, patience: Duration) -> Result<Seen, StillOpen> {
    let deadline = Deadline::after(patience);
    loop {
        match look(region).await {
            Seen::Open if deadline.passed() => {
                return Err(StillOpen { region: region.name.clone(), url: health_url(region) });
            }
            Seen::Open => tokio::time::sleep(LOOK_EVERY).await,
            seen => return Ok(seen),
        }
    }
}

fn health_url(region: RegionId) -> String {
    format!("{}{HEALTH_PATH}", region.endpoints.api)
}

/// A host that only this region still takes anybody new for.
fn left_alone(registry: Registry, region: RegionId, drained: &[String]) -> Option<String> {
    let takes = |it: &RegionId| it.state.takes_traffic() && it.dns.weight > 0;
    let others: Vec<RegionId> = registry
        .all()
        .filter(|it| *it != region && takes(it) && !drained.contains(&it.name))
        .collect();
    let alone = |fence: Option<&String>| {
        let inside = |it: &RegionId| fence.is_none_or(|law| it.jurisdiction == *law);
        inside(&region) && !others.iter().any(inside)
    };
    let mut hosts = registry.hosts().iter();
    hosts.find(|(_, host)| alone(host.fence.as_ref())).map(|(name, _)| name.clone())
}
