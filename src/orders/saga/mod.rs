//! The saga's mind: from what is known of an order to what is asked or written next. Pure: no
//! clock, no database, no network, so that the driver and the simulator share every decision.
//!
//! [`Situation::begin`] looks at an order that was just read; [`Situation::hear`] at the answer to
//! a [`Call`]. Both say what comes [`Next`]. A call has a key that every try and every node makes
//! alike; silence is never taken for a no.

mod learn;
mod next;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::money::Money;
use crate::domain::order::{OrderKind, Seats, State, Trigger};
pub use crate::domain::payment::{Payment, PaymentState};
use crate::suppliers::{AirlineChange, Authorization, Booked, Booking, Outcome, Reason};

/// First pause after an outcome that is not known; doubles up to the cap below.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest pause between two tries of one step.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a step may stay undecided before the question is closed or a person must look.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// The same where money goes back: the traveller waits, but nothing is lost meanwhile.
const MONEY_BACK_PATIENCE: Duration = Duration::from_secs(60 * 60);
/// The same where the airline may have booked: nothing is undone on a guess.
const RECONCILE_PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a cardholder may take to prove who they are.
pub const CUSTOMER_PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Most definite refusals of a capture, of tickets or of a cancellation.
pub const REFUSALS_MAX: i64 = 5;
/// Pause between two looks at a cardholder's page, or at a booking that an airline works on.
const POLL: Duration = Duration::from_secs(2);
/// Pause between two looks for an airline's own change; its callback comes sooner.
const LOOK: Duration = Duration::from_secs(24 * 60 * 60);
/// Pause after a look that was not answered; nobody waits for it.
const LOOK_AGAIN: Duration = Duration::from_secs(15 * 60);
/// How long after the journey the law wants to know who flew: ten years.
const RETENTION: Duration = Duration::from_secs(3653 * 24 * 60 * 60);
/// How long before a reservation ends by itself it is let go, if a person has not decided.
const RESERVATION_MARGIN: Duration = Duration::from_secs(12 * 60 * 60);

/// What is known of an order, without anything personal.
#[derive(Clone, Debug, PartialEq)]
pub struct Situation {
    /// Paid now or held.
    pub kind: OrderKind,
    /// Where it is in its life.
    pub state: State,
    /// Number of its last event.
    pub version: i64,
    /// Tries since the last event whose outcome is not known.
    pub attempts: i64,
    /// Definite refusals of the present step.
    pub refusals: i64,
    /// Time since the last event, by the database's clock.
    pub waited: Duration,
    /// Whether a payment token waits to be used.
    pub paying: bool,
    /// Whether the airline has told a record locator.
    pub booked: bool,
    /// Time until `payment_required_by`; nothing when it has passed, `None` when there is none.
    pub until_lapse: Option<Duration>,
    /// Time until a day after the last landing, by the database's clock, and the time since.
    pub until_flown: Duration,
    /// Time since a day after the last landing.
    pub since_flown: Duration,
    /// Whether its traveller was erased: nothing of it is kept longer than its journey needs.
    pub erased: bool,
    /// For everybody.
    pub total: Money,
    /// What is still to go back to the traveller.
    pub owed_minor: i64,
    /// Money that was asked for, in order.
    pub payments: Vec<Payment>,
    /// A change that is under way.
    pub change: Option<Change>,
    /// The airline's own change that was detected last, by its id.
    pub disruption: Option<String>,
    /// Whether a reason is recorded why it comes to nothing.
    pub failing: bool,
}

/// A change that the traveller confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The quote that was confirmed; part of the airline's key.
    pub quote: Uuid,
    /// What is to be paid for it.
    pub extra_minor: i64,
    /// What is to be given back for it.
    pub back_minor: i64,
}

