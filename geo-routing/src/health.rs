//! The prober: asks each region how it is and tells the server.
//!
//! It believes a change only after several rounds, and it does not believe that most regions fell
//! ill at once: that is what losing one's own network looks like from inside. It decides nothing
//! about routing.

use std::collections::BTreeMap;
use std::time::Duration;

use meridian_regions::{RegionId, Registry};
use reqwest::{Client, StatusCode, redirect};
use tokio::task::{JoinHandle, JoinSet};

use crate::policy::{Condition, serves};
use crate::server::Control;

/// Path below a region's API origin that says how the region is.
const HEALTH_PATH: &str = "/edge-health";

/// Consecutive good (or draining) probes until a region counts as that.
const UP_AFTER: u32 = 2;

/// Consecutive bad probes until a region counts as sick.
const DOWN_AFTER: u32 = 3;

/// Rounds within which regions count as having begun to fail at once; a cut line is noticed by
/// probes that were under way and by those that came after it.
const AT_ONCE: u32 = 2 * DOWN_AFTER;

/// Bytes of a reply that are looked at.
const BODY_MAX: usize = 4096;

/// How the prober goes about it.
#[derive(Clone, Debug)]
pub struct ProberConfig {
    /// Time between two rounds; up to a tenth is added or taken at random, so that the probers of
    /// many servers do not march in step.
    pub interval: Duration,
    /// Time a region has for its whole reply.
    pub timeout: Duration,
}

impl Default for ProberConfig {
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), timeout: Duration::from_secs(2) }
    }
}

/// A running prober. Dropping it stops it, and the last conditions stay.
pub struct Prober {
    task: JoinHandle<()>,
}

impl Prober {
    /// Probes every region that serves, until dropped.
    pub fn start(
        registry: Registry,
        config: ProberConfig,
        control: Control,
    ) -> Result<Self, reqwest::Error> {
        // reqwest is built without a TLS provider of its own. If the process has installed one
        // already this refuses, and that one is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(config.timeout)
            .redirect(redirect::Policy::none())
            // A proxy's health is not the region's.
            .no_proxy()
            .build()?;
        Ok(Self { task: tokio::spawn(probe(registry, config, client, control)) })
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn probe(registry: Registry, config: ProberConfig, client: Client, control: Control) {
    let mut ward = Ward::new(registry);
    loop {
        let mut probes = JoinSet::new();
        for region in registry.all().filter(|region| serves(*region)) {
            let client = client.clone();
            probes.spawn(async move { (region, ask(&client, region).await) });
        }
        for (region, condition) in ward.round(probes.join_all().await) {
            control.set_condition(region, condition);
        }
        tokio::time::sleep(jittered(config.interval)).await;
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

/// An interval give or take a tenth. The hasher's random keys are chance enough for that.
fn jittered(interval: Duration) -> Duration {
    use std::hash::BuildHasher;
    let chance = std::hash::RandomState::new().hash_one(0) % 1000;
    let share = u32::try_from(900 + chance / 5).expect("it is below 1100");
    interval * share / 1000
}

/// What has been found so far, and what of it is believed.
struct Ward {
    round: u32,
    charts: BTreeMap<RegionId, Chart>,
    /// The last conditions told to the server.
    told: BTreeMap<RegionId, Condition>,
    holding: bool,
}

/// One region's recent probes.
#[derive(Default)]
struct Chart {
    believed: Condition,
    last: Condition,
    in_a_row: u32,
    /// The round since which every probe has been bad.
    failing_since: Option<u32>,
}

impl Chart {
    fn note(&mut self, probe: Condition, round: u32) {
        self.in_a_row = if probe == self.last { self.in_a_row.saturating_add(1) } else { 1 };
        self.last = probe;
        let needed = if probe == Condition::Sick {
            self.failing_since.get_or_insert(round);
            DOWN_AFTER
        } else {
            self.failing_since = None;
            UP_AFTER
        };
        if self.in_a_row >= needed {
            self.believed = probe;
        }
    }

    /// Believed to be sick, or about to be: until it is well again it counts as that.
    fn unwell(&self) -> bool {
        self.believed == Condition::Sick || self.failing_since.is_some()
    }
}

impl Ward {
    fn new(registry: Registry) -> Self {
        let regions = || registry.all().filter(|region| serves(*region));
        Self {
            round: 0,
            charts: regions().map(|region| (region, Chart::default())).collect(),
            told: regions().map(|region| (region, Condition::Healthy)).collect(),
            holding: false,
        }
    }

    /// Takes the probes of a round and returns what is new to tell.
    fn round(&mut self, probes: Vec<(RegionId, Condition)>) -> Vec<(RegionId, Condition)> {
        self.round = self.round.saturating_add(1);
        for (region, probe) in probes {
            self.charts.entry(region).or_default().note(probe, self.round);
        }
        let news = self.news();
        if self.hold(&news) {
            return Vec::new();
        }
        self.told.extend(news.iter().copied());
        news
    }

    /// What is believed and was not told yet. A region on its way up is not reported as sick.
    fn news(&self) -> Vec<(RegionId, Condition)> {
        let changed = self.charts.iter().filter(|(region, chart)| {
            let recovering = chart.believed == Condition::Sick && chart.last != Condition::Sick;
            self.told.get(region) != Some(&chart.believed) && !recovering
        });
        changed.map(|(region, chart)| (*region, chart.believed)).collect()
    }

    /// Whether to keep the last good set: entered when a region turns sick while more than half
    /// have begun to fail at once, left when at most half are unwell.
    fn hold(&mut self, news: &[(RegionId, Condition)]) -> bool {
        let half = self.charts.len() / 2;
        let starts = self.charts.values().filter_map(|chart| chart.failing_since);
        let at_once = starts.filter(|since| self.round - since < AT_ONCE).count();
        let unwell = self.charts.values().filter(|chart| chart.unwell()).count();
        let turned = news.iter().any(|(_, condition)| *condition == Condition::Sick);
        let was = self.holding;
        self.holding = (turned && at_once > half) || (was && unwell > half);
        if self.holding && !was {
            tracing::warn!(
                unwell,
                regions = self.charts.len(),
                "most regions turned sick at once; keeping the last good set, check this \
                 machine's own network"
            );
        } else if was && !self.holding {
            tracing::warn!(unwell, "probes are believed again");
        }
        self.holding
    }
}
