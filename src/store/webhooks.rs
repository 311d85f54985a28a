//! Endpoints of travellers, and deliveries to them.

use std::time::Duration;

use jiff::Timestamp;
use meridian_regions::RegionId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::orders::millis;
use super::read::{Params, parse};
use super::tx::Words;
use super::{Error, Reader, Store, Tx, sql};
use crate::clock::Deadline;
use crate::domain::event::{Event, EventId, Subject, told_as};
use crate::domain::ids::{EndpointId, OrderId, TravellerId};

/// An endpoint to be made.
#[derive(Clone)]
pub struct NewEndpoint {
    /// Made before the transaction.
    pub id: EndpointId,
    /// Whose.
    pub traveller: TravellerId,
    /// Sealed address.
    pub url: Vec<u8>,
    /// Sealed secret.
    pub secret: Vec<u8>,
    /// Which bulkhead its deliveries share.
    pub lane: i64,
    /// Events it wants, as histories call them; all without.
    pub events: Option<Vec<&'static str>>,
}

/// An endpoint as its traveller may see it.
pub struct EndpointRow {
    /// Its id.
    pub id: EndpointId,
    /// Sealed address.
    pub url: Vec<u8>,
    /// Events it wants, as histories call them; all without.
    pub events: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was given up.
    pub disabled_at: Option<Timestamp>,
    /// Why.
    pub disabled_why: Option<String>,
}

/// What a worker needs to deliver to an endpoint.
pub struct OpenEndpoint {
    /// Its id.
    pub id: EndpointId,
    /// Whose.
    pub traveller: TravellerId,
    /// The traveller's data key, wrapped.
    pub data_key: Vec<u8>,
    /// Sealed address.
    pub url: Vec<u8>,
    /// Sealed secret.
    pub secret: Vec<u8>,
    /// The secret before it, sealed, while it still signs along.
    pub old_secret: Option<Vec<u8>>,
}

/// Where a delivery is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// To be tried, or tried again.
    Pending,
    /// It arrived.
    Delivered,
    /// It will not be tried again by itself.
    Dead,
}

impl Delivery {
    /// The name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl std::str::FromStr for Delivery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Pending, Self::Delivered, Self::Dead]
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| format!("unknown state of a delivery: {text}"))
    }
}

/// A delivery as the endpoint's traveller may see it.
pub struct DeliveryRow {
    /// What is delivered.
    pub event: Event,
    /// Where it is in its life.
    pub state: Delivery,
    /// Tries so far.
    pub attempts: i64,
    /// Status of the last answer.
    pub last_status: Option<i64>,
    /// Why the last try failed.
    pub last_failure: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was tried last.
    pub attempted_at: Option<Timestamp>,
    /// When it arrived or was given up.
    pub settled_at: Option<Timestamp>,
    /// When it is tried next, while it is pending.
    pub due_at: Timestamp,
}

/// A delivery that this node may try, under its epoch.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// To whom.
    pub endpoint: EndpointId,
    /// What.
    pub event: Event,
    /// Which bulkhead it shares.
    pub lane: i64,
    /// Tries so far.
    pub attempts: i64,
    /// The claim.
    pub epoch: i64,
}

/// What a try taught: status of the answer, and what failed, from a short list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The answer's status.
    pub status: Option<u16>,
    /// What failed.
    pub failure: Option<&'static str>,
}

impl Learned {
    fn status(self) -> Option<i64> {
        self.status.map(i64::from)
    }
}

impl Store {
    /// Forgets an endpoint and what was on its way there; `false` when it is not theirs.
    pub async fn endpoint_delete(
        &self,
        deadline: Deadline,
        traveller: TravellerId,
        id: EndpointId,
    ) -> Result<bool, Error> {
        let words: Words = vec![
            Box::new(traveller.home().locality.clone()),
            Box::new(traveller.uuid()),
            Box::new(id.uuid()),
        ];
        Ok(self.write(deadline, &sql::webhooks::endpoint_delete, words).await? == 1)
    }

    /// A delivery arrived or is given up, and is kept for so long; `false` when somebody else has
    /// taken over.
    pub async fn delivery_settle(
        &self,
        deadline: Deadline,
        claimed: &Claimed,
        state: Delivery,
        learned: Learned,
        keep: Duration,
    ) -> Result<bool, Error> {
        let mut words = key(claimed);
        words.push(Box::new(state.name()));
        words.push(Box::new(learned.status()));
        words.push(Box::new(learned.failure));
        words.push(Box::new(seconds(keep)));
        Ok(self.write(deadline, &sql::webhooks::delivery_settle, words).await? == 1)
    }

