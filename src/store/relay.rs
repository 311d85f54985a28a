//! The outbox and the queue of the event stream, and who relays them.

use std::time::Duration;

use jiff::Timestamp;
use meridian_regions::RegionId;
use uuid::Uuid;

use super::orders::millis;
use super::read::Params;
use super::tx::Words;
use super::{Error, Reader, Store, Tx, sql};
use crate::clock::Deadline;
use crate::domain::event::{Event, EventId};
use crate::domain::ids::{OrderId, TravellerId};

/// What one node of a region relays at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relayed {
    /// Messages from the outbox to whoever wants them.
    Outbox,
    /// Events to the event stream. While its lease is younger than a week, they are kept for it.
    Stream,
    /// What travellers asked under the law, to be carried out.
    Rights,
    /// What happened, to be linked into the region's chain of evidence.
    Evidence,
}

impl Relayed {
    /// The name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Stream => "stream",
            Self::Rights => "rights",
            Self::Evidence => "evidence",
        }
    }
}

/// Where a look through a queue stands: it goes through all orders, then begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    order: Uuid,
    seq: i64,
}

impl Place {
    /// Before every order.
    pub const START: Self = Self { order: Uuid::nil(), seq: -1 };

    /// Behind everything of the order that it stands in.
    pub fn of_next_order(self) -> Self {
        Self { seq: i64::MAX, ..self }
    }

    fn after(order: OrderId, seq: i64) -> Self {
        Self { order: order.uuid(), seq }
    }
}

/// A message of the outbox, and what it tells of.
#[derive(Clone, Debug)]
pub struct Message {
    /// Which order.
    pub order: OrderId,
    /// Which event of it.
    pub seq: i64,
    /// Whose order.
    pub traveller: TravellerId,
    /// The event, as the order's history calls it.
    pub kind: String,
    /// The state after it.
    pub state: String,
    /// When it was written.
    pub occurred_at: Timestamp,
}

impl Message {
    /// Where a look goes on after this one.
    pub fn place(&self) -> Place {
        Place::after(self.order, self.seq)
    }
}

/// What became of a batch of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FannedOut {
    /// Deliveries to endpoints.
    pub told: i64,
    /// Events kept for the stream.
    pub streamed: i64,
}

/// How long the oldest of each queue has been waiting, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Oldest {
    /// Messages that nobody was told of.
    pub outbox: f64,
    /// Events that the stream has not taken.
    pub stream: f64,
    /// Deliveries that are due.
    pub deliveries: f64,
}

impl Store {
    /// Relays from now on, if nobody alive does; under which epoch.
    pub async fn relay_claim(
        &self,
        deadline: Deadline,
        home: RegionId,
        relayed: Relayed,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<i64>, Error> {
        self.transact("relay_claim", deadline, |tx| {
            let owner = owner.to_owned();
            async move {
                let params: &Params<'_> =
                    &[&home.locality, &relayed.name(), &owner, &millis(lease)];
                let row = tx.opt(&sql::relay::lease_claim, params).await?;
                Ok(row.map(|row| row.get("epoch")))
            }
        })
        .await
    }

    /// Goes on relaying; `false` when somebody else has taken over.
    pub async fn relay_renew(
        &self,
        deadline: Deadline,
        home: RegionId,
        relayed: Relayed,
        epoch: i64,
        lease: Duration,
    ) -> Result<bool, Error> {
        let words: Words = vec![
            Box::new(home.locality.clone()),
            Box::new(relayed.name()),
            Box::new(epoch),
            Box::new(millis(lease)),
        ];
        Ok(self.write(deadline, &sql::relay::lease_renew, words).await? == 1)
    }

    /// Lets another node relay at once.
    pub async fn relay_release(
        &self,
        deadline: Deadline,
        home: RegionId,
        relayed: Relayed,
        epoch: i64,
    ) -> Result<(), Error> {
        let words: Words =
            vec![Box::new(home.locality.clone()), Box::new(relayed.name()), Box::new(epoch)];
        self.write(deadline, &sql::relay::lease_release, words).await.map(drop)
    }

    /// Forgets leases of a region that ran out: nobody works there any more.
    pub async fn relay_leases_forget(
        &self,
        deadline: Deadline,
        home: RegionId,
    ) -> Result<(), Error> {
        let words: Words = vec![Box::new(home.locality.clone())];
        self.write(deadline, &sql::relay::leases_forget, words).await.map(drop)
    }
}

impl Tx {
    /// Takes messages out of the outbox and keeps them for whoever wants them; `None` when somebody
    /// else has taken over, and then nothing was changed.
    pub async fn outbox_fan_out(
        &self,
        home: RegionId,
        epoch: i64,
        messages: &[Message],
    ) -> Result<Option<FannedOut>, Error> {
        let orders: Vec<Uuid> = messages.iter().map(|it| it.order.uuid()).collect();
        let seqs: Vec<i64> = messages.iter().map(|it| it.seq).collect();
        let travellers: Vec<Uuid> = messages.iter().map(|it| it.traveller.uuid()).collect();
        let kinds: Vec<&str> = messages.iter().map(|it| it.kind.as_str()).collect();
        let states: Vec<&str> = messages.iter().map(|it| it.state.as_str()).collect();
        let times: Vec<Timestamp> = messages.iter().map(|it| it.occurred_at).collect();
        let params: &Params<'_> =
            &[&home.locality, &epoch, &orders, &seqs, &travellers, &kinds, &states, &times];
        let row = self.one(&sql::relay::outbox_fan_out, params).await?;
        let held = row.get::<_, i64>("held") == 1;
        Ok(held.then(|| FannedOut { told: row.get("told"), streamed: row.get("streamed") }))
    }

