//! What is counted while the house is shaken, and what went wrong.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use meridian::clock::Clock;

use crate::fleet::Counted;

/// Most violations of one kind that are printed.
const PRINTED_MAX: usize = 8;

/// All counts of a run.
pub(crate) struct Figures {
    began: Instant,
    /// Writes with a key of their own.
    pub(crate) requests: AtomicU64,
    /// Everything that was sent, searches, repetitions and bursts included.
    pub(crate) sent: AtomicU64,
    /// Writes that were sent again under their key.
    pub(crate) replays: AtomicU64,
    /// Clients that hung up in the middle of a request.
    pub(crate) hung_up: AtomicU64,
    pub(crate) kills: AtomicU64,
    pub(crate) freezes: AtomicU64,
    counted: Mutex<Counted>,
    wrong: Mutex<BTreeMap<&'static str, u64>>,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Figures {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            began: Clock::instant(),
            requests: zero(),
            sent: zero(),
            replays: zero(),
            hung_up: zero(),
            kills: zero(),
            freezes: zero(),
            counted: Mutex::default(),
            wrong: Mutex::default(),
        }
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    pub(crate) fn seconds(&self) -> f64 {
        (self.began.elapsed().as_secs_f64() * 10.0).round() / 10.0
    }

    /// Says what goes on.
    pub(crate) fn say(&self, words: &str) {
        eprintln!("{:7.1} s  {words}", self.seconds());
    }

    /// Adds what a process counted that is no more.
    pub(crate) fn bury(&self, counted: Counted) {
        let mut all = locked(&self.counted);
        all.fenced += counted.fenced;
        all.ambiguous += counted.ambiguous;
    }

    pub(crate) fn counted(&self) -> Counted {
        *locked(&self.counted)
    }

    /// Writes down what must not be.
    pub(crate) fn wrong(&self, invariant: &'static str, words: String) {
        let mut wrong = locked(&self.wrong);
        let count = wrong.entry(invariant).or_default();
        *count += 1;
        if *count <= PRINTED_MAX as u64 {
            self.say(&format!("VIOLATED {invariant}: {words}"));
        }
    }

    /// Violations by invariant.
    pub(crate) fn violations(&self) -> BTreeMap<&'static str, u64> {
        locked(&self.wrong).clone()
    }
}
