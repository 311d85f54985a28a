//! Orders: accepting and reading them; what their travellers do to them is in [`acting`], what that
//! would cost in [`quoting`]. What happens after that is the driver's.

pub mod acting;
mod asking;
pub mod callbacks;
pub mod driver;
pub mod idempotency;
pub mod paging;
pub mod quoting;
pub mod saga;
pub mod view;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::clock::Deadline;
use crate::domain::ids::OrderId;
use crate::domain::money::{Currency, Money};
use crate::domain::offer::Terms;
use crate::domain::order::{OrderKind, State};
use crate::domain::traveller::Passenger;
use crate::privacy::keys::Keys;
use crate::privacy::seal::{Broken, DataKey, Place};
use crate::search::{Finder, OFFER_LIFE, Offer, OfferError};
use crate::store::idempotency::Reply;
use crate::store::inventory::SeatWish;
use crate::store::orders::{EventRow, Mine, NewOrder, OrderRow, SealedPassenger};
use crate::store::travellers::Session;
use crate::store::{self, Abort, Store};
use crate::travellers::hash_token;
use crate::worker::Dispatch;
use idempotency::{ACCEPTED, Answer, Request};
use paging::{Cursor, Page};
use view::OrderView;

/// Longest that an acceptance may take.
const ACCEPT_PATIENCE: Duration = Duration::from_secs(3);
/// How long a node may work on an order before another takes over; longer than any single call.
pub const LEASE: Duration = Duration::from_secs(10);

/// From which age on airlines let somebody fly alone, and children with them.
pub const ALONE_FROM_YEARS: i64 = 16;

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

/// Who asks.
pub struct Asker<'a> {
    /// Their session.
    pub session: &'a Session,
    /// Its token.
    pub token: &'a str,
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

