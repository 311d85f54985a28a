//! The relay: what happened to orders leaves the outbox for whoever wants to be told, at least once
//! and in each order's own order.
//!
//! One node of a region relays at a time, under a lease and its epoch; see [`Turn`]. Messages go
//! from the outbox into a queue for each kind of consumer, in one transaction, so none waits for
//! another: [`Relay::fan_out`]. Endpoints of travellers are one kind (`webhooks/`), the event
//! stream is the other: [`Relay::stream`].

pub mod kafka;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use meridian_regions::RegionId;

use crate::clock::{Clock, Deadline};
use crate::domain::event::{Event, EventId};
use crate::store::relay::{FannedOut, Message, Place, Relayed};
use crate::store::{Error, Store};

/// How long another node waits for a sign of life of the one whose turn it is. A sink has half of
/// it for a batch.
pub const LEASE: Duration = Duration::from_secs(10);
/// Messages of one batch.
pub const BATCH_MAX: usize = 500;
/// Longest that a transaction may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where events go besides webhooks: the event stream. It holds ids only, as webhooks do.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Takes events, those of one order in the order in which they are given: of an order whose
    /// event it could not take, it takes no later one. What it does not say it has taken is
    /// published again, with the same id.
    async fn publish(&self, events: &[Event]) -> Result<(), NotPublished>;
}

/// A sink did not take everything.
#[derive(Debug, Default, thiserror::Error)]
#[error("the event stream did not take everything: {why}")]
pub struct NotPublished {
    /// Why, in a word or two; no event's content.
    pub why: String,
    /// What it has taken all the same.
    pub taken: Vec<EventId>,
}

/// Relays what happened to one region's orders.
#[derive(Clone)]
pub struct Relay {
    /// The database.
    pub store: Store,
    /// Whose orders.
    pub home: RegionId,
    /// This node's name, under which it holds leases.
    pub node: String,
    /// How long another node waits for a sign of life; usually [`LEASE`].
    pub lease: Duration,
    /// The event stream, if there is one.
    pub sink: Option<Arc<dyn EventSink>>,
}

/// A node's turn to relay something: nobody else does until it ends, and whatever it writes after
/// another's turn began changes nothing.
#[derive(Debug)]
pub struct Turn {
    relayed: Relayed,
    epoch: i64,
    /// Until when nobody else looks, by this node's watch; it decides nothing.
    fresh_until: Deadline,
    place: Place,
}

/// What a batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// So many were relayed; a full batch means that there are more.
    Relayed(usize),
    /// Somebody else has the turn.
    Lost,
}

/// Why a batch was not relayed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// The event stream failed.
    #[error(transparent)]
    Sink(#[from] NotPublished),
}

impl Relay {
    /// Takes the turn, if nobody alive has it.
    pub async fn begin(&self, relayed: Relayed) -> Result<Option<Turn>, Error> {
        let fresh_until = Deadline::after(self.lease / 2);
        let (deadline, node, lease) = (Deadline::after(PATIENCE), &self.node, self.lease);
        let epoch = self.store.relay_claim(deadline, self.home, relayed, node, lease).await?;
        Ok(epoch.map(|epoch| Turn { relayed, epoch, fresh_until, place: Place::START }))
    }

    /// Shows that this node is alive, when it is time to; `false` when the turn is over.
    pub async fn renew(&self, turn: &mut Turn) -> Result<bool, Error> {
        if !turn.fresh_until.passed() {
            return Ok(true);
        }
        let fresh_until = Deadline::after(self.lease / 2);
        let deadline = Deadline::after(PATIENCE);
        let (relayed, epoch) = (turn.relayed, turn.epoch);
        let kept = self.store.relay_renew(deadline, self.home, relayed, epoch, self.lease).await?;
        turn.fresh_until = fresh_until;
        Ok(kept)
    }