    /// A try failed; the next one after a pause. `false` when somebody else has taken over.
    pub async fn delivery_retry(
        &self,
        deadline: Deadline,
        claimed: &Claimed,
        learned: Learned,
        pause: Duration,
    ) -> Result<bool, Error> {
        let mut words = key(claimed);
        words.push(Box::new(learned.status()));
        words.push(Box::new(learned.failure));
        words.push(Box::new(millis(pause)));
        Ok(self.write(deadline, &sql::webhooks::delivery_retry, words).await? > 0)
    }

    /// Claimed, but not to be tried by this node now.
    pub async fn deliveries_let_go(
        &self,
        deadline: Deadline,
        home: RegionId,
        claimed: &[Claimed],
    ) -> Result<(), Error> {
        let words: Words = vec![
            Box::new(home.locality.clone()),
            Box::new(claimed.iter().map(|it| it.endpoint.uuid()).collect::<Vec<_>>()),
            Box::new(claimed.iter().map(|it| it.event.id.about).collect::<Vec<_>>()),
            Box::new(claimed.iter().map(|it| it.event.id.seq).collect::<Vec<_>>()),
            Box::new(claimed.iter().map(|it| it.epoch).collect::<Vec<_>>()),
        ];
        self.write(deadline, &sql::webhooks::deliveries_let_go, words).await.map(drop)
    }
}

/// The first five parameters of whatever is written under a claim.
fn key(claimed: &Claimed) -> Words {
    vec![
        Box::new(claimed.endpoint.home().locality.clone()),
        Box::new(claimed.endpoint.uuid()),
        Box::new(claimed.event.id.about),
        Box::new(claimed.event.id.seq),
        Box::new(claimed.epoch),
    ]
}

impl Tx {
    /// Writes an endpoint; `None` when the traveller has as many as they may.
    pub async fn endpoint_insert(
        &self,
        new: &NewEndpoint,
        most: i64,
    ) -> Result<Option<Timestamp>, Error> {
        let params: &Params<'_> = &[
            &new.id.home().locality,
            &new.id.uuid(),
            &new.traveller.uuid(),
            &new.url,
            &new.secret,
            &new.lane,
            &new.events,
            &most,
        ];
        let row = self.opt(&sql::webhooks::endpoint_insert, params).await?;
        Ok(row.map(|row| row.get("created_at")))
    }

    /// A new secret; the old one signs along for so long. `None` when it is not theirs.
    pub async fn endpoint_rotate(
        &self,
        traveller: TravellerId,
        id: EndpointId,
        secret: &[u8],
        along: Duration,
    ) -> Result<Option<(EndpointRow, Timestamp)>, Error> {
        let home = traveller.home();
        let params: &Params<'_> =
            &[&home.locality, &traveller.uuid(), &id.uuid(), &secret, &seconds(along)];
        let row = self.opt(&sql::webhooks::endpoint_rotate, params).await?;
        Ok(row.map(|row| (endpoint_row(home, &row), row.get("old_secret_until"))))
    }

    /// An endpoint said that it is gone, and nothing more goes there; how much was on its way.
    pub async fn endpoint_disable(
        &self,
        claimed: &Claimed,
        learned: Learned,
        keep: Duration,
    ) -> Result<u64, Error> {
        let (home, id) = (&claimed.endpoint.home().locality, claimed.endpoint.uuid());
        self.run(&sql::webhooks::endpoint_disable, &[home, &id, &learned.failure]).await?;
        let event = claimed.event.id;
        let params: &Params<'_> = &[
            home,
            &id,
            &event.about,
            &event.seq,
            &learned.status(),
            &learned.failure,
            &seconds(keep),
        ];
        self.run(&sql::webhooks::deliveries_drop, params).await
    }

    /// Deliveries that are due, for this node to try; none of lanes without room.
    pub async fn delivery_claim(
        &self,
        home: RegionId,
        owner: &str,
        lease: Duration,
        closed: &[i64],
        most: i64,
    ) -> Result<Vec<Claimed>, Error> {
        let params: &Params<'_> = &[&home.locality, &owner, &millis(lease), &closed, &most];
        let rows = self.all(&sql::webhooks::delivery_claim, params).await?;
        Ok(rows
            .iter()
            .map(|row| {
                let endpoint = EndpointId::from_parts(home, row.get("endpoint_id"));
                Claimed {
                    endpoint,
                    event: event(endpoint, row),
                    lane: row.get("lane"),
                    attempts: row.get("attempts"),
                    epoch: row.get("epoch"),
                }
            })
            .collect())
    }

    /// An event to try an endpoint with; `None` when it is not theirs, or disabled.
    pub async fn ping_insert(
        &self,
        traveller: TravellerId,
        id: EndpointId,
    ) -> Result<Option<DeliveryRow>, Error> {
        let params: &Params<'_> = &[&traveller.home().locality, &traveller.uuid(), &id.uuid()];
        let row = self.opt(&sql::webhooks::ping_insert, params).await?;
        row.map(|row| delivery_row(id, &row)).transpose()
    }

    /// Delivers an event once more; `None` when it is not theirs, forgotten, or disabled.
    pub async fn delivery_redeliver(
        &self,
        traveller: TravellerId,
        id: EndpointId,
        event: EventId,
    ) -> Result<Option<DeliveryRow>, Error> {
        let params: &Params<'_> =
            &[&traveller.home().locality, &traveller.uuid(), &id.uuid(), &event.about, &event.seq];
        let row = self.opt(&sql::webhooks::delivery_redeliver, params).await?;
        row.map(|row| delivery_row(id, &row)).transpose()
    }

    /// Forgets a batch of deliveries that were settled long ago; how many.
    pub async fn delivery_purge(&self, home: RegionId) -> Result<u64, Error> {
        self.run(&sql::webhooks::delivery_purge, &[&home.locality]).await
    }
}

