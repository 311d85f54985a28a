//! What stands before every call of one operation of one company: a breaker, and a number of
//! places. Operations do not share them: one that hangs or fails takes nothing from another.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tower::retry::budget::{Budget, TpsBudget};

use super::breaker::{Breaker, Health, Leave, Shut};
use super::http::Operation;
use crate::clock::Clock;

/// Calls of one operation at once. Fewer than a worker drives orders, so that one operation that
/// hangs leaves some of them to the others.
const PLACES: usize = 24;
/// How long a call counts for the budget of repeats.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
/// Repeats that are always allowed, per second.
const BUDGET_FLOOR: u32 = 1;
/// Repeats for each call, beyond the floor.
const BUDGET_SHARE: f32 = 0.2;

/// Stands before one operation.
pub(super) struct Gate {
    supplier: &'static str,
    pub(super) operation: &'static Operation,
    breaker: Mutex<Breaker>,
    places: Semaphore,
    repeats: TpsBudget,
}

/// Leave to make one call, and the place that it takes.
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    leave: Leave,
    health: Health,
    _place: SemaphorePermit<'a>,
}

impl Gate {
    pub(super) fn new(supplier: &'static str, operation: &'static Operation) -> Self {
        let seed = uuid::Uuid::new_v4().as_u64_pair().0;
        let gate = Self {
            supplier,
            operation,
            breaker: Mutex::new(Breaker::new(Clock::instant(), seed)),
            places: Semaphore::new(PLACES),
            repeats: TpsBudget::new(BUDGET_WINDOW, BUDGET_FLOOR, BUDGET_SHARE),
        };
        gate.show(0);
        gate
    }

    /// Asks for leave to make a call; without it nothing may be sent.
    pub(super) fn enter(&self) -> Option<Pass<'_>> {
        let Ok(place) = self.places.try_acquire() else { return self.not_tried("full") };
        let asked = self.with(|breaker| breaker.ask(Clock::instant()));
        match asked {
            Ok(leave) => Some(Pass { gate: self, leave, health: Health::Unseen, _place: place }),
            Err(Shut::Open) => self.not_tried("breaker_open"),
            Err(Shut::Quiet) => self.not_tried("asked_to_wait"),
        }
    }

    /// A first try, from which the budget of repeats grows.
    pub(super) fn first_try(&self) {
        self.repeats.deposit();
    }

    /// Whether a repeat is within the budget.
    pub(super) fn may_repeat(&self) -> bool {
        self.repeats.withdraw()
    }

    fn not_tried(&self, reason: &'static str) -> Option<Pass<'_>> {
        let operation = self.operation.name;
        let labels = [("supplier", self.supplier), ("operation", operation), ("reason", reason)];
        metrics::counter!("meridian_supplier_not_tried_total", &labels).increment(1);
        None
    }

    /// Works with the breaker, and shows and tells when that changed its state.
    fn with<T>(&self, work: impl FnOnce(&mut Breaker) -> T) -> T {
        let (before, after, result) = {
            let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
            let before = breaker.state();
            let result = work(&mut breaker);
            (before, breaker.state(), result)
        };
        if before != after {
            self.show(after);
            let (supplier, operation) = (self.supplier, self.operation.name);
            match after {
                2 => tracing::warn!(supplier, operation, "the breaker is open"),
                0 => tracing::info!(supplier, operation, "the breaker is closed again"),
                _ => {}
            }
        }
        result
    }

    fn show(&self, state: u8) {
        let labels = [("supplier", self.supplier), ("operation", self.operation.name)];
        metrics::gauge!("meridian_supplier_breaker_state", &labels).set(f64::from(state));
    }
}

impl Pass<'_> {
    /// Gives the place back, and says what the call told about the company.
    pub(super) fn leave(mut self, health: Health) {
        self.health = health;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.with(|breaker| breaker.learn(Clock::instant(), &self.leave, self.health));
    }
}
