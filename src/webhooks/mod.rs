//! Webhooks: where a traveller's own programs are told what happens to their orders. Registering,
//! rotating secrets, looking at deliveries; that an event becomes a delivery is the relay's, that a
//! delivery arrives the [`deliverer`]'s.

pub mod deliverer;
pub mod guard;
pub mod lanes;
pub mod view;

use std::time::Duration;

use crate::clock::Deadline;
use crate::domain::event::EventId;
use crate::domain::ids::EndpointId;
use crate::domain::signed_message::Secret;
use crate::privacy::keys::Keys;
use crate::privacy::seal::{Broken, DataKey, Place};
use crate::store::travellers::Session;
use crate::store::webhooks::{EndpointRow, NewEndpoint};
use crate::store::{self, Abort, Store, uncut};
use guard::{Forbidden, Reach, Target};
use view::{DeliveryView, EndpointView};

/// Most endpoints of a traveller.
pub const ENDPOINTS_MAX: i64 = 10;
/// Most deliveries of one list.
pub const LIST_MAX: i64 = 100;
/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;
/// How long an old secret signs along with the new one.
const OLD_SECRET_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest that a transaction may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Webhooks of one region's travellers.
#[derive(Clone)]
pub struct Webhooks {
    /// The database.
    pub store: Store,
    /// The region's keys.
    pub keys: Keys,
    /// Where webhooks may go.
    pub reach: Reach,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Webhooks may not go there.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The traveller has as many as they may.
    #[error("no more endpoints")]
    TooMany,
    /// There is no such endpoint, or delivery, of this traveller.
    #[error("no such endpoint or delivery")]
    NotFound,
    /// Nothing goes to this endpoint any more.
    #[error("the endpoint is disabled")]
    Disabled,
    /// A seal did not open.
    #[error(transparent)]
    Sealed(#[from] Broken),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<Abort<Self>> for Refusal {
    fn from(abort: Abort<Self>) -> Self {
        match abort {
            Abort::Refused(refusal) => refusal,
            Abort::Failed(error) => error.into(),
        }
    }
}

impl Webhooks {
    /// A new endpoint, with its secret, which is shown this once.
    pub async fn register(
        &self,
        session: &Session,
        url: &str,
        events: Option<Vec<&'static str>>,
    ) -> Result<EndpointView, Refusal> {
        let target = Target::parse(url, self.reach)?;
        target.look_up(self.reach).await?;
        let key = self.data_key(session)?;
        let (id, secret) = (EndpointId::new(session.traveller.home()), new_secret());
        let new = NewEndpoint {
            id,
            traveller: session.traveller,
            url: key.seal(url_place(id), target.url().as_str()),
            secret: key.seal(place(id, "secret"), &secret.reveal()),
            lane: target.lane(),
            events: events.clone(),
        };
        let store = self.store.clone();
        let writing = async move {
            store
                .tx("endpoint_insert", Deadline::after(PATIENCE), |tx| {
                    let new = new.clone();
                    async move {
                        let made = tx.endpoint_insert(&new, ENDPOINTS_MAX).await?;
                        made.ok_or(Abort::Refused(Refusal::TooMany))
                    }
                })
                .await
        };
        let created_at = uncut(writing).await?;
        let url = target.url().to_string();
        Ok(EndpointView::new(id, url, events.as_deref(), created_at).with_secret(&secret, None))
    }

    /// One's own endpoints, oldest first.
    pub async fn list(&self, session: &Session) -> Result<Vec<EndpointView>, Refusal> {
        let key = self.data_key(session)?;
        let rows = self.store.fresh().endpoint_list(session.traveller).await?;
        rows.into_iter().map(|row| self.opened(&key, row)).collect()
    }

    /// Forgets an endpoint and everything that was on its way there.
    pub async fn delete(&self, session: &Session, id: EndpointId) -> Result<(), Refusal> {
        let (store, traveller) = (self.store.clone(), session.traveller);
        let deadline = Deadline::after(PATIENCE);
        let writing = async move { store.endpoint_delete(deadline, traveller, id).await };
        if uncut(writing).await? { Ok(()) } else { Err(Refusal::NotFound) }
    }

