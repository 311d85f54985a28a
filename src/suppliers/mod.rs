//! Other companies: airlines and the payment provider, each a trait with one real implementation
//! over HTTP. Every call that does something has a stable key, a deadline, and one of four ends:
//! done, refused, *unknown*, or not tried — and a time-out is unknown, never refused.
//!
//! Their protocols are `docs/suppliers/payments.openapi.json` and `airline.openapi.json`.

pub mod airline;
pub mod payments;
pub mod sandbox;

mod breaker;
mod gate;
mod http;
mod schedule_change;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::domain::money::Money;
use crate::domain::signed_message::Secret;
use crate::domain::traveller::Passenger;

/// Where the payment provider may tell a region that something happened.
pub const PAYMENTS_CALLBACK: &str = "/v1/callbacks/payments";
/// Where the airlines may.
pub const AIRLINE_CALLBACK: &str = "/v1/callbacks/airline";

/// What each company signs its callbacks with; without a secret it is not listened to.
#[derive(Clone, Default)]
pub struct CallbackSecrets {
    /// The payment provider's.
    pub payments: Option<Secret>,
    /// The airlines'.
    pub airline: Option<Secret>,
}

/// How a call to another company ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// They did it, now or when the same key came before.
    Done(T),
    /// They will not do it, and said so.
    Refused(Reason),
    /// They may have done it. Ask again under the same key.
    Unknown,
    /// Nothing was sent: the breaker is open, or all places are taken. Ask again later.
    NotTried,
}

impl<T> Outcome<T> {
    /// The same end, with what was done put otherwise; what cannot be read is unknown.
    pub fn read<U>(self, read: impl FnOnce(T) -> Option<U>) -> Outcome<U> {
        match self {
            Self::Done(value) => read(value).map_or(Outcome::Unknown, Outcome::Done),
            Self::Refused(reason) => Outcome::Refused(reason),
            Self::Unknown => Outcome::Unknown,
            Self::NotTried => Outcome::NotTried,
        }
    }
}

/// Why they would not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The card was declined.
    Declined,
    /// The cardholder did not prove who they are.
    AuthenticationFailed,
    /// The reserved money could not be taken, this time.
    CaptureFailed,
    /// There is nothing to let go: the money was taken.
    AlreadyCaptured,
    /// No seats are left.
    SoldOut,
    /// The price is another one by now, if they said which.
    PriceChanged(Option<Money>),
    /// A passenger breaks the airline's rules about documents.
    DocumentsInvalid,
    /// The tickets could not be issued, this time.
    TicketingFailed,
    /// The fare allows no such change.
    NotChangeable,
}

impl Reason {
    /// The code that the traveller reads.
    pub fn code(self) -> &'static str {
        match self {
            Self::Declined => "payment_declined",
            Self::AuthenticationFailed => "authentication_failed",
            Self::CaptureFailed => "capture_failed",
            Self::AlreadyCaptured => "already_captured",
            Self::SoldOut => "sold_out",
            Self::PriceChanged(_) => "price_changed",
            Self::DocumentsInvalid => "documents_invalid",
            Self::TicketingFailed => "ticketing_failed",
            Self::NotChangeable => "not_changeable",
        }
    }
}

/// Money that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// The provider's id of it.
    pub reference: String,
    /// How far it is.
    pub status: AuthorizationStatus,
}

/// How far an authorisation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationStatus {
    /// The money is reserved until then; nothing was taken.
    Reserved {
        /// When the reservation ends by itself.
        capture_before: Option<Timestamp>,
    },
    /// The cardholder must prove who they are there (3-D Secure).
    ActionRequired {
        /// The provider's page for it.
        url: String,
    },
}

