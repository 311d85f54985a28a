//! The only clock. Everything else asks it, so that a test can move time without waiting.
//!
//! Leases and due times are *not* kept by it: they are compared inside SQL with the database's own
//! clock, so that a node whose clock is wrong cannot steal work.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A handle to the time; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_seconds: Arc<AtomicI64>,
}

impl Clock {
    /// The wall clock, in UTC, to the microsecond: as the database keeps it, so that what is told
    /// first is what is read later.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.offset_seconds.load(Ordering::Relaxed));
        let now = Timestamp::now() + offset;
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// A wall clock that is wrong by so much; for stories about a machine that does not know.
    pub fn wrong_by(seconds: i64) -> Self {
        Self { offset_seconds: Arc::new(AtomicI64::new(seconds)) }
    }

    /// Moves the wall clock of every clone; for stories that need tomorrow.
    pub fn advance(&self, by: Duration) {
        let seconds = i64::try_from(by.as_secs()).expect("a test does not leave the calendar");
        self.offset_seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// A point on the monotonic clock, for measuring.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn instant() -> Instant {
        Instant::now()
    }
}

/// Until when an answer is worth having.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub fn after(patience: Duration) -> Self {
        Self(Clock::instant() + patience)
    }

    /// What is left; zero once it has passed.
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(Clock::instant())
    }

    /// Whether it has passed.
    pub fn passed(&self) -> bool {
        self.left().is_zero()
    }
}