    /// The stream has these events; `false` when somebody else has taken over, and then nothing was
    /// changed.
    pub async fn stream_taken(
        &self,
        home: RegionId,
        epoch: i64,
        events: &[EventId],
    ) -> Result<bool, Error> {
        let orders: Vec<Uuid> = events.iter().map(|event| event.about).collect();
        let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
        let params: &Params<'_> = &[&home.locality, &epoch, &orders, &seqs];
        let row = self.one(&sql::relay::stream_taken, params).await?;
        Ok(row.get::<_, i64>("held") == 1)
    }

    /// Forgets a batch of what waits for a stream that nobody runs any more; how many.
    pub async fn stream_purge(&self, home: RegionId) -> Result<u64, Error> {
        self.run(&sql::relay::stream_purge, &[&home.locality]).await
    }
}

impl Reader<'_> {
    /// The next messages of the outbox after a place, in each order's own order.
    pub async fn outbox_next(
        &self,
        home: RegionId,
        after: Place,
        most: i64,
    ) -> Result<Vec<Message>, Error> {
        let params: &Params<'_> = &[&home.locality, &after.order, &after.seq, &most];
        let rows = self.all(&sql::relay::outbox_next, params).await?;
        Ok(rows
            .iter()
            .map(|row| Message {
                order: OrderId::from_parts(home, row.get("order_id")),
                seq: row.get("seq"),
                traveller: TravellerId::from_parts(home, row.get("traveller_id")),
                kind: row.get("kind"),
                state: row.get("state"),
                occurred_at: row.get("occurred_at"),
            })
            .collect())
    }

    /// The next events for the stream after a place, in each order's own order; and where to go on.
    pub async fn stream_next(
        &self,
        home: RegionId,
        after: Place,
        most: i64,
    ) -> Result<(Vec<Event>, Place), Error> {
        let params: &Params<'_> = &[&home.locality, &after.order, &after.seq, &most];
        let rows = self.all(&sql::relay::stream_next, params).await?;
        let mut last = after;
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            let (order, seq) = (OrderId::from_parts(home, row.get("order_id")), row.get("seq"));
            let (state, occurred_at) = (row.get("order_state"), row.get("occurred_at"));
            events.push(Event::of_order(order, seq, row.get("kind"), state, occurred_at));
            last = Place::after(order, seq);
        }
        Ok((events, last))
    }

    /// How long the oldest of each queue has been waiting.
    pub async fn queues_oldest(&self, home: RegionId) -> Result<Oldest, Error> {
        let row = self.one(&sql::relay::queues_oldest, &[&home.locality]).await?;
        Ok(Oldest {
            outbox: row.get("outbox"),
            stream: row.get("stream"),
            deliveries: row.get("deliveries"),
        })
    }
}
