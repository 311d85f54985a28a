//! The saga: from accepted to ticketed, or back to nothing, one durable step at a time.
//!
//! A driver holds an order by its epoch. It reads, calls one company under a stable key *outside*
//! any transaction, then writes what it learned if its epoch still holds. What it does not learn
//! it asks again later; it never takes silence for a no.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Orders, passenger_place, token_place};
use crate::clock::Deadline;
use crate::domain::ids::OrderId;
use crate::domain::order::{OrderKind, State, Trigger};
use crate::domain::traveller::{Name, Passenger};
use crate::privacy::seal::DataKey;
use crate::store::Error;
use crate::store::orders::{Advance, Work};
use crate::suppliers::{
    Airline, AuthorizationStatus, Booked, Booking, BookingRequest, Outcome, PaymentProvider, Reason,
};

/// Longest that one step's transaction may take.
const STEP_PATIENCE: Duration = Duration::from_secs(3);
/// First pause after an unknown outcome; doubles up to the cap below.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest pause between two tries of one step.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a state may last before a person must look: the patience of the promise, not of a call.
const STATE_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What drives orders: the orders themselves and the other companies.
#[derive(Clone)]
pub struct Driver {
    /// Orders of this region.
    pub orders: Orders,
    /// The payment provider.
    pub payments: Arc<dyn PaymentProvider>,
    /// The airlines.
    pub airline: Arc<dyn Airline>,
}

/// What a step learned.
struct Learned {
    trigger: Trigger,
    payment_reference: Option<String>,
    booking: Option<Booked>,
    documents: Option<Value>,
    failure: Option<&'static str>,
}

impl Learned {
    fn only(trigger: Trigger) -> Self {
        Self { trigger, payment_reference: None, booking: None, documents: None, failure: None }
    }

    fn refused(trigger: Trigger, reason: Reason) -> Self {
        Self { failure: Some(reason.code()), ..Self::only(trigger) }
    }
}

/// Why a driver lets go of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetGo {
    /// Nothing is left to do until the traveller acts or the time comes.
    Rested,
    /// An outcome is not known; somebody looks again later.
    Postponed,
    /// Another node has taken over.
    Fenced,
}

impl Driver {
    /// Drives an order for as long as there is something to do.
    pub async fn drive(&self, order: OrderId, epoch: i64) -> Result<LetGo, Error> {
        let store = &self.orders.store;
        loop {
            let found = store.fresh().order_work(order, epoch, STATE_PATIENCE).await?;
            let Some(work) = found else { return Ok(LetGo::Fenced) };
            if work.state.rests() {
                return Ok(LetGo::Rested);
            }
            let learned = match self.step(&work).await? {
                Step::Learned(learned) => learned,
                Step::Wait => return self.postpone(&work, PAUSE_MAX).await,
                Step::Unknown if work.overdue => Learned::only(Trigger::GaveUp),
                Step::Unknown => {
                    let state = work.state.name();
                    metrics::counter!("meridian_saga_postponed_total", "state" => state)
                        .increment(1);
                    return self.postpone(&work, pause(work.attempts)).await;
                }
            };
            if let Some(end) = self.advance(&work, learned).await? {
                return Ok(end);
            }
        }
    }

    /// One call to one company, or none where the clock alone decides.
    async fn step(&self, work: &Work) -> Result<Step, Error> {
        let learned = match (work.state, work.kind) {
            (State::Pending, OrderKind::Instant) => self.authorize(work).await?,
            (State::Pending, OrderKind::Hold) => self.hold(work).await?,
            (State::Held, _) if work.payment_token.is_some() => self.authorize(work).await?,
            (State::Held, _) if work.lapsed => Step::Learned(Learned::only(Trigger::HoldLapsed)),
            (State::Held, _) => Step::Wait,
            (State::Expiring, _) => self.release_hold(work).await,
            (State::Authorized, _) => self.book(work).await?,
            (State::Voiding, _) => self.settle(work, Trigger::Voided).await,
            (State::Confirmed, _) => self.settle(work, Trigger::Captured).await,
            (State::Paid, _) => self.issue_tickets(work).await,
            (State::Cancelling, _) => self.cancel(work).await,
            (State::Refunding, _) => self.settle(work, Trigger::Refunded).await,
            (
                State::Ticketed
                | State::Expired
                | State::Failed
                | State::Cancelled
                | State::Refunded
                | State::ManualReview,
                _,
            ) => Step::Wait,
        };
        Ok(learned)
    }

