//! Orders as their travellers make and read them, and their events.

use std::time::Duration;

use jiff::Timestamp;
use meridian_regions::RegionId;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::idempotency::Reply;
use super::inventory::SeatWish;
use super::read::parse;
use super::{Error, Reader, Tx, sql};
use crate::domain::ids::{OrderId, TravellerId};
use crate::domain::itinerary::Cabin;
use crate::domain::money::Money;
use crate::domain::order::{OrderKind, State};
use crate::domain::payment::Payment;

/// A passenger, every field sealed.
#[derive(Clone)]
pub struct SealedPassenger {
    /// Given names.
    pub given_name: Vec<u8>,
    /// Family name.
    pub family_name: Vec<u8>,
    /// Date of birth.
    pub born_on: Vec<u8>,
}

/// An order to be accepted, with everything that its one statement writes.
#[derive(Clone)]
pub struct NewOrder {
    /// Made before the transaction.
    pub id: OrderId,
    /// Who books.
    pub traveller: TravellerId,
    /// Paid now or held.
    pub kind: OrderKind,
    /// Flights, cabin and passenger count as offered.
    pub itinerary: Value,
    /// For everybody.
    pub total: Money,
    /// Sealed payment token, for an instant order.
    pub payment_token: Option<Vec<u8>>,
    /// Who flies.
    pub passengers: Vec<SealedPassenger>,
    /// Which seats.
    pub seats: Vec<SeatWish>,
    /// Of which class.
    pub cabin: Cabin,
    /// When it was accepted, by the node's clock; shown to the traveller.
    pub created_at: Timestamp,
    /// A day after the last landing.
    pub flown_at: Timestamp,
    /// The node that goes on with it at once.
    pub owner: String,
    /// How long that node may work before others take over.
    pub lease: Duration,
}

/// A traveller's own step on an order.
#[derive(Clone)]
pub struct Act {
    /// On which.
    pub order: OrderId,
    /// By whom.
    pub traveller: TravellerId,
    /// The version that the decision was made on.
    pub version: i64,
    /// The state after it.
    pub state: State,
    /// The event that is written.
    pub event: &'static str,
    /// What has to go back because of it.
    pub owed_minor: i64,
    /// Sealed payment token, for a payment.
    pub payment_token: Option<Vec<u8>>,
    /// The quote that is confirmed by it.
    pub quote: Option<Uuid>,
    /// The change that begins with it.
    pub change: Option<Value>,
    /// When, by the node's clock.
    pub at: Timestamp,
    /// The node that goes on with it at once.
    pub owner: String,
    /// How long that node may work before others take over.
    pub lease: Duration,
}

/// What became of an [`Act`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// Done; the worker goes on under this epoch.
    Done(i64),
    /// The key was used before.
    Replayed,
    /// The order has moved on.
    Stale,
}

/// An order as its traveller sees it.
#[derive(Clone, Debug)]
pub struct OrderRow {
    /// Which.
    pub id: OrderId,
    /// Paid now or held.
    pub kind: OrderKind,
    /// Where it is in its life.
    pub state: State,
    /// Number of its last event.
    pub version: i64,
    /// Flights, cabin and passenger count as offered.
    pub itinerary: Box<RawValue>,
    /// For everybody.
    pub total: Money,
    /// The airline's record locator.
    pub booking_reference: Option<String>,
    /// Ticket numbers.
    pub documents: Option<Value>,
    /// Until when the airline keeps the seats.
    pub payment_required_by: Option<Timestamp>,
    /// Why it came to nothing.
    pub failure: Option<String>,
    /// Whether a payment is under way, so that its outcome must be awaited.
    pub paying: bool,
    /// The price that the airline named instead.
    pub price_change_minor: Option<i64>,
    /// Where the cardholder must go.
    pub action_url: Option<String>,
    /// The airline's own change, if one is known.
    pub disruption: Option<Value>,
    /// What of the total is fees of changes.
    pub fees_minor: i64,
    /// Money that was asked for.
    pub payments: Vec<Payment>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its last event was written.
    pub updated_at: Timestamp,
}

/// An order's event.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// 0 and up without a gap.
    pub seq: i64,
    /// Its name.
    pub kind: String,
    /// The state after it.
    pub state: String,
    /// Codes, no names.
    pub body: Value,
    /// When it was written.
    pub created_at: Timestamp,
}

impl Tx {
    /// Writes the key, the order, its passengers, seats, first event and first message at once;
    /// `false` when the key was used before, and then nothing was written.
    pub async fn order_accept(&self, new: &NewOrder, reply: &Reply) -> Result<bool, Error> {
        let people: Vec<i64> = (1..).take(new.passengers.len()).collect();
        let given: Vec<&[u8]> = new.passengers.iter().map(|p| p.given_name.as_slice()).collect();
        let family: Vec<&[u8]> = new.passengers.iter().map(|p| p.family_name.as_slice()).collect();
        let born: Vec<&[u8]> = new.passengers.iter().map(|p| p.born_on.as_slice()).collect();
        let places: Vec<i64> = (1..).take(new.seats.len()).collect();
        let countries: Vec<&str> = new.seats.iter().map(|s| s.departs_from.code()).collect();
        let flights: Vec<&str> = new.seats.iter().map(|seat| seat.flight.as_str()).collect();
        let days: Vec<jiff::civil::Date> = new.seats.iter().map(|seat| seat.departs_on).collect();
        let row = self
            .opt(
                &sql::orders::order_accept,
                &[
                    &new.id.home().locality,
                    &new.traveller.uuid(),
                    &reply.key_hash,
                    &reply.request_hash,
                    &reply.location,
                    &reply.body,
                    &new.id.uuid(),
                    &new.kind.name(),
                    &new.owner,
                    &millis(new.lease),
                    &new.itinerary,
                    &new.total.amount_minor,
                    &new.total.currency.code(),
                    &new.payment_token,
                    &new.created_at,
                    &people,
                    &given,
                    &family,
                    &born,
                    &places,
                    &countries,
                    &flights,
                    &days,
                    &new.cabin.name(),
                    &i64::try_from(new.passengers.len()).expect("at most nine passengers"),
                    &new.flown_at,
                ],
            )
            .await?;
        Ok(row.is_some())
    }

