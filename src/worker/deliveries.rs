//! When deliveries are tried: as many at once as there is room for, each host in its own lane.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::report;
use crate::clock::Deadline;
use crate::store::Error;
use crate::store::webhooks::{Claimed, OpenEndpoint};
use crate::telemetry::trace::TraceContext;
use crate::webhooks::deliverer::{Deliverer, Ended};
use crate::webhooks::lanes::{ALL_MAX, Lanes};

/// Deliveries claimed at once.
const CLAIMED_MAX: usize = 16;
/// Shortest pause between two claims: what ends meanwhile is followed up together.
const GAP: Duration = Duration::from_millis(20);
/// How long those under way may take after it was time to stop; then others try them again.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Delivers until told to stop.
pub(super) async fn run(
    deliverer: Deliverer,
    look_every: Duration,
    told: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut post = Post {
        deliverer,
        lanes: Lanes::default(),
        under_way: JoinSet::new(),
        claims: HashMap::new(),
    };
    let mut clock = tokio::time::interval(look_every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(left) = post.under_way.join_next_with_id() => post.left(left),
            () = told.notified() => {}
            _ = clock.tick() => {}
        }
        while let Some(left) = post.under_way.try_join_next_with_id() {
            post.left(left);
        }
        if let Err(error) = post.look().await {
            report("deliver", &error);
        }
        tokio::time::sleep(GAP).await;
    }
    post.stop().await;
}

struct Post {
    deliverer: Deliverer,
    lanes: Lanes,
    /// Tries that are under way: whether anybody answered in the end.
    under_way: JoinSet<bool>,
    /// What they try.
    claims: HashMap<Id, Claimed>,
}

impl Post {
    /// Takes what is due as long as there is room, and sends it on its way.
    async fn look(&mut self) -> Result<(), Error> {
        loop {
            let most = CLAIMED_MAX.min(ALL_MAX.saturating_sub(self.under_way.len()));
            if most == 0 {
                return Ok(());
            }
            let limit = i64::try_from(most).expect("a small number");
            let claimed = self.deliverer.claim(&self.lanes.closed(), limit).await?;
            let taken = claimed.len();
            self.send(claimed).await?;
            if taken < most {
                return Ok(());
            }
        }
    }

    /// More may be due in one lane than it has room for; the rest is let go, and the next claim
    /// knows that the lane is closed.
    async fn send(&mut self, claimed: Vec<Claimed>) -> Result<(), Error> {
        if claimed.is_empty() {
            return Ok(());
        }
        let endpoints = Arc::new(self.deliverer.open(&claimed).await?);
        let mut rest = Vec::new();
        for claimed in claimed {
            // An endpoint that was deleted meanwhile has taken its deliveries along.
            if !endpoints.contains_key(&claimed.endpoint) {
                continue;
            }
            if !self.lanes.enter(claimed.lane) {
                rest.push(claimed);
                continue;
            }
            let (deliverer, endpoints) = (self.deliverer.clone(), Arc::clone(&endpoints));
            let trying = claimed.clone();
            let work = async move {
                let endpoint = &endpoints[&trying.endpoint];
                try_once(&deliverer, &trying, endpoint).await
            };
            let task = self.under_way.spawn(TraceContext::begin().scope(work));
            self.claims.insert(task.id(), claimed);
        }
        if rest.is_empty() { Ok(()) } else { self.deliverer.let_go(&rest).await }
    }

    fn left(&mut self, left: Result<(Id, bool), JoinError>) {
        let (id, answered) = left.unwrap_or_else(|error| {
            tracing::error!(%error, "a delivery's task failed");
            (error.id(), true)
        });
        if let Some(claimed) = self.claims.remove(&id) {
            self.lanes.leave(claimed.lane, answered);
        }
    }

    /// Waits for those under way, a little; what is not done then is let go for another node.
    async fn stop(mut self) {
        let deadline = Deadline::after(STOP_PATIENCE);
        while let Ok(Some(left)) =
            tokio::time::timeout(deadline.left(), self.under_way.join_next_with_id()).await
        {
            self.left(left);
        }
        self.under_way.shutdown().await;
        let rest: Vec<Claimed> = self.claims.into_values().collect();
        if !rest.is_empty()
            && let Err(error) = self.deliverer.let_go(&rest).await
        {
            report("let go", &error);
        }
    }
}

/// One try; whether anybody answered.
async fn try_once(deliverer: &Deliverer, claimed: &Claimed, endpoint: &OpenEndpoint) -> bool {
    let (answered, ended) = deliverer.deliver(claimed, endpoint).await;
    match ended {
        Ok(ended) => {
            let outcome = ended.name();
            metrics::counter!("meridian_webhook_deliveries_total", "outcome" => outcome)
                .increment(1);
            if ended == Ended::Dead {
                metrics::counter!("meridian_webhook_dead_total").increment(1);
            }
        }
        Err(error) => report("deliver", &error),
    }
    answered
}
