//! The worker of a region: drives what was accepted here, takes over what a dead node left, frees
//! what ran out, tells whoever wants to be told, forgets what is old. It may stop at any line;
//! another goes on.
//!
//! Relaying and delivering have tasks and room of their own: whoever listens slowly keeps no order
//! waiting.

mod deliveries;
mod keeping;
mod relays;

use std::sync::Arc;
use std::time::Duration;

use meridian_regions::RegionId;
use serde_json::json;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::clock::Deadline;
use crate::domain::evidence::{Entry, Happening};
use crate::domain::ids::OrderId;
use crate::domain::order::State;
use crate::orders::driver::Driver;
use crate::orders::idempotency;
use crate::privacy::evidence::Keeper;
use crate::privacy::rights::Rights;
use crate::relay::Relay;
use crate::store::datamap;
use crate::store::retention::{Rule, rules};
use crate::store::{Error, Fate, Tx};
use crate::telemetry::trace::TraceContext;
use crate::webhooks::deliverer::Deliverer;

/// Orders that wait to be driven; beyond that they wait in the database.
const HANDED_OVER_MAX: usize = 1024;
/// Orders driven at once.
const DRIVES_MAX: usize = 32;
/// Orders claimed at once.
const CLAIMED_MAX: i64 = 16;
/// Longest that a claim may take.
const CLAIM_PATIENCE: Duration = Duration::from_secs(3);
/// Pause between two looks for what is due.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks between two purges of what is old.
const PURGE_EVERY_LOOKS: u64 = 120;
/// Looks between two counts of the region's orders: a count reads all of them.
const COUNT_EVERY_LOOKS: u64 = 60;

/// Where accepted orders are handed to the worker of the same node. Losing a hand-over loses
/// nothing: the order is due, and its lease runs out.
#[derive(Clone)]
pub struct Dispatch(mpsc::Sender<(OrderId, i64)>);

impl Dispatch {
    /// A dispatch and the worker's end of it.
    pub fn channel() -> (Self, mpsc::Receiver<(OrderId, i64)>) {
        let (sender, receiver) = mpsc::channel(HANDED_OVER_MAX);
        (Self(sender), receiver)
    }

    /// Hands an order over, if there is room.
    pub fn hand_over(&self, order: OrderId, epoch: i64) {
        let _ = self.0.try_send((order, epoch));
    }
}

/// The worker of a region on one node.
pub struct Worker {
    /// What drives orders.
    pub driver: Driver,
    /// What carries out what travellers ask under the law.
    pub rights: Rights,
    /// What keeps the region's chain of evidence.
    pub keeper: Keeper,
    /// What takes events to whoever wants them.
    pub relay: Relay,
    /// What takes them to the endpoints of travellers.
    pub deliverer: Deliverer,
    /// Whose orders.
    pub home: RegionId,
    /// Accepted on this node.
    pub handed_over: mpsc::Receiver<(OrderId, i64)>,
    /// Pause between two looks.
    pub look_every: Duration,
}

