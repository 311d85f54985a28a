//! The order's life as one table: from which state what leads where, which event is written, and
//! what happens to the seats. Code, documents and tests read this table; nothing else decides.

mod rules;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use rules::RULES;

/// How an order is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderKind {
    /// Paid when it is made.
    Instant,
    /// The airline keeps the seats for a while; paid later.
    Hold,
}

impl OrderKind {
    /// The name in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Instant => "instant",
            Self::Hold => "hold",
        }
    }
}

impl FromStr for OrderKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::Instant, Self::Hold]
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownName(text.to_owned()))
    }
}

macro_rules! names {
    ($type:ident { $($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)? }) => {
        impl $type {
            /// Every one, in the order of an order's life.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in JSON and SQL.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text {
                    $($name => Ok(Self::$variant),)*
                    _ => Err(UnknownName(text.to_owned())),
                }
            }
        }
    };
}

/// A name that this build does not know: a newer build wrote it.
#[derive(Debug, thiserror::Error)]
#[error("unknown name {0:?}")]
pub struct UnknownName(String);

/// Where an order is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepted: the seats are ours, nobody outside has decided anything yet.
    Pending,
    /// The price moved before any money did; it came to nothing.
    Rejected,
    /// The airline keeps the seats until `payment_required_by`.
    Held,
    /// The cardholder must prove who they are before the money is reserved (3-D Secure).
    AwaitingCustomer,
    /// The money is reserved, not taken.
    Authorized,
    /// The airline has the booking and is working on it.
    Confirming,
    /// The airline was asked to book, and nobody knows whether it did.
    Unknown,
    /// The airline has booked.
    Confirmed,
    /// The reserved money could not be taken yet.
    PaymentRetry,
    /// The money is taken.
    Paid,
    /// The tickets could not be issued yet.
    TicketingRetry,
    /// Tickets are issued.
    Ticketed,
    /// The traveller wants to fly otherwise; money and airline are being asked.
    Changing,
    /// The airline has changed the booking; the difference is being taken or given back.
    Settling,
    /// The airline would not change; the money reserved for it is being let go.
    Reverting,
    /// The airline changed the schedule by itself; the traveller decides.
    Disrupted,
    /// The traveller took the airline's change; the airline is being told.
    Accepting,
    /// Flown.
    Completed,
    /// The hold ran out; the airline is being told.
    Expiring,
    /// The hold ran out.
    Expired,
    /// The reserved money is being let go.
    Voiding,
    /// It came to nothing and nothing was charged.
    Failed,
    /// It is being undone; the airline is being told.
    Cancelling,
    /// Cancelled, and nothing is owed to the traveller.
    Cancelled,
    /// Cancelled; the money is on its way back.
    Refunding,
    /// Cancelled and paid back.
    Refunded,
    /// A machine could not decide; a person must.
    ManualReview,
    /// Over for so long that nobody is named in it any more.
    Anonymised,
}

names!(State {
    Pending = "pending",
    Rejected = "rejected",
    Held = "held",
    AwaitingCustomer = "awaiting_customer",
    Authorized = "authorized",
    Confirming = "confirming",
    Unknown = "unknown",
    Confirmed = "confirmed",
    PaymentRetry = "payment_retry",
    Paid = "paid",
    TicketingRetry = "ticketing_retry",
    Ticketed = "ticketed",
    Changing = "changing",
    Settling = "settling",
    Reverting = "reverting",
    Disrupted = "disrupted",
    Accepting = "accepting",
    Completed = "completed",
    Expiring = "expiring",
    Expired = "expired",
    Voiding = "voiding",
    Failed = "failed",
    Cancelling = "cancelling",
    Cancelled = "cancelled",
    Refunding = "refunding",
    Refunded = "refunded",
    ManualReview = "manual_review",
    Anonymised = "anonymised",
});