    /// A new secret, which is shown this once; the old one signs along for a day.
    pub async fn rotate(&self, session: &Session, id: EndpointId) -> Result<EndpointView, Refusal> {
        let (key, secret) = (self.data_key(session)?, new_secret());
        let sealed = key.seal(place(id, "secret"), &secret.reveal());
        let (store, traveller) = (self.store.clone(), session.traveller);
        let writing = async move {
            store
                .tx("endpoint_rotate", Deadline::after(PATIENCE), |tx| {
                    let sealed = sealed.clone();
                    async move {
                        let rotated =
                            tx.endpoint_rotate(traveller, id, &sealed, OLD_SECRET_LIFE).await?;
                        rotated.ok_or(Abort::Refused(Refusal::NotFound))
                    }
                })
                .await
        };
        let (row, until) = uncut(writing).await?;
        Ok(self.opened(&key, row)?.with_secret(&secret, Some(until)))
    }

    /// Sends an event to try an endpoint with.
    pub async fn ping(&self, session: &Session, id: EndpointId) -> Result<DeliveryView, Refusal> {
        let (store, traveller) = (self.store.clone(), session.traveller);
        let writing = async move {
            store
                .transact("ping_insert", Deadline::after(PATIENCE), |tx| async move {
                    tx.ping_insert(traveller, id).await
                })
                .await
        };
        match uncut(writing).await? {
            Some(row) => Ok(DeliveryView::from(row)),
            None => Err(self.why_not(session, id).await?),
        }
    }

    /// What went to an endpoint and what became of it, newest first.
    pub async fn deliveries(
        &self,
        session: &Session,
        id: EndpointId,
    ) -> Result<Vec<DeliveryView>, Refusal> {
        let rows = self.store.fresh().delivery_list(session.traveller, id, LIST_MAX).await?;
        let rows = rows.ok_or(Refusal::NotFound)?;
        Ok(rows.into_iter().map(DeliveryView::from).collect())
    }

    /// Delivers an event once more, from the start.
    pub async fn redeliver(
        &self,
        session: &Session,
        id: EndpointId,
        event: EventId,
    ) -> Result<DeliveryView, Refusal> {
        let (store, traveller) = (self.store.clone(), session.traveller);
        let writing = async move {
            store
                .transact("delivery_redeliver", Deadline::after(PATIENCE), |tx| async move {
                    tx.delivery_redeliver(traveller, id, event).await
                })
                .await
        };
        match uncut(writing).await? {
            Some(row) => Ok(DeliveryView::from(row)),
            None => Err(self.why_not(session, id).await?),
        }
    }

    /// Nothing was written: because of the endpoint, or because there is none.
    async fn why_not(&self, session: &Session, id: EndpointId) -> Result<Refusal, Refusal> {
        let rows = self.store.fresh().endpoint_list(session.traveller).await?;
        let disabled = rows.iter().any(|row| row.id == id && row.disabled_at.is_some());
        Ok(if disabled { Refusal::Disabled } else { Refusal::NotFound })
    }

    fn opened(&self, key: &DataKey, row: EndpointRow) -> Result<EndpointView, Refusal> {
        let url = key.open(url_place(row.id), &row.url)?;
        Ok(EndpointView::of(row, url.to_string()))
    }

    fn data_key(&self, session: &Session) -> Result<DataKey, Broken> {
        self.keys.region.unwrap_data_key(session.traveller.uuid(), &session.data_key)
    }
}

fn new_secret() -> Secret {
    let mut bytes = vec![0; SECRET_BYTES];
    getrandom::fill(&mut bytes).expect("the system gives randomness");
    Secret::from_bytes(bytes).expect("long enough for the standard")
}

/// Where an endpoint's address is sealed for.
fn url_place(id: EndpointId) -> Place {
    place(id, "url")
}

fn place(id: EndpointId, column: &'static str) -> Place {
    Place { table: "webhook_endpoint", column, row: id.uuid() }
}
