//! What is counted while the house lives: requests, failures with their time and reason, and the
//! windows in which a failure is documented. It judges; it asks nobody anything.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use meridian::clock::Clock;
use serde_json::{Value, json};

/// A request that a correct client's retries did not bring to the answer that it should have.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// Whether it was for the region as somebody's home; otherwise it was led there by nearness.
    pub(crate) at_home: bool,
    /// The region that is home, or that it was led to.
    pub(crate) region: String,
    pub(crate) what: &'static str,
    pub(crate) reason: String,
}

/// A time in which some requests may fail, because the runbook says so.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) region: String,
    /// Whose requests: those of its own people, or those that nearness leads there.
    pub(crate) at_home: bool,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Window {
    fn explains(&self, it: &Failure) -> bool {
        let same = self.region == it.region && self.at_home == it.at_home;
        same && it.began <= self.to && it.ended >= self.from
    }
}

/// A phase that is over.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    pub(crate) failed_outside: usize,
    pub(crate) failed_in_window: usize,
}

impl Phase {
    pub(crate) fn json(&self) -> Value {
        json!({
            "name": self.name, "seconds": tenths(self.seconds), "requests": self.requests,
            "failed_outside": self.failed_outside, "failed_in_window": self.failed_in_window,
        })
    }
}

pub(crate) fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

/// All counts of a run; the crowd writes, the phases read.
pub(crate) struct Figures {
    began: Instant,
    pub(crate) requests: AtomicU64,
    pub(crate) searches: AtomicU64,
    pub(crate) log_ins: AtomicU64,
    pub(crate) sent_home: AtomicU64,
    pub(crate) repeated: AtomicU64,
    failures: Mutex<Vec<Failure>>,
    windows: Mutex<Vec<Window>>,
    /// Orders that a region said it would not lose.
    accepted: Mutex<Vec<String>>,
    /// When somebody was last led to a region by its nearness alone.
    led: Mutex<BTreeMap<String, Instant>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            began: Clock::instant(),
            requests: AtomicU64::new(0),
            searches: AtomicU64::new(0),
            log_ins: AtomicU64::new(0),
            sent_home: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            failures: Mutex::default(),
            windows: Mutex::default(),
            accepted: Mutex::default(),
            led: Mutex::default(),
        }
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    pub(crate) fn fail(&self, failure: Failure) {
        let at = (failure.ended - self.began).as_secs_f64();
        let Failure { region, what, reason, .. } = &failure;
        eprintln!("{at:7.1} s  failed: {what} in {region}: {reason}");
        locked(&self.failures).push(failure);
    }

    pub(crate) fn accept(&self, order: &str) {
        locked(&self.accepted).push(order.to_owned());
    }

    pub(crate) fn accepted(&self) -> Vec<String> {
        locked(&self.accepted).clone()
    }

    pub(crate) fn led_to(&self, region: &str) {
        locked(&self.led).insert(region.to_owned(), Clock::instant());
    }

    /// When the last newcomer was led to a region.
    pub(crate) fn last_led_to(&self, region: &str) -> Option<Instant> {
        locked(&self.led).get(region).copied()
    }

    pub(crate) fn excuse(&self, window: Window) {
        locked(&self.windows).push(window);
    }

    /// How many failures so far are outside of every window, and how many inside of one.
    fn judged(&self) -> (usize, usize) {
        let (failures, windows) = (locked(&self.failures), locked(&self.windows));
        let inside = |it: &&Failure| windows.iter().any(|window| window.explains(it));
        let excused = failures.iter().filter(inside).count();
        (failures.len() - excused, excused)
    }

    /// Runs a phase and counts what happened in it.
    pub(crate) fn begin(&self, name: &'static str) -> Begun<'_> {
        eprintln!("{:7.1} s  phase: {name}", self.seconds());
        let (began, requests) = (Clock::instant(), Self::read(&self.requests));
        Begun { figures: self, name, began, requests, judged: self.judged() }
    }
}

/// A phase that goes on.
pub(crate) struct Begun<'a> {
    figures: &'a Figures,
    name: &'static str,
    began: Instant,
    requests: u64,
    judged: (usize, usize),
}

impl Begun<'_> {
    pub(crate) fn end(self) -> Phase {
        let (outside, inside) = self.figures.judged();
        Phase {
            name: self.name,
            seconds: self.began.elapsed().as_secs_f64(),
            requests: Figures::read(&self.figures.requests) - self.requests,
            // A window that opened later may explain what happened before it was known.
            failed_outside: outside.saturating_sub(self.judged.0),
            failed_in_window: inside.saturating_sub(self.judged.1),
        }
    }
}

/// Seconds of a documented window.
pub(crate) fn seconds(window: Duration) -> f64 {
    tenths(window.as_secs_f64())
}
