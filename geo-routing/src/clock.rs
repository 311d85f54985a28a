//! The crate's only clock; everything else is told the time.

#![expect(clippy::disallowed_methods, reason = "this is the place where the clock is asked")]

use std::time::{Instant, SystemTime};

/// The time of day: for signatures, cookies, expiries and the age of data.
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// A point in time that never goes back: for rates and probes.
pub(crate) fn instant() -> Instant {
    Instant::now()
}