/// Why something was not done to an order.
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
    /// Nobody in the party may fly alone.
    #[error("the party is too young")]
    Unaccompanied,
    /// The offer is for another number of people than the order.
    #[error("the order is for another number of passengers")]
    OtherParty {
        /// For how many it is.
        booked: u8,
    },
    /// The offer is in other money than the order.
    #[error("the offer is in another currency")]
    OtherMoney {
        /// What the order is in.
        currency: Currency,
    },
    /// Somebody else has the last seat.
    #[error("no seats are left")]
    SoldOut,
    /// The key was used for another request.
    #[error("this key was used for another request")]
    KeyReused,
    /// The same request is being answered at this moment.
    #[error("this key's request is under way")]
    InFlight,
    /// It was done so long ago that only the fact is known.
    #[error("this was done before")]
    AlreadyCreated {
        /// Where what was made can be read.
        location: String,
    },
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
    /// The order is another version by now than the traveller has seen.
    #[error("the order has changed")]
    Stale,
    /// The quote may no longer be confirmed.
    #[error("the quote has expired")]
    QuoteExpired,
    /// The quote was confirmed before.
    #[error("the quote was confirmed")]
    QuoteConfirmed,
    /// The airline does not change this ticket.
    #[error("not changeable")]
    NotChangeable,
    /// The airline's price is another one than the offer's.
    #[error("the price has changed")]
    PriceChanged,
    /// The change costs something, and nothing was sent to pay it with.
    #[error("a payment is missing")]
    PaymentMissing,
    /// The change costs nothing, and a payment was sent.
    #[error("nothing is to be paid")]
    PaymentIdle,
    /// The airline gave no answer; nothing was done.
    #[error("the airline gives no answer")]
    ProviderAway,
    /// A seal did not open.
    #[error(transparent)]
    Sealed(#[from] Broken),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Refusal {
    /// Whether the same request would be refused for ever: then the refusal is what its key stands
    /// for. What was only malformed, early or not heard may be sent again.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::SoldOut | Self::Conflict { .. } | Self::HoldExpired)
    }
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
                    if !tx.order_accept(&new, &reply).await.map_err(in_flight)? {
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
        Ok(Answer::first(ACCEPTED, reply))
    }

    /// One's own order, by token alone: session and order in one statement.
    pub async fn get(&self, order: OrderId, token: &str) -> Result<Mine<OrderRow>, store::Error> {
        self.store.fresh().order_get(order, &hash_token(token)).await
    }

    /// One's own orders, newest first, a page at a time, and where the next page begins.
    pub async fn list(
        &self,
        session: &Session,
        page: &Page,
    ) -> Result<(Vec<OrderRow>, Option<Cursor>), store::Error> {
        let (most, behind) = (page.limit.get(), page.behind());
        let more = i64::from(most) + 1;
        let mut rows =
            self.store.fresh().order_list(session.traveller, more, behind, page.state).await?;
        let next = rows.len() > usize::from(most);
        rows.truncate(usize::from(most));
        let last = rows.last().filter(|_| next);
        let cursor = last.map(|row| Cursor { at: row.created_at, id: row.id.uuid() });
        Ok((rows, cursor))
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

    /// An order as its traveller reads it.
    pub fn view(&self, row: OrderRow) -> OrderView {
        let offer_id = reoffered(&self.finder, &row);
        OrderView::of(row, offer_id)
    }

    /// Keeps a refusal as what its key stands for, unless the key stands for something by now.
    pub async fn refuse_for_good(
        &self,
        session: &Session,
        request: &Request,
        status: u16,
        body: Vec<u8>,
    ) -> Result<Answer, Refusal> {
        let (traveller, reply) = (session.traveller, request.with(String::new(), body));
        let stored = self
            .store
            .tx("idempotency_put", Deadline::after(ACCEPT_PATIENCE), |tx| {
                let reply = reply.clone();
                async move {
                    if tx.idempotency_put(traveller, status, None, &reply).await? {
                        return Ok(None);
                    }
                    let stored = tx.idempotency_get(traveller, &reply.key_hash).await?;
                    Answer::replayed(stored, &reply.request_hash).map(Some)
                }
            })
            .await?;
        Ok(stored.unwrap_or_else(|| Answer::first(status, reply)))
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
        let (terms, offer) = self.finder.bookable(&booking.offer)?;
        let now = self.finder.clock.now();
        if usize::from(terms.passengers) != booking.passengers.len() {
            return Err(Refusal::Passengers { offered: terms.passengers });
        }
        let leaves = offer.slices[0].segments[0].departs_on();
        let grown = |p: &Passenger| p.born_on.saturating_add(ALONE_FROM_YEARS.years()) <= leaves;
        if !booking.passengers.iter().any(grown) {
            return Err(Refusal::Unaccompanied);
        }
        let segments = offer.slices.iter().flat_map(|slice| &slice.segments);
        let flown_at = flown_at(segments.map(|segment| segment.arrives)).unwrap_or(now);
        let id = OrderId::new(session.traveller.home());
        let data_key = self.data_key(session)?;
        let new = NewOrder {
            id,
            traveller: session.traveller,
            kind: booking.kind,
            itinerary: itinerary(&offer),
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

/// A wait for a lock that was given up: whoever has the key or the order is not done yet.
fn in_flight(error: store::Error) -> Abort<Refusal> {
    match error.sql_state() {
        "55P03" => Abort::Refused(Refusal::InFlight),
        _ => Abort::Failed(error),
    }
}

/// What an order is about, as it is stored and as the airline is told.
fn itinerary(offer: &Offer) -> Value {
    json!({ "slices": offer.slices, "cabin": offer.cabin, "passengers": offer.passengers })
}

/// The price that the airline named instead of an order's, as an offer.
fn reoffered(finder: &Finder, row: &OrderRow) -> Option<String> {
    let total = Money { amount_minor: row.price_change_minor?, ..row.total };
    let until = row.updated_at + OFFER_LIFE;
    finder.reoffer(row.itinerary.get(), total, until)
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