/// The payment provider. It knows cards; we know tokens.
#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Reserves money on a token.
    async fn authorize(&self, key: &str, total: Money, token: &str) -> Outcome<Authorization>;

    /// How far an authorisation is by now; changes nothing.
    async fn authorization(&self, reference: &str) -> Outcome<Authorization>;

    /// Makes sure that nothing is reserved, or ever will be, under the key of an authorisation
    /// whose outcome is not known or whose cardholder never came back. `Some`: the money had been
    /// reserved before; it still is, and the key stays open.
    async fn close(&self, key: &str) -> Outcome<Option<Authorization>>;

    /// Takes reserved money. A refusal is this try's only: another key may try again.
    async fn capture(&self, key: &str, reference: &str, amount: Money) -> Outcome<()>;

    /// Lets reserved money go; refused with [`Reason::AlreadyCaptured`] when it was taken before.
    async fn void(&self, key: &str, reference: &str) -> Outcome<()>;

    /// Gives taken money back, all or a part.
    async fn refund(&self, key: &str, reference: &str, amount: Money) -> Outcome<()>;
}

/// What an airline is asked to book. Names reach it because a contract of carriage needs them
/// (Art. 49(1)(b) GDPR); nothing else about a person does.
pub struct BookingRequest<'a> {
    /// Whether the seats are only to be kept for a while.
    pub hold: bool,
    /// Flights, cabin and passenger count, as stored with the order.
    pub itinerary: &'a Value,
    /// What was offered for everybody.
    pub total: Money,
    /// Who flies.
    pub passengers: &'a [Passenger],
    /// Now; a hold that ends long after it is a mistake.
    pub now: Timestamp,
}

/// How an airline answers a booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Booking {
    /// Booked.
    Made(Booked),
    /// It is working on it, and will answer the same key otherwise later.
    UnderWay,
}

/// A booking that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// The record locator (PNR).
    pub record_locator: String,
    /// Until when a held booking is kept.
    pub payment_required_by: Option<Timestamp>,
}

/// A change of the schedule that an airline made by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct AirlineChange {
    /// The airline's id of it.
    pub id: String,
    /// The order's itinerary after it: the same flights on the same days, at other times.
    pub itinerary: Value,
}

/// The airlines, behind one reservation API.
#[async_trait]
pub trait Airline: Send + Sync {
    /// Whether the price still stands, asked without any name; refused when it does not.
    async fn price(&self, itinerary: &Value, total: Money) -> Outcome<()>;

    /// Books, or holds, the flights of an order.
    async fn book(&self, key: &str, request: &BookingRequest<'_>) -> Outcome<Booking>;

    /// Makes sure that nothing is booked, or ever will be, under the key of a booking whose outcome
    /// is not known. `Some`: it had been booked before, and still is.
    async fn close(&self, key: &str, hold: bool, now: Timestamp) -> Outcome<Option<Booked>>;

    /// Turns a held booking into a firm one.
    async fn confirm(&self, key: &str, record_locator: &str) -> Outcome<()>;

    /// Issues the tickets; their numbers. A refusal is this try's only: another key may try again.
    async fn issue_tickets(&self, key: &str, record_locator: &str) -> Outcome<Value>;

    /// What would be given back for a cancellation now; changes nothing.
    async fn cancellation_terms(&self, record_locator: &str, total: Money) -> Outcome<Money>;

    /// Cancels a booking; cancelling one that is gone is done, too.
    async fn cancel(&self, key: &str, record_locator: &str) -> Outcome<()>;

    /// The airline's fee for flying another itinerary instead; changes nothing.
    async fn change_terms(
        &self,
        record_locator: &str,
        itinerary: &Value,
        total: Money,
    ) -> Outcome<Money>;

    /// Changes a booking to another itinerary.
    async fn change(
        &self,
        key: &str,
        record_locator: &str,
        itinerary: &Value,
        total: Money,
    ) -> Outcome<()>;

    /// What the airline changed by itself and is not yet accepted; changes nothing. Compared with
    /// the itinerary that was booked: a change of more than times is not understood.
    async fn airline_change(
        &self,
        record_locator: &str,
        booked: &Value,
    ) -> Outcome<Option<AirlineChange>>;

    /// Takes the airline's own change.
    async fn accept_change(&self, key: &str, record_locator: &str, change: &str) -> Outcome<()>;
}