/// A question to another company. Those that do something carry a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Does the price still stand?
    Price,
    /// Reserve money.
    Authorize {
        /// How much.
        amount_minor: i64,
    },
    /// How far is the authorisation?
    Authorization {
        /// Which payment.
        position: i64,
    },
    /// Nothing shall be reserved under this key any more.
    CloseAuthorization {
        /// The step whose key it is.
        asked_as: String,
        /// Why it is closed, if the airline said that the price is another one.
        moved: Option<Reason>,
    },
    /// Keep the seats.
    Hold,
    /// Book them.
    Book,
    /// Nothing shall be booked under the booking's key any more.
    CloseBooking {
        /// Whether it was a hold.
        hold: bool,
    },
    /// Make the held booking firm.
    Confirm,
    /// Let the held booking go.
    ReleaseHold,
    /// Take the money.
    Capture {
        /// Which payment.
        position: i64,
        /// How much.
        amount_minor: i64,
    },
    /// Let the reserved money go.
    Void {
        /// Which payment.
        position: i64,
    },
    /// Give money back.
    Refund {
        /// Which payment.
        position: i64,
        /// How much.
        amount_minor: i64,
    },
    /// Issue the tickets.
    Tickets,
    /// Cancel the booking.
    Cancel,
    /// Change the booking.
    Change,
    /// Has the airline changed something by itself?
    AirlineChange,
    /// Take that change.
    AcceptChange {
        /// The airline's id of it.
        change: String,
    },
}

/// What a company answered when it did what it was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is done.
    Done,
    /// How far the money is.
    Authorization(Authorization),
    /// Whether the money had been reserved before its key was closed.
    AuthorizationClosed(Option<Authorization>),
    /// How far the booking is.
    Booking(Booking),
    /// Whether it had been booked before its key was closed.
    BookingClosed(Option<Booked>),
    /// Ticket numbers.
    Documents(Value),
    /// What the airline changed by itself.
    AirlineChange(Option<AirlineChange>),
}

/// How a call ended.
pub type Heard = Outcome<Answer>;

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Ask somebody.
    Ask(Call),
    /// Write what was learned.
    Write(Box<Learned>),
    /// Let go and look again after a while.
    Wait(Duration),
    /// Let go; nothing is left to do.
    Rest,
}

/// What is to be written, under the epoch and the version that were read.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// What happened.
    pub trigger: Trigger,
    /// The state after it.
    pub to: State,
    /// The event.
    pub event: &'static str,
    /// What becomes of the seats.
    pub seats: Seats,
    /// When a worker has to come back.
    pub due: Due,
    /// Whether the step was definitely refused and is tried again.
    pub refused: bool,
    /// Whether the payment token is spent or refused and must go.
    pub token_spent: bool,
    /// Why it comes to nothing, or why the last wish did.
    pub failure: Option<&'static str>,
    /// The payment that was asked for or has moved.
    pub payment: Option<Payment>,
    /// What is still to go back after it.
    pub owed_minor: i64,
    /// Learned from the airline.
    pub booking: Option<Booked>,
    /// Ticket numbers.
    pub documents: Option<Value>,
    /// The price as it is by now.
    pub price: Option<Money>,
    /// Where the cardholder must go.
    pub action_url: Option<String>,
    /// What becomes of the change that is under way.
    pub change: ChangeEnd,
    /// What becomes of the airline's own change.
    pub disruption: DisruptionEnd,
}

/// When a worker has to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At once, and the present one goes on.
    Now,
    /// After a while.
    After(Duration),
    /// At a time.
    At(Timestamp),
    /// Only when somebody acts.
    Never,
}

/// What a step does to the change that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeEnd {
    /// It stays under way, if there is one.
    Keep,
    /// The order is now as the change says.
    Apply,
    /// It came to nothing.
    Drop,
}

/// What a step does to the airline's own change.
#[derive(Clone, Debug, PartialEq)]
pub enum DisruptionEnd {
    /// It stays as it is known, if there is one.
    Keep,
    /// This one is known from now on.
    Set(AirlineChange),
    /// The order is now as the airline says.
    Apply,
    /// There is none any more, as far as we know.
    Drop,
}

