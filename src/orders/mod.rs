//! Orders: accepting, paying, cancelling. What happens after that is the driver's.

mod asking;
pub mod callbacks;
pub mod driver;
pub mod idempotency;
pub mod saga;
pub mod view;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::clock::Deadline;
use crate::domain::ids::OrderId;
use crate::domain::offer::Terms;
use crate::domain::order::{OrderKind, State, Trigger};
use crate::domain::payment::Payment;
use crate::domain::traveller::Passenger;
use crate::privacy::keys::Keys;
use crate::privacy::seal::{Broken, DataKey, Place};
use crate::search::{Finder, OfferError};
use crate::store::idempotency::Reply;
use crate::store::inventory::SeatWish;
use crate::store::orders::{Act, Acted, EventRow, Mine, NewOrder, OrderRow, SealedPassenger};
use crate::store::travellers::Session;
use crate::store::{self, Abort, Store};
use crate::travellers::hash_token;
use crate::worker::Dispatch;
use idempotency::{Answer, Request};
use view::OrderView;

/// Longest that an acceptance may take.
const ACCEPT_PATIENCE: Duration = Duration::from_secs(3);
/// How long a node may work on an order before another takes over; longer than any single call.
pub const LEASE: Duration = Duration::from_secs(10);
/// Most orders of one list.
pub const LIST_MAX: i64 = 100;

/// Orders of one region's travellers.
#[derive(Clone)]
pub struct Orders {
    /// The database.
    pub store: Store,
    /// Offers.
    pub finder: Finder,
    /// The region's keys.
    pub keys: Keys,
    /// Where accepted orders are handed to.
    pub dispatch: Dispatch,
    /// This node's name, under which it holds leases.
    pub node: String,
    /// How long it holds them.
    pub lease: Duration,
}

/// What a traveller asks for when booking.
pub struct Booking {
    /// Paid now or held.
    pub kind: OrderKind,
    /// The offer's id.
    pub offer: String,
    /// Who flies.
    pub passengers: Vec<Passenger>,
    /// The payment provider's token, for an instant order.
    pub payment_token: Option<String>,
}

/// Why an order was not accepted, paid or cancelled.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The offer is none of ours, or stands no longer.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The offer is for another number of people.
    #[error("the offer is for another number of passengers")]
    Passengers {
        /// For how many.
        offered: u8,
    },
    /// Somebody else has the last seat.
    #[error("no seats are left")]
    SoldOut,
    /// The key was used for another request.
    #[error("this key was used for another request")]
    KeyReused,
    /// There is no such order of this traveller.
    #[error("no such order")]
    NotFound,
    /// Not in this state.
    #[error("the order is {state}")]
    Conflict {
        /// The state it is in.
        state: State,
    },
    /// A payment is under way, and its outcome decides what may be done.
    #[error("a payment is under way")]
    Paying,
    /// The time to pay has passed.
    #[error("the hold has expired")]
    HoldExpired,
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

impl Orders {
    /// Accepts a booking: key, order, passengers, seats, event, message and reply in one
    /// transaction.
    pub async fn accept(
        &self,
        session: &Session,
        request: &Request,
        booking: Booking,
    ) -> Result<Answer, Refusal> {
        let (new, reply) = match self.prepare(session, request, booking) {
            Ok(prepared) => prepared,
            // An offer that expired between two tries must not turn a stored yes into a no.
            Err(Refusal::Offer(error)) => {
                return self.replay(session, request).await?.ok_or(Refusal::Offer(error));
            }
            Err(other) => return Err(other),
        };
        let seats = i64::try_from(new.passengers.len()).expect("at most nine passengers");
        let accepted = self
            .store
            .tx("order_accept", Deadline::after(ACCEPT_PATIENCE), |tx| {
                let (new, reply) = (new.clone(), reply.clone());
                async move {
                    if !tx.order_accept(&new, &reply).await? {
                        let stored = tx.idempotency_get(new.traveller, &reply.key_hash).await?;
                        return Answer::replayed(stored, &reply.request_hash).map(Some);
                    }
                    // Seats last: a flight's row is what rivals wait for, so it is held shortest.
                    if !tx.seats_hold(&new.seats, new.cabin, seats).await? {
                        return Err(Abort::Refused(Refusal::SoldOut));
                    }
                    Ok(None)
                }
            })
            .await?;
        if let Some(replayed) = accepted {
            return Ok(replayed);
        }
        self.dispatch.hand_over(new.id, 1);
        Ok(Answer::first(reply))
    }