    async fn authorize(&self, work: &Work) -> Result<Step, Error> {
        let Some(sealed) = &work.payment_token else {
            return Err(Error::Unreadable("an order to be paid has no payment token".into()));
        };
        let token = unseal(self.data_key(work)?.open(token_place(work.id), sealed))?;
        // The version is part of the key: a second payment of a held order is another payment.
        let key = self.key(work, &format!("authorize:{}", work.version));
        let outcome = self.payments.authorize(&key, work.total, &token).await;
        let reserved = outcome.read(|authorization| match authorization.status {
            AuthorizationStatus::Reserved { .. } => Some(authorization.reference),
            AuthorizationStatus::ActionRequired { .. } => None,
        });
        Ok(Step::of(reserved, Trigger::Declined, |reference| Learned {
            payment_reference: Some(reference),
            ..Learned::only(Trigger::Authorised)
        }))
    }

    async fn hold(&self, work: &Work) -> Result<Step, Error> {
        let outcome = self.ask_airline(work, true).await?;
        Ok(Step::of(outcome, Trigger::HoldRefused, |booked| Learned {
            booking: Some(booked),
            ..Learned::only(Trigger::HoldPlaced)
        }))
    }

    /// Books, or confirms what was held.
    async fn book(&self, work: &Work) -> Result<Step, Error> {
        if let Some(locator) = &work.booking_reference {
            let outcome = self.airline.confirm(&self.key(work, "confirm"), locator).await;
            let booked = |_| Learned::only(Trigger::Booked);
            return Ok(Step::of(outcome, Trigger::BookingRefused, booked));
        }
        let outcome = self.ask_airline(work, false).await?;
        Ok(Step::of(outcome, Trigger::BookingRefused, |booked| Learned {
            booking: Some(Booked { payment_required_by: None, ..booked }),
            ..Learned::only(Trigger::Booked)
        }))
    }

    async fn ask_airline(&self, work: &Work, hold: bool) -> Result<Outcome<Booked>, Error> {
        let people = self.passengers(work).await?;
        let now = self.orders.finder.clock.now();
        let request = BookingRequest {
            hold,
            itinerary: &work.itinerary,
            total: work.total,
            passengers: &people,
            now,
        };
        let outcome = self.airline.book(&self.key(work, "book"), &request).await;
        Ok(outcome.read(|booking| match booking {
            Booking::Made(booked) => Some(booked),
            Booking::UnderWay => None,
        }))
    }

    async fn release_hold(&self, work: &Work) -> Step {
        let learned = |_| Learned::only(Trigger::HoldReleased);
        match &work.booking_reference {
            Some(locator) => {
                let outcome = self.airline.cancel(&self.key(work, "release"), locator).await;
                Step::or_unknown(outcome, learned)
            }
            None => Step::Learned(learned(())),
        }
    }

    async fn cancel(&self, work: &Work) -> Step {
        let paid = work.payment_reference.is_some();
        let trigger = if paid { Trigger::CancelledPaid } else { Trigger::CancelledUnpaid };
        let Some(locator) = &work.booking_reference else {
            return Step::Learned(Learned::only(trigger));
        };
        let outcome = self.airline.cancel(&self.key(work, "cancel"), locator).await;
        Step::or_unknown(outcome, |_| Learned::only(trigger))
    }

    async fn issue_tickets(&self, work: &Work) -> Step {
        let Some(locator) = &work.booking_reference else { return Step::Unknown };
        let outcome = self.airline.issue_tickets(&self.key(work, "tickets"), locator).await;
        Step::or_unknown(outcome, |documents| Learned {
            documents: Some(documents),
            ..Learned::only(Trigger::TicketsIssued)
        })
    }

    /// Takes, lets go or gives back the reserved money.
    async fn settle(&self, work: &Work, trigger: Trigger) -> Step {
        let Some(reference) = &work.payment_reference else { return Step::Unknown };
        let outcome = match trigger {
            Trigger::Captured => {
                self.payments.capture(&self.key(work, "capture"), reference, work.total).await
            }
            Trigger::Voided => self.payments.void(&self.key(work, "void"), reference).await,
            _ => self.payments.refund(&self.key(work, "refund"), reference, work.total).await,
        };
        Step::or_unknown(outcome, |_| Learned::only(trigger))
    }

