//! The order's life as one table: from which state what leads where, which event is written, and
//! what happens to the seats. Code, documents and tests read this table; nothing else decides.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    /// Accepted: the seats are ours, nobody outside has been asked yet.
    Pending,
    /// The airline keeps the seats until `payment_required_by`.
    Held,
    /// The money is reserved, not taken.
    Authorized,
    /// The airline has booked.
    Confirmed,
    /// The money is taken.
    Paid,
    /// Tickets are issued.
    Ticketed,
    /// The hold ran out; the airline is being told.
    Expiring,
    /// The hold ran out.
    Expired,
    /// The airline said no; the reserved money is being let go.
    Voiding,
    /// It came to nothing and nothing was charged.
    Failed,
    /// The traveller cancelled; the airline is being told.
    Cancelling,
    /// Cancelled before any money moved.
    Cancelled,
    /// Cancelled; the money is on its way back.
    Refunding,
    /// Cancelled and paid back.
    Refunded,
    /// A machine could not decide; a person must.
    ManualReview,
}

names!(State {
    Pending = "pending",
    Held = "held",
    Authorized = "authorized",
    Confirmed = "confirmed",
    Paid = "paid",
    Ticketed = "ticketed",
    Expiring = "expiring",
    Expired = "expired",
    Voiding = "voiding",
    Failed = "failed",
    Cancelling = "cancelling",
    Cancelled = "cancelled",
    Refunding = "refunding",
    Refunded = "refunded",
    ManualReview = "manual_review",
});

/// What happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// The airline keeps the seats.
    HoldPlaced,
    /// The airline will not keep the seats.
    HoldRefused,
    /// The payment provider reserved the money.
    Authorised,
    /// The payment provider said no.
    Declined,
    /// The traveller sent a payment for a held order.
    PaymentRequested,
    /// `payment_required_by` has passed.
    HoldLapsed,
    /// The airline let the lapsed hold go.
    HoldReleased,
    /// The airline booked.
    Booked,
    /// The airline would not book.
    BookingRefused,
    /// The reserved money was let go.
    Voided,
    /// The reserved money was taken.
    Captured,
    /// Tickets were issued.
    TicketsIssued,
    /// The traveller cancelled.
    CancelRequested,
    /// The airline cancelled, and no money had moved.
    CancelledUnpaid,
    /// The airline cancelled, and money must go back.
    CancelledPaid,
    /// The money went back.
    Refunded,
    /// The machine's patience ended.
    GaveUp,
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

const fn rule(from: State, trigger: Trigger, to: State, event: &'static str, seats: Seats) -> Rule {
    Rule { from, trigger, to, event, seats }
}

/// The event that leaves the machine's hands, from any living state.
pub const MANUAL_REVIEW: &str = "order.manual_review";

/// The order's life.
pub const RULES: &[Rule] = {
    use Seats::{Keep, Release, Sell};
    use State as S;
    use Trigger as T;
    &[
        rule(S::Pending, T::HoldPlaced, S::Held, "order.held", Keep),
        rule(S::Pending, T::HoldRefused, S::Failed, "order.creation_failed", Release),
        rule(S::Pending, T::Authorised, S::Authorized, "payment.authorized", Keep),
        rule(S::Pending, T::Declined, S::Failed, "payment.failed", Release),
        rule(S::Held, T::PaymentRequested, S::Held, "payment.requested", Keep),
        rule(S::Held, T::Authorised, S::Authorized, "payment.authorized", Keep),
        rule(S::Held, T::Declined, S::Held, "payment.failed", Keep),
        rule(S::Held, T::HoldLapsed, S::Expiring, "order.expiring", Keep),
        rule(S::Expiring, T::HoldReleased, S::Expired, "order.expired", Release),
        rule(S::Authorized, T::Booked, S::Confirmed, "order.confirmed", Sell),
        rule(S::Authorized, T::BookingRefused, S::Voiding, "order.creation_failed", Release),
        rule(S::Voiding, T::Voided, S::Failed, "payment.voided", Keep),
        rule(S::Confirmed, T::Captured, S::Paid, "payment.captured", Keep),
        rule(S::Paid, T::TicketsIssued, S::Ticketed, "ticket.issued", Keep),
        rule(S::Held, T::CancelRequested, S::Cancelling, "order.cancelling", Keep),
        rule(S::Ticketed, T::CancelRequested, S::Cancelling, "order.cancelling", Keep),
        rule(S::Cancelling, T::CancelledUnpaid, S::Cancelled, "order.cancelled", Release),
        rule(S::Cancelling, T::CancelledPaid, S::Refunding, "order.cancelled", Release),
        rule(S::Refunding, T::Refunded, S::Refunded, "payment.refunded", Keep),
        rule(S::Pending, T::GaveUp, S::ManualReview, MANUAL_REVIEW, Keep),
        rule(S::Held, T::GaveUp, S::ManualReview, MANUAL_REVIEW, Keep),
        rule(S::Expiring, T::GaveUp, S::ManualReview, MANUAL_REVIEW, Keep),
        rule(S::Authorized, T::GaveUp, S::ManualReview, MANUAL_REVIEW, Keep),
        rule(S::Voiding, T::GaveUp, S::ManualReview, MANUAL_REVIEW, Keep),
        rule(S::Confirmed, T::GaveUp, S::ManualReview, MANUAL_REVIEW, Keep),
        rule(S::Paid, T::GaveUp, S::ManualReview, MANUAL_REVIEW, Keep),
        rule(S::Cancelling, T::GaveUp, S::ManualReview, MANUAL_REVIEW, Keep),
        rule(S::Refunding, T::GaveUp, S::ManualReview, MANUAL_REVIEW, Keep),
    ]
};

impl State {
    /// Where a trigger leads from here; `None` when it may not happen here.
    pub fn on(self, trigger: Trigger) -> Option<&'static Rule> {
        RULES.iter().find(|rule| rule.from == self && rule.trigger == trigger)
    }

    /// Whether the machine has nothing left to do unless the traveller acts.
    pub fn rests(self) -> bool {
        !RULES.iter().any(|rule| rule.from == self && rule.trigger == Trigger::GaveUp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_state_and_trigger_lead_two_ways() {
        for rule in RULES {
            let same = RULES.iter().filter(|r| r.from == rule.from && r.trigger == rule.trigger);
            assert_eq!(same.count(), 1, "{} on {:?}", rule.from, rule.trigger);
        }
    }

    #[test]
    fn every_state_is_reached_and_every_unresting_one_can_be_left() {
        for state in State::ALL {
            let reached = *state == State::Pending || RULES.iter().any(|r| r.to == *state);
            assert!(reached, "{state} is never reached");
            assert_eq!(state.name().parse::<State>().expect("its own name"), *state);
        }
        let resting: Vec<_> = State::ALL.iter().filter(|state| state.rests()).collect();
        assert_eq!(
            resting,
            [
                &State::Ticketed,
                &State::Expired,
                &State::Failed,
                &State::Cancelled,
                &State::Refunded,
                &State::ManualReview
            ]
        );
    }

    #[test]
    fn seats_are_released_at_most_once_on_any_path() {
        fn walk(state: State, released: u32, seen: &mut Vec<State>) {
            for rule in RULES.iter().filter(|rule| rule.from == state) {
                let released = released + u32::from(rule.seats == Seats::Release);
                assert!(released <= 1, "{} -> {} releases twice", rule.from, rule.to);
                if !seen.contains(&rule.to) {
                    seen.push(rule.to);
                    walk(rule.to, released, seen);
                    seen.pop();
                }
            }
        }
        walk(State::Pending, 0, &mut vec![State::Pending]);
    }
}
