//! When the relay relays: a node looks whether it is its turn, and then goes on until it stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::report;
use crate::relay::{BATCH_MAX, Batch, Relay, RelayError, Turn};
use crate::store::relay::Relayed;

/// Looks between two questions whether it is this node's turn.
const ASK_EVERY_LOOKS: u64 = 4;
/// Longest pause after the event stream has failed; it doubles up to this.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Takes messages out of the outbox until told to stop; tells whoever delivers them.
pub(super) async fn fan_out(
    relay: Relay,
    look_every: Duration,
    told: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut watch = Watch::new(relay.clone(), Relayed::Outbox, look_every);
    while let Some(turn) = watch.turn(&stop).await {
        match relay.fan_out(turn).await {
            Ok(batch) => {
                if batch != Batch::Relayed(0) {
                    told.notify_one();
                }
                watch.after(batch);
            }
            Err(error) => report("relay", &error),
        }
    }
    watch.end().await;
}

/// Publishes to the event stream until told to stop, if there is one.
pub(super) async fn stream(relay: Relay, look_every: Duration, stop: CancellationToken) {
    if relay.sink.is_none() {
        return;
    }
    let mut watch = Watch::new(relay.clone(), Relayed::Stream, look_every);
    let mut pause = look_every;
    while let Some(turn) = watch.turn(&stop).await {
        match relay.stream(turn).await {
            Ok(batch) => {
                pause = look_every;
                watch.after(batch);
            }
            Err(RelayError::Store(error)) => report("stream", &error),
            Err(RelayError::Sink(error)) => {
                // The turn stays this node's, as long as it renews it: another's sink is no better.
                tracing::warn!(%error, taken = error.taken.len(), "the stream will be tried again");
                pause = if error.taken.is_empty() { pause * 2 } else { look_every };
                pause = pause.min(PAUSE_MAX);
                watch.rest = Some(pause);
            }
        }
    }
    watch.end().await;
}

/// Whose turn it is, and when to look next.
pub(super) struct Watch {
    relay: Relay,
    relayed: Relayed,
    turn: Option<Turn>,
    clock: Interval,
    looks: u64,
    /// There was more than one batch holds.
    more: bool,
    /// Nothing to be tried for so long.
    rest: Option<Duration>,
}

impl Watch {
    pub(super) fn new(relay: Relay, relayed: Relayed, look_every: Duration) -> Self {
        let mut clock = tokio::time::interval(look_every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { relay, relayed, turn: None, clock, looks: 0, more: false, rest: None }
    }

    /// Waits until there may be something to relay and it is this node's turn; `None` when it is
    /// time to stop.
    pub(super) async fn turn(&mut self, stop: &CancellationToken) -> Option<&mut Turn> {
        loop {
            if !std::mem::take(&mut self.more) || stop.is_cancelled() {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return None,
                    _ = self.clock.tick() => {}
                }
            }
            if let Err(error) = self.look().await {
                report("turn", &error);
                continue;
            }
            if let Some(rest) = self.rest {
                self.rest = rest.checked_sub(self.clock.period());
            } else if self.turn.is_some() {
                return self.turn.as_mut();
            }
        }
    }

    /// Renews the turn, or asks for it every now and then.
    async fn look(&mut self) -> Result<(), crate::store::Error> {
        if let Some(turn) = &mut self.turn {
            if !self.relay.renew(turn).await? {
                self.turn = None;
            }
        } else if self.looks.is_multiple_of(ASK_EVERY_LOOKS) {
            self.turn = self.relay.begin(self.relayed).await?;
        }
        self.looks += 1;
        Ok(())
    }

    fn after(&mut self, batch: Batch) {
        match batch {
            Batch::Relayed(relayed) => self.more = relayed == BATCH_MAX,
            Batch::Lost => self.turn = None,
        }
    }

    pub(super) async fn end(self) {
        if let Some(turn) = self.turn
            && let Err(error) = self.relay.end(turn).await
        {
            report("turn", &error);
        }
    }
}