    /// Sends a payment for a held order.
    pub async fn pay(
        &self,
        session: &Session,
        request: &Request,
        token: &str,
        order: OrderId,
        payment_token: String,
    ) -> Result<Answer, Refusal> {
        self.act(session, request, token, order, Trigger::PaymentRequested, Some(payment_token))
            .await
    }

    /// Cancels an order.
    pub async fn cancel(
        &self,
        session: &Session,
        request: &Request,
        token: &str,
        order: OrderId,
    ) -> Result<Answer, Refusal> {
        self.act(session, request, token, order, Trigger::CancelRequested, None).await
    }

    /// One's own order, by token alone: session and order in one statement.
    pub async fn get(&self, order: OrderId, token: &str) -> Result<Mine<OrderRow>, store::Error> {
        self.store.fresh().order_get(order, &hash_token(token)).await
    }

    /// One's own orders, newest first.
    pub async fn list(&self, session: &Session) -> Result<Vec<OrderRow>, store::Error> {
        self.store.fresh().order_list(session.traveller, LIST_MAX).await
    }

    /// The history of one's own order.
    pub async fn events(
        &self,
        session: &Session,
        order: OrderId,
    ) -> Result<Vec<EventRow>, Refusal> {
        let events = self.store.fresh().order_events(order, session.traveller).await?;
        if events.is_empty() { Err(Refusal::NotFound) } else { Ok(events) }
    }

    async fn act(
        &self,
        session: &Session,
        request: &Request,
        token: &str,
        order: OrderId,
        trigger: Trigger,
        payment_token: Option<String>,
    ) -> Result<Answer, Refusal> {
        let row = match self.get(order, token).await? {
            Mine::Found(row) => row,
            Mine::NotFound | Mine::NoSession => return Err(Refusal::NotFound),
        };
        let now = self.finder.clock.now();
        let late = trigger == Trigger::PaymentRequested
            && row.payment_required_by.is_some_and(|until| now >= until);
        // While the provider is being asked, nobody knows whether money is reserved: another
        // payment could reserve it twice, and a cancellation could leave it reserved.
        let possible = !late && !row.paying;
        let Some(rule) = row.state.on(trigger).filter(|_| possible) else {
            // A repeated request finds the order already moved by its own first try.
            let refusal = if row.paying {
                Refusal::Paying
            } else if late && row.state == State::Held {
                Refusal::HoldExpired
            } else {
                Refusal::Conflict { state: row.state }
            };
            return self.replay(session, request).await?.ok_or(refusal);
        };
        let data_key = self.data_key(session)?;
        let act = Act {
            order,
            traveller: session.traveller,
            version: row.version,
            state: rule.to,
            event: rule.event,
            // What was taken by then goes back, whole.
            owed_minor: row.payments.iter().map(Payment::left_minor).sum(),
            payment_token: payment_token.map(|text| data_key.seal(token_place(order), &text)),
            at: now,
            owner: self.node.clone(),
            lease: self.lease,
        };
        let view = OrderView::from(OrderRow {
            state: rule.to,
            version: row.version + 1,
            paying: trigger == Trigger::PaymentRequested,
            failure: None,
            updated_at: now,
            ..row
        });
        let reply = request.reply(format!("/v1/orders/{order}"), &view);
        self.write_act(act, reply, rule.from).await
    }

    /// Writes a traveller's step, or finds that it was written before, or that it comes too late.
    async fn write_act(&self, act: Act, reply: Reply, state: State) -> Result<Answer, Refusal> {
        let order = act.order;
        let outcome = self
            .store
            .tx("order_act", Deadline::after(ACCEPT_PATIENCE), |tx| {
                let (act, reply) = (act.clone(), reply.clone());
                async move {
                    match tx.order_act(&act, &reply).await? {
                        Acted::Done(epoch) => Ok(Ok(epoch)),
                        Acted::Stale => Err(Abort::Refused(Refusal::Conflict { state })),
                        Acted::Replayed => {
                            let stored = tx.idempotency_get(act.traveller, &reply.key_hash).await?;
                            Ok(Err(Answer::replayed(stored, &reply.request_hash)?))
                        }
                    }
                }
            })
            .await?;
        match outcome {
            Ok(epoch) => {
                self.dispatch.hand_over(order, epoch);
                Ok(Answer::first(reply))
            }
            Err(replayed) => Ok(replayed),
        }
    }