impl Reader<'_> {
    /// A traveller's endpoints, oldest first.
    pub async fn endpoint_list(&self, traveller: TravellerId) -> Result<Vec<EndpointRow>, Error> {
        let home = traveller.home();
        let params: &Params<'_> = &[&home.locality, &traveller.uuid()];
        let rows = self.all(&sql::webhooks::endpoint_list, params).await?;
        Ok(rows.iter().map(|row| endpoint_row(home, row)).collect())
    }

    /// What a worker needs to deliver to some endpoints; those that are gone are not there.
    pub async fn endpoints_open(
        &self,
        home: RegionId,
        ids: &[Uuid],
    ) -> Result<Vec<OpenEndpoint>, Error> {
        let rows = self.all(&sql::webhooks::endpoints_open, &[&home.locality, &ids]).await?;
        Ok(rows
            .iter()
            .map(|row| OpenEndpoint {
                id: EndpointId::from_parts(home, row.get("id")),
                traveller: TravellerId::from_parts(home, row.get("traveller_id")),
                data_key: row.get("data_key"),
                url: row.get("url"),
                secret: row.get("secret"),
                old_secret: row.get("old_secret"),
            })
            .collect())
    }

    /// What went to an endpoint, newest first; `None` when it is not theirs.
    pub async fn delivery_list(
        &self,
        traveller: TravellerId,
        id: EndpointId,
        most: i64,
    ) -> Result<Option<Vec<DeliveryRow>>, Error> {
        let params: &Params<'_> =
            &[&traveller.home().locality, &traveller.uuid(), &id.uuid(), &most];
        let rows = self.all(&sql::webhooks::delivery_list, params).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        // An endpoint that nothing went to is one row of nulls.
        let there = rows.iter().filter(|row| row.get::<_, Option<Uuid>>("about").is_some());
        there.map(|row| delivery_row(id, row)).collect::<Result<_, _>>().map(Some)
    }
}

fn endpoint_row(home: RegionId, row: &Row) -> EndpointRow {
    EndpointRow {
        id: EndpointId::from_parts(home, row.get("id")),
        url: row.get("url"),
        events: row.get("events"),
        created_at: row.get("created_at"),
        disabled_at: row.get("disabled_at"),
        disabled_why: row.get("disabled_why"),
    }
}

fn delivery_row(endpoint: EndpointId, row: &Row) -> Result<DeliveryRow, Error> {
    Ok(DeliveryRow {
        event: event(endpoint, row),
        state: parse(row.get("state"))?,
        attempts: row.get("attempts"),
        last_status: row.get("last_status"),
        last_failure: row.get("last_failure"),
        created_at: row.get("created_at"),
        attempted_at: row.get("attempted_at"),
        settled_at: row.get("settled_at"),
        due_at: row.get("due_at"),
    })
}

/// Only orders have a state.
fn event(endpoint: EndpointId, row: &Row) -> Event {
    let id = EventId { about: row.get("about"), seq: row.get("seq") };
    let subject = match row.get("order_state") {
        Some(state) => Subject::Order(OrderId::from_parts(endpoint.home(), id.about), state),
        None => Subject::Endpoint(endpoint),
    };
    let name = told_as(row.get("kind")).to_owned();
    Event { id, name, occurred_at: row.get("occurred_at"), subject }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