    /// Writes a traveller's step and fences whoever was working on the order.
    pub async fn order_act(&self, act: &Act, reply: &Reply) -> Result<Acted, Error> {
        let row = self
            .one(
                &sql::orders::order_act,
                &[
                    &act.order.home().locality,
                    &act.traveller.uuid(),
                    &reply.key_hash,
                    &reply.request_hash,
                    &reply.location,
                    &reply.body,
                    &act.order.uuid(),
                    &act.version,
                    &act.state.name(),
                    &act.owner,
                    &millis(act.lease),
                    &act.at,
                    &act.payment_token,
                    &act.event,
                    &act.owed_minor,
                    &act.quote,
                    &act.change,
                ],
            )
            .await?;
        Ok(match (row.get::<_, i64>("keys"), row.get::<_, Option<i64>>("epoch")) {
            (0, _) => Acted::Replayed,
            (_, Some(epoch)) => Acted::Done(epoch),
            (_, None) => Acted::Stale,
        })
    }
}

/// What an order's traveller may read.
#[derive(Debug)]
pub enum Mine<T> {
    /// It is theirs.
    Found(T),
    /// It is not, or does not exist; the same to them.
    NotFound,
    /// The session is not open.
    NoSession,
}

impl Reader<'_> {
    /// One's own order, and whether the session is open, in one statement.
    pub async fn order_get(&self, id: OrderId, token_hash: &[u8]) -> Result<Mine<OrderRow>, Error> {
        let row = self
            .opt(&sql::orders::order_get, &[&id.home().locality, &token_hash, &id.uuid()])
            .await?;
        Ok(match row {
            None => Mine::NoSession,
            Some(row) if row.get::<_, Option<Uuid>>("id").is_none() => Mine::NotFound,
            Some(row) => Mine::Found(order_row(id.home(), &row)?),
        })
    }

    /// One's own orders, newest first: those behind a place, in a state if one is named.
    pub async fn order_list(
        &self,
        traveller: TravellerId,
        most: i64,
        behind: (Timestamp, Uuid),
        state: Option<State>,
    ) -> Result<Vec<OrderRow>, Error> {
        let (at, id) = behind;
        let params: &super::read::Params<'_> = &[
            &traveller.home().locality,
            &traveller.uuid(),
            &most,
            &at,
            &id,
            &state.map(State::name),
        ];
        let rows = self.all(&sql::orders::order_list, params).await?;
        rows.iter().map(|row| order_row(traveller.home(), row)).collect()
    }

    /// The history of one's own order; empty when it is not theirs.
    pub async fn order_events(
        &self,
        id: OrderId,
        traveller: TravellerId,
    ) -> Result<Vec<EventRow>, Error> {
        let params: &super::read::Params<'_> =
            &[&id.home().locality, &id.uuid(), &traveller.uuid()];
        let rows = self.all(&sql::orders::order_events, params).await?;
        Ok(rows
            .iter()
            .map(|row| EventRow {
                seq: row.get("seq"),
                kind: row.get("kind"),
                state: row.get("state"),
                body: row.get("body"),
                created_at: row.get("created_at"),
            })
            .collect())
    }

    /// How many orders of a region are where.
    pub async fn order_states(&self, home: RegionId) -> Result<Vec<(String, i64)>, Error> {
        let rows = self.all(&sql::orders::order_states, &[&home.locality]).await?;
        Ok(rows.iter().map(|row| (row.get("state"), row.get("orders"))).collect())
    }
}

fn order_row(home: RegionId, row: &Row) -> Result<OrderRow, Error> {
    Ok(OrderRow {
        id: OrderId::from_parts(home, row.get("id")),
        kind: parse(row.get("kind"))?,
        state: parse(row.get("state"))?,
        version: row.get("version"),
        // As the database has it: read once, sent as it is, never taken apart.
        itinerary: row.get::<_, Json<Box<RawValue>>>("itinerary").0,
        total: money(row)?,
        booking_reference: row.get("booking_reference"),
        documents: row.get("documents"),
        payment_required_by: row.get("payment_required_by"),
        failure: row.get("failure"),
        paying: row.get("paying"),
        price_change_minor: row.get("price_change_minor"),
        action_url: row.get("action_url"),
        disruption: row.get("disruption"),
        fees_minor: row.get("fees_minor"),
        payments: payments(row)?,
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    })
}

pub(super) fn money(row: &Row) -> Result<Money, Error> {
    let amount_minor = row.get("total_minor");
    let currency = row.get::<_, &str>("currency").parse().map_err(Error::Unreadable)?;
    Ok(Money { amount_minor, currency })
}

/// The payments of a row, as the statements put them together.
pub(super) fn payments(row: &Row) -> Result<Vec<Payment>, Error> {
    let listed = row.try_get::<_, Json<Vec<Payment>>>("payments");
    listed.map(|Json(listed)| listed).map_err(|error| Error::Unreadable(error.to_string()))
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
