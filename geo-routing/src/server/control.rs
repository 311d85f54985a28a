//! What the sockets share, and the handle by which it is changed and asked.
//!
//! Three hands write here, and none may undo another: the prober's findings, the operators' orders
//! and the files. Each change makes the next table, under one lock; readers never wait.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use arc_swap::ArcSwap;
use meridian_regions::{RegionId, Registry};

use super::status::{Loads, RegionStatus, Status};
use crate::answer::{Asker, Outcome, Transport, UDP_PAYLOAD_MAX, fast, respond};
use crate::clock;
use crate::explain::Explanation;
use crate::ground::Ground;
use crate::limit::RateLimit;
use crate::location::Subnet;
use crate::metrics::{Counts, Event, Metrics, Pairs, Tally};
use crate::policy::{Condition, Live};
use crate::state::{self, Override, Overrides, StateDir, StateError};
use crate::table::RoutingTable;
use crate::zone::ZoneError;

/// Bits of an address that a sampled query is logged with.
const LOGGED_BITS_V4: u8 = 24;
/// The same for IPv6.
const LOGGED_BITS_V6: u8 = 48;

/// What may be changed and asked while the server answers.
#[derive(Clone)]
pub struct Control(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) current: ArcSwap<Serving>,
    state: Mutex<LiveState>,
    state_dir: Option<StateDir>,
    pub(super) metrics: Metrics,
    /// Streams are answered by many threads, and share one tally in turn.
    stream_tally: Mutex<Arc<Tally>>,
    pub(super) limit: RateLimit,
    pub(super) log_every: u32,
    pub(super) batched: bool,
    pub(super) counted: bool,
    /// Whether the prober keeps the last good set against what it sees.
    holding: AtomicBool,
    loads: LoadCounts,
}

/// See [`Loads`].
#[derive(Default)]
struct LoadCounts {
    taken: AtomicU64,
    refused: AtomicU64,
    geo_db: AtomicU64,
}

/// The current table, and what its answers are counted as.
pub(super) struct Serving {
    pub(super) table: RoutingTable,
    pub(super) pairs: Arc<Pairs>,
}

impl Serving {
    /// One line of the sampled query log: what was answered, and roughly for whom.
    pub(super) fn log(&self, outcome: &Outcome, source: IpAddr) {
        let bits = if source.is_ipv4() { LOGGED_BITS_V4 } else { LOGGED_BITS_V6 };
        let network = Subnet::new(source, bits).map(|it| it.to_string()).unwrap_or_default();
        let ground = self.table.ground();
        let region = outcome.region.map_or("", |at| ground.regions[at].name.as_str());
        tracing::info!(network, kind = ?outcome.kind, rcode = %outcome.rcode, region, "answered");
    }
}

/// What is known and what is ordered, by the region's name.
#[derive(Default)]
struct LiveState {
    found: BTreeMap<String, Condition>,
    overrides: Overrides,
}

impl LiveState {
    fn effective(&self, registry: Registry) -> Live {
        state::effective(registry, &self.found, &self.overrides, clock::now())
    }
}

impl Control {
    pub(super) fn new(
        ground: Ground,
        metrics: Metrics,
        state_dir: Option<StateDir>,
        config: &super::ServerConfig,
    ) -> Result<Self, StateError> {
        let registry = ground.registry;
        let mut state = LiveState::default();
        if let Some(dir) = &state_dir {
            state.overrides = dir.overrides()?;
            state::check(&state.overrides, registry)?;
            state.found = dir.health(clock::now());
        }
        let pairs = Arc::new(metrics.pairs(&ground));
        let live = state.effective(registry);
        let table = RoutingTable::compile(Arc::new(ground), live);
        let stream_tally = Mutex::new(metrics.tally());
        Ok(Self(Arc::new(Shared {
            current: ArcSwap::from_pointee(Serving { table, pairs }),
            state: Mutex::new(state),
            state_dir,
            metrics,
            stream_tally,
            limit: config.limit.clone(),
            log_every: config.log_every,
            batched: config.batched,
            counted: config.counted,
            holding: AtomicBool::new(false),
            loads: LoadCounts::default(),
        })))
    }

    /// Says how the probes find a region; answers change before this returns.
    pub fn set_condition(&self, region: RegionId, condition: Condition) {
        let mut state = self.state();
        if state.found.insert(region.name.clone(), condition).unwrap_or_default() == condition {
            return;
        }
        tracing::info!(%region, ?condition, "region changed");
        self.publish(&state);
        if let Some(dir) = &self.0.state_dir
            && let Err(error) = dir.write_health(state.found.clone(), clock::now())
        {
            tracing::warn!(%error, "what is known of the regions could not be kept");
        }
    }

    /// What the probes found.
    pub(crate) fn found(&self) -> BTreeMap<RegionId, Condition> {
        let state = self.state();
        let found = |region: &RegionId| state.found.get(&region.name).copied();
        self.registry().all().map(|it| (it, found(&it).unwrap_or_default())).collect()
    }

    pub(crate) fn set_holding(&self, holding: bool) {
        self.0.holding.store(holding, Ordering::Relaxed);
    }

    /// Orders something for a region, or with `None` takes the order back. Probes do not lift it.
    /// It is kept in the state directory, if there is one; answers change before this returns.
    pub fn set_override(&self, region: &str, order: Option<Override>) -> Result<(), StateError> {
        let mut state = self.state();
        let mut next = state.overrides.clone();
        match order {
            Some(order) => next.insert(region.to_owned(), order),
            None => next.remove(region),
        };
        let asked = Overrides::from([(region.to_owned(), Override::default())]);
        state::check(&asked, self.registry())?;
        if let Some(dir) = &self.0.state_dir {
            dir.write_overrides(&next)?;
        }
        self.take_overrides(&mut state, next);
        Ok(())
    }

