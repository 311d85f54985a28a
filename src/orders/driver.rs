//! The saga: from accepted to ticketed, or back to nothing, one durable step at a time.
//!
//! A driver holds an order by its epoch. It reads, calls one company under a stable key *outside*
//! any transaction, then writes what it learned if its epoch still holds. What that means is
//! decided in [`super::saga`]; here is only how it is read, asked and written.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::saga::{Change, ChangeEnd, DisruptionEnd, Due, Learned, Next, Situation};
use super::{Orders, flown_at};
use crate::clock::Deadline;
use crate::domain::ids::OrderId;
use crate::domain::order::State;
use crate::store::Error;
use crate::store::crash::Moment;
use crate::store::saga::{Advance, Rebooked, Work};
use crate::suppliers::{Airline, Outcome, PaymentProvider};

/// Longest that one step's transaction may take.
const STEP_PATIENCE: Duration = Duration::from_secs(3);
/// Pauses up to this are spread, so that orders that failed together do not come back together.
const SPREAD_UP_TO: Duration = Duration::from_secs(60);

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
        let crash = store.faults().crash();
        loop {
            let Some(work) = store.fresh().order_work(order, epoch).await? else {
                return Ok(LetGo::Fenced);
            };
            let situation = situation(&work)?;
            let mut next = situation.begin();
            let mut tried = true;
            let end = loop {
                next = match next {
                    // A price that stands leads straight to the money: one look, two questions.
                    Next::Ask(call) => {
                        crash.pass(Moment::BeforeCall, call.name()).await;
                        let heard = self.ask(&work, &situation, &call).await?;
                        crash.pass(Moment::AfterCall, call.name()).await;
                        tried = heard != Outcome::NotTried;
                        situation.hear(&call, heard)
                    }
                    Next::Write(learned) => break self.advance(&work, *learned).await?,
                    Next::Wait(pause) => {
                        break Some(self.postpone(&work, Some(pause), tried).await?);
                    }
                    Next::Rest => break Some(self.postpone(&work, None, false).await?),
                };
            };
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// Writes what was learned; `Some` when that ends the drive.
    async fn advance(&self, work: &Work, learned: Learned) -> Result<Option<LetGo>, Error> {
        let (from, to, seats) = (work.state, learned.to, learned.seats);
        let step = step(work, learned)?;
        let (order, lease, goes_on) = (work.id, self.orders.lease, step.goes_on);
        let written = self
            .orders
            .store
            .transact("order_advance", Deadline::after(STEP_PATIENCE), |tx| {
                let (work, step) = (work.clone(), step.clone());
                async move {
                    let version = tx.order_advance(&work, &step, lease).await?;
                    if version.is_some() {
                        tx.seats_settle(order, seats).await?;
                        if to == State::Anonymised {
                            tx.order_anonymise(order).await?;
                        }
                    }
                    Ok(version)
                }
            })
            .await?;
        if written.is_none() {
            return Ok(Some(fenced(from)));
        }
        let labels = [("from", from.name()), ("to", to.name())];
        metrics::counter!("meridian_booking_transitions_total", &labels).increment(1);
        if to == State::ManualReview && from != to {
            metrics::counter!("meridian_saga_gave_up_total", "state" => from.name()).increment(1);
            tracing::error!(from = from.name(), "an order needs a person");
        }
        let end = if to.works() { LetGo::Postponed } else { LetGo::Rested };
        Ok((!goes_on).then_some(end))
    }

    async fn postpone(
        &self,
        work: &Work,
        pause: Option<Duration>,
        tried: bool,
    ) -> Result<LetGo, Error> {
        let state = work.state;
        let pause = pause.map(|pause| if state == State::Held { pause } else { spread(pause) });
        let kept = self
            .orders
            .store
            .transact("order_postpone", Deadline::after(STEP_PATIENCE), |tx| {
                let work = work.clone();
                async move { tx.order_postpone(&work, pause, tried).await }
            })
            .await?;
        if kept.is_none() {
            return Ok(fenced(state));
        }
        if !state.works() {
            return Ok(LetGo::Rested);
        }
        metrics::counter!("meridian_saga_postponed_total", "state" => state.name()).increment(1);
        Ok(LetGo::Postponed)
    }
}