    /// Writes what was learned; `Some` when that ends the drive.
    async fn advance(&self, work: &Work, learned: Learned) -> Result<Option<LetGo>, Error> {
        let rule = work.state.on(learned.trigger).ok_or_else(|| {
            Error::Unreadable(format!("{:?} may not happen in {}", learned.trigger, work.state))
        })?;
        let promised = learned.booking.as_ref().and_then(|booked| booked.payment_required_by);
        // A held order is next looked at when its time to pay has passed.
        let held_until =
            if rule.to == State::Held { promised.or(work.payment_required_by) } else { None };
        let step = Advance {
            state: rule.to,
            event: rule.event,
            due: !rule.to.rests(),
            due_at: held_until,
            drop_token: matches!(learned.trigger, Trigger::Authorised | Trigger::Declined),
            payment_reference: learned.payment_reference,
            booking_reference: learned.booking.map(|booked| booked.record_locator),
            documents: learned.documents,
            failure: learned.failure,
        };
        let (order, seats, lease) = (work.id, rule.seats, self.orders.lease);
        let written = self
            .orders
            .store
            .transact("order_advance", Deadline::after(STEP_PATIENCE), |tx| {
                let (work, step) = (work.clone(), step.clone());
                async move {
                    let version = tx.order_advance(&work, &step, lease).await?;
                    if version.is_some() {
                        tx.seats_settle(order, seats).await?;
                    }
                    Ok(version)
                }
            })
            .await?;
        if written.is_none() {
            metrics::counter!("meridian_saga_fenced_total").increment(1);
            return Ok(Some(LetGo::Fenced));
        }
        let labels = [("from", rule.from.name()), ("to", rule.to.name())];
        metrics::counter!("meridian_booking_transitions_total", &labels).increment(1);
        if rule.to == State::ManualReview {
            tracing::error!(from = rule.from.name(), "an order needs a person");
        }
        let rests = rule.to.rests() || step.due_at.is_some();
        Ok(rests.then_some(LetGo::Rested))
    }

    async fn postpone(&self, work: &Work, pause: Duration) -> Result<LetGo, Error> {
        let kept = self
            .orders
            .store
            .transact("order_postpone", Deadline::after(STEP_PATIENCE), |tx| {
                let work = work.clone();
                async move { tx.order_postpone(&work, pause).await }
            })
            .await?;
        Ok(if kept.is_some() { LetGo::Postponed } else { LetGo::Fenced })
    }

    /// A key that every try and every node makes alike.
    /// The same before and after a move: so the home that an id names is no part of it.
    fn key(&self, work: &Work, step: &str) -> String {
        self.orders.store.faults().key(format!("{}:{step}", work.id.uuid()))
    }

    fn data_key(&self, work: &Work) -> Result<DataKey, Error> {
        unseal(self.orders.keys.region.unwrap_data_key(work.traveller.uuid(), &work.data_key))
    }

    async fn passengers(&self, work: &Work) -> Result<Vec<Passenger>, Error> {
        let key = self.data_key(work)?;
        let open =
            |column, sealed: &[u8]| unseal(key.open(passenger_place(work.id, column), sealed));
        let name = |column, sealed: &[u8]| {
            Name::parse(&open(column, sealed)?).map_err(|error| Error::Unreadable(error.into()))
        };
        let sealed = self.orders.store.fresh().order_passengers(work.id).await?;
        sealed
            .iter()
            .map(|p| {
                Ok(Passenger {
                    given_name: name("given_name", &p.given_name)?,
                    family_name: name("family_name", &p.family_name)?,
                    born_on: open("born_on", &p.born_on)?
                        .parse()
                        .map_err(|_| Error::Unreadable("a date of birth".into()))?,
                })
            })
            .collect()
    }
}

enum Step {
    Learned(Learned),
    Unknown,
    Wait,
}

impl Step {
    /// Done and refused both lead on; unknown does not.
    fn of<T>(outcome: Outcome<T>, refused: Trigger, done: impl FnOnce(T) -> Learned) -> Self {
        match outcome {
            Outcome::Done(value) => Self::Learned(done(value)),
            Outcome::Refused(reason) => Self::Learned(Learned::refused(refused, reason)),
            Outcome::Unknown | Outcome::NotTried => Self::Unknown,
        }
    }

    /// For steps that may not be refused: a refusal is asked again until a person looks.
    fn or_unknown<T>(outcome: Outcome<T>, done: impl FnOnce(T) -> Learned) -> Self {
        match outcome {
            Outcome::Done(value) => Self::Learned(done(value)),
            Outcome::Refused(_) | Outcome::Unknown | Outcome::NotTried => Self::Unknown,
        }
    }
}

fn pause(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(0, 10)).unwrap_or(10);
    PAUSE.saturating_mul(1 << doublings).min(PAUSE_MAX)
}

fn unseal<T>(opened: Result<T, crate::privacy::seal::Broken>) -> Result<T, Error> {
    opened.map_err(|error| Error::Unreadable(error.to_string()))
}