    /// What this key was answered before, if it was.
    async fn replay(
        &self,
        session: &Session,
        request: &Request,
    ) -> Result<Option<Answer>, Refusal> {
        let traveller = session.traveller;
        self.store
            .tx("idempotency_get", Deadline::after(ACCEPT_PATIENCE), |tx| {
                let request = request.clone();
                async move {
                    match tx.idempotency_get(traveller, &request.key_hash).await? {
                        None => Ok(None),
                        stored => Answer::replayed(stored, &request.request_hash).map(Some),
                    }
                }
            })
            .await
            .map_err(Refusal::from)
    }

    fn data_key(&self, session: &Session) -> Result<DataKey, Broken> {
        self.keys.region.unwrap_data_key(session.traveller.uuid(), &session.data_key)
    }

    /// Everything that needs no transaction: the offer, the seals, the reply.
    fn prepare(
        &self,
        session: &Session,
        request: &Request,
        booking: Booking,
    ) -> Result<(NewOrder, Reply), Refusal> {
        let terms = self.finder.open(&booking.offer)?;
        let offer = self.finder.offer(&terms)?;
        let now = self.finder.clock.now();
        let departed = offer.slices[0].segments[0].departs <= now;
        if departed {
            return Err(OfferError::Expired.into());
        }
        if usize::from(terms.passengers) != booking.passengers.len() {
            return Err(Refusal::Passengers { offered: terms.passengers });
        }
        let segments = offer.slices.iter().flat_map(|slice| &slice.segments);
        let flown_at = flown_at(segments.map(|segment| segment.arrives)).unwrap_or(now);
        let id = OrderId::new(session.traveller.home());
        let data_key = self.data_key(session)?;
        let new = NewOrder {
            id,
            traveller: session.traveller,
            kind: booking.kind,
            itinerary: json!({
                "slices": offer.slices, "cabin": terms.cabin, "passengers": terms.passengers,
            }),
            total: terms.total,
            payment_token: booking
                .payment_token
                .map(|token| data_key.seal(token_place(id), &token)),
            passengers: booking.passengers.iter().map(|p| seal(&data_key, id, p)).collect(),
            seats: seat_wishes(&self.finder, &terms),
            cabin: terms.cabin,
            created_at: now,
            flown_at,
            owner: self.node.clone(),
            lease: self.lease,
        };
        let reply = request.reply(format!("/v1/orders/{id}"), &OrderView::requested(&new));
        Ok((new, reply))
    }
}

/// The seats that an offer's terms need, flight by flight.
pub fn seat_wishes(finder: &Finder, terms: &Terms) -> Vec<SeatWish> {
    terms
        .slices
        .iter()
        .flatten()
        .map(|leg| {
            let pattern = &finder.schedule.patterns[leg.pattern as usize];
            SeatWish {
                departs_from: finder.catalogue.at(pattern.from).country,
                flight: pattern.flight().to_string(),
                departs_on: leg.on,
                capacity: i64::from(pattern.seats_of(terms.cabin)),
            }
        })
        .collect()
}

/// When a journey is over for us: a day after its last landing, when delays are over, too.
fn flown_at(landings: impl Iterator<Item = Timestamp>) -> Option<Timestamp> {
    landings.max()?.saturating_add(SignedDuration::from_hours(24)).ok()
}

/// Where a payment token is sealed for.
fn token_place(order: OrderId) -> Place {
    Place { table: "orders", column: "payment_token", row: order.uuid() }
}

fn passenger_place(order: OrderId, column: &'static str) -> Place {
    Place { table: "order_passenger", column, row: order.uuid() }
}

fn seal(key: &DataKey, order: OrderId, passenger: &Passenger) -> SealedPassenger {
    let place = |column| passenger_place(order, column);
    SealedPassenger {
        given_name: key.seal(place("given_name"), passenger.given_name.expose()),
        family_name: key.seal(place("family_name"), passenger.family_name.expose()),
        born_on: key.seal(place("born_on"), &passenger.born_on.to_string()),
    }
}
