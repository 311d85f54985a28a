//! The crate's only clock, for measuring and for the end of a call.

use std::time::{Duration, Instant};

/// When something began, and how long that may take.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    began: Instant,
    within: Duration,
}

impl Span {
    /// Begins now.
    #[expect(clippy::disallowed_methods, reason = "this is the place where the clock is asked")]
    pub(crate) fn begin(within: Duration) -> Self {
        Self { began: Instant::now(), within }
    }

    /// What has passed.
    pub(crate) fn passed(self) -> Duration {
        self.began.elapsed()
    }

    /// What is left; zero once it is over.
    pub(crate) fn left(self) -> Duration {
        self.within.saturating_sub(self.passed())
    }
}