macro_rules! triggers {
    ($($(#[$doc:meta])* $variant:ident),* $(,)?) => {
        /// What happened to an order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Trigger { $($(#[$doc])* $variant),* }

        impl Trigger {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
        }
    };
}

triggers! {
    /// The airline says that the price is another one, and no money has moved.
    PriceMoved,
    /// The airline keeps the seats.
    HoldPlaced,
    /// The airline will not keep the seats.
    HoldRefused,
    /// The traveller sent a payment for a held order.
    PaymentRequested,
    /// The payment provider reserved the money.
    Authorised,
    /// The cardholder must prove who they are.
    ActionRequired,
    /// No money is reserved, and none will be: declined, or closed at the provider.
    Declined,
    /// The same, while the airline still keeps the seats.
    DeclinedHolding,
    /// The cardholder did not come in time.
    ActionExpired,
    /// The same, while the airline still keeps the seats.
    ActionExpiredHolding,
    /// `payment_required_by` has passed.
    HoldLapsed,
    /// The airline let the lapsed hold go.
    HoldReleased,
    /// The airline is working on the booking.
    BookingUnderWay,
    /// The airline did not answer, or not understandably.
    OutcomeUnknown,
    /// The airline booked.
    Booked,
    /// The airline has not booked and will not.
    BookingRefused,
    /// The airline will not make a held booking firm; it must be told to let it go.
    ConfirmRefused,
    /// The reserved money was taken.
    Captured,
    /// The reserved money could not be taken, this time.
    CaptureRefused,
    /// It could not be taken too often.
    CaptureAbandoned,
    /// Tickets were issued.
    TicketsIssued,
    /// Tickets could not be issued, this time.
    TicketingRefused,
    /// They could not be issued too often.
    TicketingAbandoned,
    /// The traveller asked what cancelling would give back.
    CancellationQuoted,
    /// The traveller asked what flying otherwise would cost.
    ChangeQuoted,
    /// The traveller cancelled.
    CancelRequested,
    /// The airline would not cancel, this time.
    CancelRefused,
    /// The airline cancelled, and nothing is owed.
    CancelledUnpaid,
    /// The airline cancelled, and money is reserved.
    CancelledReserved,
    /// The airline cancelled, and money must go back.
    CancelledPaid,
    /// The reserved money was let go; the order had failed.
    Voided,
    /// The reserved money was let go; the traveller had cancelled.
    VoidedCancelled,
    /// There was nothing left to let go: the money had been taken.
    FoundCaptured,
    /// A part of the money went back; more is owed.
    PartRefunded,
    /// All that was owed went back.
    Refunded,
    /// The traveller wants to fly otherwise.
    ChangeRequested,
    /// The airline changed the booking, and money must be taken or given back.
    Changed,
    /// The airline changed the booking at the same price.
    ChangedEven,
    /// The airline will not change it.
    ChangeRefused,
    /// The same, and money was reserved for it.
    ChangeRefusedReserved,
    /// The airline changed the schedule by itself.
    ChangeDetected,
    /// The airline took its own change back.
    ChangeWithdrawn,
    /// The traveller takes the airline's change.
    ChangeAccepted,
    /// The airline knows that its change is taken.
    AcceptanceTold,
    /// The airline's change is another one by now.
    AcceptanceRefused,
    /// The last flight landed a day ago.
    Flown,
    /// The time for which the law wants to know who flew is over.
    Erased,
    /// The machine's patience ended.
    GaveUp,
    /// Under review the reservation was about to end by itself, and was let go.
    ReservationReleased,
}

/// What a transition does to the seats that the order holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seats {
    /// Nothing.
    Keep,
    /// Held seats become sold seats.
    Sell,
    /// They are free again.
    Release,
    /// Those held for a change are free again; those sold stay.
    ReleaseHeld,
    /// Those held for a change are sold, those of flights that are no longer flown are free.
    Swap,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// From which state.
    pub from: State,
    /// What happened.
    pub trigger: Trigger,
    /// To which state.
    pub to: State,
    /// The event that is written.
    pub event: &'static str,
    /// What becomes of the seats.
    pub seats: Seats,
}

impl State {
    /// Where a trigger leads from here; `None` when it may not happen here.
    pub fn on(self, trigger: Trigger) -> Option<&'static Rule> {
        RULES.iter().find(|rule| rule.from == self && rule.trigger == trigger)
    }

    /// Whether a machine has work here and nobody else: such a state lasts seconds, or a person is
    /// called.
    pub fn works(self) -> bool {
        self.on(Trigger::GaveUp).is_some() && self != Self::Held
    }

    /// Whether the names of those who fly may still be needed: for the airline, or by a person.
    pub fn needs_names(self) -> bool {
        self.works() || matches!(self, Self::Held | Self::ManualReview)
    }

    /// Whether the order is over: only time leads on.
    pub fn is_terminal(self) -> bool {
        self == Self::Anonymised || self.on(Trigger::Erased).is_some()
    }
}