    /// Ends the turn, so that another node goes on at once.
    pub async fn end(&self, turn: Turn) -> Result<(), Error> {
        let deadline = Deadline::after(PATIENCE);
        self.store.relay_release(deadline, self.home, turn.relayed, turn.epoch).await
    }

    /// Moves the next messages from the outbox to whoever wants them.
    pub async fn fan_out(&self, turn: &mut Turn) -> Result<Batch, Error> {
        let most = i64::try_from(BATCH_MAX).expect("a small number");
        let (home, epoch) = (self.home, turn.epoch);
        let messages = self.store.fresh().outbox_next(home, turn.place, most).await?;
        let relayed = messages.len();
        let place = messages.last().map_or(Place::START, Message::place);
        if relayed == 0 {
            turn.place = Place::START;
            return Ok(Batch::Relayed(0));
        }
        let messages = Arc::new(messages);
        let moved = self
            .store
            .transact("outbox_fan_out", Deadline::after(PATIENCE), |tx| {
                let messages = Arc::clone(&messages);
                async move { tx.outbox_fan_out(home, epoch, &messages).await }
            })
            .await?;
        let Some(FannedOut { told, streamed }) = moved else { return Ok(Batch::Lost) };
        count("webhooks", told);
        count("stream", streamed);
        turn.go_on(place, relayed);
        Ok(Batch::Relayed(relayed))
    }

    /// Publishes the next events to the stream, and then takes them off its queue.
    pub async fn stream(&self, turn: &mut Turn) -> Result<Batch, RelayError> {
        let Some(sink) = &self.sink else { return Ok(Batch::Relayed(0)) };
        let most = i64::try_from(BATCH_MAX).expect("a small number");
        let (events, place) = self.store.fresh().stream_next(self.home, turn.place, most).await?;
        let relayed = events.len();
        if relayed == 0 {
            turn.place = Place::START;
            return Ok(Batch::Relayed(0));
        }
        // Another node may begin when the lease ends; until then only this one publishes.
        let started = Clock::instant();
        let published = tokio::time::timeout(self.lease / 2, sink.publish(&events)).await;
        metrics::histogram!("meridian_stream_publish_duration_seconds").record(started.elapsed());
        let silence = |_| Err(NotPublished { why: "no answer".into(), taken: Vec::new() });
        match published.unwrap_or_else(silence) {
            Ok(()) => {
                let taken = events.iter().map(|event| event.id).collect();
                let kept = self.take_off(turn, taken).await?;
                turn.go_on(place, relayed);
                Ok(if kept { Batch::Relayed(relayed) } else { Batch::Lost })
            }
            Err(error) => {
                if !error.taken.is_empty() && !self.take_off(turn, error.taken.clone()).await? {
                    return Ok(Batch::Lost);
                }
                // The last order may go on in the next batch, and must not overtake itself.
                turn.go_on(place.of_next_order(), relayed);
                Err(error.into())
            }
        }
    }

    /// Takes published events off the stream's queue; `false` when the turn is over.
    async fn take_off(&self, turn: &Turn, taken: Vec<EventId>) -> Result<bool, Error> {
        let (home, epoch, taken) = (self.home, turn.epoch, Arc::new(taken));
        self.store
            .transact("stream_taken", Deadline::after(PATIENCE), |tx| {
                let taken = Arc::clone(&taken);
                async move { tx.stream_taken(home, epoch, &taken).await }
            })
            .await
    }
}

impl Turn {
    /// After a full batch from where it ended, so that no order waits for others for ever; else the
    /// end was reached, and what came meanwhile may stand anywhere.
    fn go_on(&mut self, place: Place, relayed: usize) {
        self.place = if relayed < BATCH_MAX { Place::START } else { place };
    }
}

fn count(to: &'static str, events: i64) {
    let events = u64::try_from(events).unwrap_or_default();
    metrics::counter!("meridian_relayed_events_total", "to" => to).increment(events);
}