impl Worker {
    /// Works until told to stop, then finishes the steps that are under way.
    pub async fn run(mut self, stop: CancellationToken) {
        let tracker = TaskTracker::new();
        let (relay, every) = (self.relay.clone(), self.look_every);
        let told = Arc::new(Notify::new());
        tracker.spawn(relays::fan_out(relay.clone(), every, Arc::clone(&told), stop.clone()));
        tracker.spawn(relays::stream(relay.clone(), every, stop.clone()));
        tracker.spawn(keeping::rights(self.rights.clone(), relay.clone(), every, stop.clone()));
        let (keeper, registry) = (self.keeper.clone(), self.rights.registry);
        tracker.spawn(keeping::evidence(keeper, registry, relay, every, stop.clone()));
        tracker.spawn(deliveries::run(self.deliverer.clone(), every, told, stop.clone()));
        let room = Arc::new(Semaphore::new(DRIVES_MAX));
        let mut looks: u64 = 0;
        let mut clock = tokio::time::interval(self.look_every);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // The clock first: it ticks seldom, and a queue that is never empty must not keep
                // lapsed holds and dead nodes' orders waiting.
                _ = clock.tick() => {
                    self.look(&tracker, &room).await;
                    if looks.is_multiple_of(COUNT_EVERY_LOOKS) {
                        self.count_orders().await;
                        self.measure_queues().await;
                    }
                    looks += 1;
                    if looks.is_multiple_of(PURGE_EVERY_LOOKS) {
                        self.purge().await;
                    }
                }
                Some((order, epoch)) = self.handed_over.recv() => {
                    self.spawn(&tracker, &room, order, epoch).await;
                }
            }
        }
        tracker.close();
        tracker.wait().await;
    }

    async fn spawn(
        &self,
        tracker: &TaskTracker,
        room: &Arc<Semaphore>,
        order: OrderId,
        epoch: i64,
    ) {
        let permit = Arc::clone(room).acquire_owned().await.expect("never closed");
        let driver = self.driver.clone();
        tracker.spawn(TraceContext::begin().scope(async move {
            if let Err(error) = driver.drive(order, epoch).await {
                report("drive", &error);
            }
            drop(permit);
        }));
    }

    /// Takes over what is due and held by nobody alive.
    async fn look(&self, tracker: &TaskTracker, room: &Arc<Semaphore>) {
        let (store, node) = (&self.driver.orders.store, &self.driver.orders.node);
        let (home, lease) = (self.home, self.driver.orders.lease);
        let claimed = store
            .transact("order_claim", Deadline::after(CLAIM_PATIENCE), |tx| {
                let node = node.clone();
                async move { tx.order_claim(home, &node, lease, CLAIMED_MAX).await }
            })
            .await;
        match claimed {
            Ok(orders) => {
                for (order, epoch) in orders {
                    self.spawn(tracker, room, order, epoch).await;
                }
            }
            Err(error) => report("claim", &error),
        }
    }

    async fn count_orders(&self) {
        match self.driver.orders.store.fresh().order_states(self.home).await {
            Ok(counted) => {
                // Every state, also the empty ones: a gauge that is not set keeps its last value.
                for state in State::ALL.iter().map(|state| state.name()) {
                    let of_state = counted.iter().find(|(name, _)| name == state);
                    let labels = [("region", self.home.name.clone()), ("state", state.to_owned())];
                    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
                    let orders = of_state.map_or(0, |(_, orders)| *orders) as f64;
                    metrics::gauge!("meridian_orders", &labels).set(orders);
                }
            }
            Err(error) => report("count", &error),
        }
    }

    async fn measure_queues(&self) {
        match self.driver.orders.store.fresh().queues_oldest(self.home).await {
            Ok(oldest) => {
                let queues = [
                    ("outbox", oldest.outbox),
                    ("stream", oldest.stream),
                    ("deliveries", oldest.deliveries),
                ];
                for (queue, seconds) in queues {
                    let region = self.home.name.clone();
                    let labels = [("region", region), ("queue", queue.to_owned())];
                    metrics::gauge!("meridian_queue_oldest_seconds", &labels).set(seconds);
                }
            }
            Err(error) => report("measure", &error),
        }
    }

    /// Forgets what is old, a batch of each kind: one kind's trouble is not the other's.
    async fn purge(&self) {
        let home = self.home;
        self.forget("session_purge", |tx| async move { tx.session_purge(home).await }).await;
        self.forget("idempotency_blank", |tx| async move {
            tx.idempotency_blank(home, &idempotency::moving()).await
        })
        .await;
        self.forget("idempotency_purge", |tx| async move { tx.idempotency_purge(home).await })
            .await;
        self.forget("moved_session_purge", |tx| async move { tx.moved_session_purge().await })
            .await;
        self.forget("delivery_purge", |tx| async move { tx.delivery_purge(home).await }).await;
        self.forget("stream_purge", |tx| async move { tx.stream_purge(home).await }).await;
        self.sweep().await;
    }

    /// Deletes what the data map says is over, table by table, and writes down how much it was.
    async fn sweep(&self) {
        let home = self.home;
        for rule in rules(datamap::tables()).into_iter().filter(Rule::is_swept_here) {
            let id = Uuid::new_v4();
            self.forget("retention_sweep", |tx| {
                let rule = rule.clone();
                async move {
                    let rows = tx.retention_sweep(home, &rule).await?;
                    if rows > 0 {
                        let body = json!({ "table": rule.table, "rows": rows });
                        let swept = Entry::new(Happening::RetentionSwept, body);
                        tx.evidence(home, &Entry { id, ..swept }).await?;
                    }
                    Ok(rows)
                }
            })
            .await;
        }
    }

    async fn forget<Fut>(&self, name: &'static str, batch: impl Fn(Tx) -> Fut)
    where
        Fut: Future<Output = Result<u64, Error>>,
    {
        let store = &self.driver.orders.store;
        let purged = store.transact(name, Deadline::after(CLAIM_PATIENCE), batch).await;
        if let Err(error) = purged {
            report("purge", &error);
        }
    }
}

/// What fails here is tried again; only our own mistakes deserve a person's attention.
fn report(what: &'static str, error: &Error) {
    let sqlstate = error.sql_state();
    if error.fate() == Fate::Bug {
        tracing::error!(what, sqlstate, %error, "the worker met a bug");
    } else {
        tracing::warn!(what, sqlstate, %error, "the worker will try again");
    }
}