/// Somebody else has taken over, and what this node wanted to write is not written.
fn fenced(state: State) -> LetGo {
    metrics::counter!("meridian_saga_fenced_total").increment(1);
    tracing::warn!(state = state.name(), "fenced: another node has taken the order over");
    LetGo::Fenced
}

/// What is known of an order, without anything personal.
fn situation(work: &Work) -> Result<Situation, Error> {
    let change = work.change.as_ref().map(read_change).transpose()?;
    let until = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    Ok(Situation {
        kind: work.kind,
        state: work.state,
        version: work.version,
        attempts: work.attempts,
        refusals: work.refusals,
        waited: until(work.waited),
        paying: work.payment_token.is_some(),
        booked: work.booking_reference.is_some(),
        until_lapse: work.until_lapse.map(until),
        until_flown: until(work.until_flown),
        since_flown: until(work.until_flown.saturating_neg()),
        erased: work.erased,
        total: work.total,
        owed_minor: work.owed_minor,
        payments: work.payments.clone(),
        change,
        disruption: work.disruption.as_ref().and_then(|it| it["id"].as_str()).map(str::to_owned),
        failing: work.failure.is_some(),
    })
}

fn read_change(stored: &Value) -> Result<Change, Error> {
    serde_json::from_value(stored.clone())
        .map_err(|error| Error::Unreadable(format!("a change under way: {error}")))
}

/// What is written for what was learned.
fn step(work: &Work, learned: Learned) -> Result<Advance, Error> {
    let rebooked = rebooked(work, &learned);
    let promised = learned.booking.as_ref().and_then(|booked| booked.payment_required_by);
    let price = learned.price.filter(|price| price.currency == work.total.currency);
    let (due_at, due_after) = match learned.due {
        Due::At(at) => (Some(at), Duration::ZERO),
        Due::After(pause) if learned.refused => (None, spread(pause)),
        Due::After(pause) => (None, pause),
        Due::Now | Due::Never => (None, Duration::ZERO),
    };
    Ok(Advance {
        state: learned.to,
        event: learned.event,
        due: learned.due != Due::Never,
        due_at,
        due_after,
        goes_on: learned.due == Due::Now,
        refused: learned.refused,
        owed_minor: learned.owed_minor,
        token_spent: learned.token_spent,
        failure: learned.failure,
        booking_reference: learned.booking.map(|booked| booked.record_locator),
        payment_required_by: promised,
        documents: learned.documents,
        price_change_minor: price.map(|price| price.amount_minor),
        action_url: learned.action_url,
        change_ends: learned.change != ChangeEnd::Keep,
        disruption: match learned.disruption {
            DisruptionEnd::Keep => None,
            DisruptionEnd::Set(change) => {
                Some(Some(json!({ "id": change.id, "itinerary": change.itinerary })))
            }
            DisruptionEnd::Apply | DisruptionEnd::Drop => Some(None),
        },
        rebooked,
        payment: learned.payment,
    })
}

/// What the order is about from now on, when a change takes effect.
fn rebooked(work: &Work, learned: &Learned) -> Option<Rebooked> {
    let change = work.change.as_ref().filter(|_| learned.change == ChangeEnd::Apply);
    let disruption =
        work.disruption.as_ref().filter(|_| learned.disruption == DisruptionEnd::Apply);
    let after = change.or(disruption)?;
    let itinerary = after["itinerary"].clone();
    let flown_at = flown_at(landings(&itinerary));
    let (total_minor, fees_minor) = (after["total_minor"].as_i64(), after["fees_minor"].as_i64());
    Some(Rebooked { total_minor, fees_minor, flown_at, itinerary })
}

fn landings(itinerary: &Value) -> impl Iterator<Item = Timestamp> {
    let slices = itinerary["slices"].as_array().into_iter().flatten();
    let segments = slices.filter_map(|slice| slice["segments"].as_array()).flatten();
    segments.filter_map(|segment| segment["arrives"].as_str()?.parse().ok())
}

/// Up to a quarter longer, at random.
fn spread(pause: Duration) -> Duration {
    if pause > SPREAD_UP_TO {
        return pause;
    }
    let mut byte = [0_u8; 1];
    getrandom::fill(&mut byte).expect("the system gives randomness");
    pause + pause * u32::from(byte[0]) / (4 * 255)
}
