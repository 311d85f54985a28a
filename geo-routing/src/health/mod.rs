//! The prober: asks each region how it is and tells the server.
//!
//! What it is told is weighed by the [`ward`]; it decides nothing about routing. Each name server
//! probes for itself, so several of them are several vantage points.

/// What is believed of the probes.
mod ward;

use std::time::Duration;

use meridian_regions::RegionId;
use reqwest::{Client, StatusCode, redirect};
use tokio::task::{JoinHandle, JoinSet};

use crate::clock;
use crate::policy::{Condition, serves};
use crate::server::Control;
use ward::Ward;

/// Path below a region's API origin that says how the region is.
const HEALTH_PATH: &str = "/edge-health";

/// Bytes of a reply that are looked at.
const BODY_MAX: usize = 4096;

/// How the prober goes about it.
#[derive(Clone, Debug)]
pub struct ProberConfig {
    /// Time between two rounds; up to a fifth is taken off at random, so that the probers of many
    /// servers do not march in step.
    pub interval: Duration,
    /// Time a region has for its whole reply.
    pub timeout: Duration,
    /// How many of the last probes are looked at.
    pub window: u32,
    /// How many of them are bad when a region is sick.
    pub down: u32,
    /// How many of them are good when it is well again.
    pub up: u32,
    /// How long it must have been without a bad probe by then; longer each time it falls back.
    pub damping: Duration,
}

impl Default for ProberConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            window: 5,
            down: 3,
            up: 4,
            damping: Duration::from_secs(30),
        }
    }
}

/// A running prober. Dropping it stops it, and the last conditions stay.
pub struct Prober {
    task: JoinHandle<()>,
}

impl Prober {
    /// Probes every region that serves, until dropped.
    pub fn start(config: ProberConfig, control: Control) -> Result<Self, reqwest::Error> {
        // reqwest is built without a TLS provider of its own. If the process has installed one
        // already this refuses, and that one is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(config.timeout)
            .redirect(redirect::Policy::none())
            // A proxy's health is not the region's.
            .no_proxy()
            .build()?;
        Ok(Self { task: tokio::spawn(probe(config, client, control)) })
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn probe(config: ProberConfig, client: Client, control: Control) {
    let mut ward = Ward::new(config.clone(), control.found());
    loop {
        let started = clock::instant();
        let mut probes = JoinSet::new();
        // Asked anew each time, since the regions' files may have been read again.
        for region in control.registry().all().filter(|region| serves(*region)) {
            let client = client.clone();
            probes.spawn(async move { (region, ask(&client, region).await) });
        }
        for (region, condition) in ward.round(probes.join_all().await, clock::instant()) {
            control.set_condition(region, condition);
        }
        control.set_holding(ward.holding());
        // A region that keeps a probe waiting must not put off the next round.
        let took = clock::instant() - started;
        tokio::time::sleep(jittered(config.interval).saturating_sub(took)).await;
    }
}

/// One probe: 200 is healthy, 503 that says `draining` is draining, all else is sick.
async fn ask(client: &Client, region: RegionId) -> Condition {
    let url = format!("{}{HEALTH_PATH}", region.endpoints.api.trim_end_matches('/'));
    let Ok(mut reply) = client.get(url).send().await else {
        return Condition::Sick;
    };
    match reply.status() {
        StatusCode::OK => Condition::Healthy,
        StatusCode::SERVICE_UNAVAILABLE => {
            let mut body = Vec::new();
            while let Ok(Some(chunk)) = reply.chunk().await {
                body.extend_from_slice(&chunk);
                if body.len() >= BODY_MAX {
                    break;
                }
            }
            let draining = String::from_utf8_lossy(&body).contains("draining");
            if draining { Condition::Draining } else { Condition::Sick }
        }
        _ => Condition::Sick,
    }
}

/// An interval less up to a fifth, never more, so that detection has its limit. The hasher's
/// random keys are chance enough for that.
fn jittered(interval: Duration) -> Duration {
    use std::hash::BuildHasher;
    let chance = std::hash::RandomState::new().hash_one(0) % 1000;
    let share = u32::try_from(800 + chance / 5).expect("it is at most 1000");
    interval * share / 1000
}