/// The step whose key asks for a reservation. Written once: what closes the question must say the
/// very same.
fn authorization_step(version: i64) -> String {
    format!("authorize:{version}")
}

impl Call {
    /// The step that is the call's key behind the order's id; `None` where nothing is done.
    ///
    /// A key holds while the outcome is not known and ends with a definite refusal: that is a new
    /// event, so the version tells tries after a refusal apart. Booking and confirming stay the
    /// same question through several states, and a change is one question for each quote.
    pub fn step(&self, order: &Situation) -> Option<String> {
        let version = order.version;
        Some(match self {
            Self::Price | Self::Authorization { .. } | Self::AirlineChange => return None,
            Self::Authorize { .. } => authorization_step(version),
            Self::CloseAuthorization { asked_as, .. } => asked_as.clone(),
            Self::Hold | Self::Book | Self::CloseBooking { .. } => "book".to_owned(),
            Self::Confirm => "confirm".to_owned(),
            Self::ReleaseHold => "release".to_owned(),
            Self::Capture { .. } => format!("capture:{version}"),
            Self::Void { position } => format!("void:{position}"),
            Self::Refund { .. } => format!("refund:{version}"),
            Self::Tickets => format!("tickets:{version}"),
            Self::Cancel => format!("cancel:{version}"),
            Self::Change => {
                format!("change:{}", order.change.map_or(Uuid::nil(), |change| change.quote))
            }
            Self::AcceptChange { change } => format!("accept:{change}"),
        })
    }

    /// The call's name, for metrics and crash points.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Authorize { .. } => "authorize",
            Self::Authorization { .. } => "authorization",
            Self::CloseAuthorization { .. } => "close_authorization",
            Self::Hold => "hold",
            Self::Book => "book",
            Self::CloseBooking { .. } => "close_booking",
            Self::Confirm => "confirm",
            Self::ReleaseHold => "release_hold",
            Self::Capture { .. } => "capture",
            Self::Void { .. } => "void",
            Self::Refund { .. } => "refund",
            Self::Tickets => "tickets",
            Self::Cancel => "cancel",
            Self::Change => "change",
            Self::AirlineChange => "airline_change",
            Self::AcceptChange { .. } => "accept_change",
        }
    }
}

impl Situation {
    /// The payment of a position.
    pub fn payment(&self, position: i64) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.position == position)
    }

    /// The payment that is reserved or waits for its cardholder; there is at most one.
    fn open_payment(&self) -> Option<&Payment> {
        self.payments
            .iter()
            .find(|p| matches!(p.state, PaymentState::Reserved | PaymentState::ActionRequired))
    }

    fn reserved(&self) -> Option<&Payment> {
        self.open_payment().filter(|payment| payment.state == PaymentState::Reserved)
    }

    /// What was taken and has not gone back.
    pub fn kept_minor(&self) -> i64 {
        self.payments.iter().map(Payment::left_minor).sum()
    }

    /// How long the present state may stay undecided before its question is closed.
    fn patience(&self) -> Duration {
        match self.state {
            State::Unknown => RECONCILE_PATIENCE,
            State::Voiding | State::Reverting | State::Refunding => MONEY_BACK_PATIENCE,
            State::AwaitingCustomer => CUSTOMER_PATIENCE,
            _ => PATIENCE,
        }
    }

    fn overdue(&self) -> bool {
        self.waited > self.patience()
    }

    /// The pause before the next try of an undecided step; a driver adds jitter.
    fn pause(&self) -> Duration {
        backoff(self.attempts)
    }
}

fn backoff(tries: i64) -> Duration {
    let doublings = u32::try_from(tries.clamp(0, 10)).unwrap_or(10);
    PAUSE.saturating_mul(1 << doublings).min(PAUSE_MAX)
}