    /// Drains a region, or ends its drain.
    pub fn set_drain(&self, region: RegionId, drain: bool) {
        let order = drain.then(|| Override { drain, ..Override::default() });
        if let Err(error) = self.set_override(&region.name, order) {
            tracing::error!(%error, "the drain could not be kept");
        }
    }

    /// Reads the operators' file again.
    pub fn reload_overrides(&self) -> Result<(), StateError> {
        let Some(dir) = &self.0.state_dir else { return Ok(()) };
        let mut state = self.state();
        let next = dir.overrides()?;
        state::check(&next, self.registry())?;
        self.take_overrides(&mut state, next);
        Ok(())
    }

    fn take_overrides(&self, state: &mut LiveState, next: Overrides) {
        if state.overrides != next {
            for name in next.keys().chain(state.overrides.keys()) {
                let (before, after) = (state.overrides.get(name), next.get(name));
                if before != after {
                    tracing::info!(region = name, order = ?after, "an operator's order changed");
                }
            }
            state.overrides = next;
        }
        self.publish(state);
    }

    /// Lets orders end whose time is up; called now and then.
    pub(crate) fn refresh(&self) {
        let state = self.state();
        if !state.overrides.is_empty() {
            self.publish(&state);
        }
    }

    /// The regions that are answered with.
    pub fn registry(&self) -> Registry {
        self.0.current.load().table.ground().registry
    }

    /// How every region is, orders included.
    pub fn conditions(&self) -> Live {
        self.state().effective(self.registry())
    }

    /// How the server is.
    pub fn status(&self) -> Status {
        let state = self.state();
        let current = self.0.current.load();
        let ground = current.table.ground();
        let region = |region: RegionId| {
            let status = RegionStatus {
                condition: current.table.live().get(&region).copied().unwrap_or_default(),
                found: state.found.get(&region.name).copied().unwrap_or_default(),
                order: state.overrides.get(&region.name).cloned(),
            };
            (region.name.clone(), status)
        };
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let LoadCounts { taken, refused, geo_db } = &self.0.loads;
        Status {
            regions: ground.registry.all().map(region).collect(),
            holding: self.0.holding.load(Ordering::Relaxed),
            geo_db_build_date: ground.geography.build_date(),
            geo_db_age_days: ground.geography.age_days(clock::now()),
            zones: ground.zones.iter().map(|it| it.zone.origin()).collect(),
            loads: Loads { taken: count(taken), refused: count(refused), geo_db: count(geo_db) },
        }
    }

    /// Why a host is answered as it is for a network, right now.
    pub fn explain(&self, host: &str, subnet: Subnet) -> Result<Explanation, ZoneError> {
        self.0.current.load().table.explain(host, subnet)
    }

    /// What was answered since the start.
    pub fn counts(&self) -> Counts {
        self.0.metrics.read()
    }

    /// Everything that is measured, as Prometheus text.
    pub fn metrics(&self) -> String {
        self.counts().render() + &self.status().render()
    }

    /// Answers from another ground from now on, with the health that is known. No question is
    /// lost: whoever is being answered is answered from the old one.
    pub fn replace(&self, ground: Ground) {
        let pairs = Arc::new(self.0.metrics.pairs(&ground));
        let state = self.state();
        let live = state.effective(ground.registry);
        let table = RoutingTable::compile(Arc::new(ground), live);
        self.0.current.store(Arc::new(Serving { table, pairs }));
        self.0.loads.taken.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_refused_load(&self) {
        self.0.loads.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_geo_db_load(&self) {
        self.0.loads.geo_db.fetch_add(1, Ordering::Relaxed);
    }

    /// The table that is answered from.
    pub(crate) fn with_table<T>(&self, read: impl FnOnce(&RoutingTable) -> T) -> T {
        read(&self.0.current.load().table)
    }

    fn state(&self) -> MutexGuard<'_, LiveState> {
        // Nothing panics half-way through a change, so a poisoned state is still whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called under the lock, so that a slower writer cannot put an older table back.
    fn publish(&self, state: &LiveState) {
        let current = self.0.current.load();
        let ground = Arc::clone(current.table.ground());
        let live = state.effective(ground.registry);
        if live == *current.table.live() {
            return;
        }
        let table = RoutingTable::compile(ground, live);
        let pairs = Arc::clone(&current.pairs);
        self.0.current.store(Arc::new(Serving { table, pairs }));
    }
}

impl Shared {
    /// Answers a packet that came by a stream, behind what `out` holds. False is silence.
    pub(super) fn answer(
        &self,
        packet: &[u8],
        source: IpAddr,
        transport: Transport,
        out: &mut Vec<u8>,
    ) -> bool {
        let serving = self.current.load();
        let since_1970 = clock::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let asker =
            Asker { source: source.to_canonical(), transport, now: since_1970.as_secs() as u32 };
        let from = out.len();
        out.resize(from + usize::from(UDP_PAYLOAD_MAX), 0);
        let usual = fast::answer(&serving.table, packet, &asker, &mut out[from..]);
        let outcome = match usual {
            Some((length, outcome)) => {
                out.truncate(from + length);
                Some(outcome)
            }
            None => {
                out.truncate(from);
                respond(&serving.table, packet, &asker).map(|reply| {
                    out.extend(reply.bytes);
                    reply.outcome
                })
            }
        };
        let tally = self.stream_tally.lock().unwrap_or_else(PoisonError::into_inner);
        match &outcome {
            Some(outcome) => {
                if usual.is_none() {
                    tally.event(Event::SlowPath);
                }
                tally.answered(&serving.pairs, transport, outcome);
            }
            None => tally.event(Event::Silent),
        }
        outcome.is_some()
    }
}
