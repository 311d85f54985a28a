//! Chance that can be repeated: SplitMix64 (Steele, Lea and Flood, 2014). One seed is one run.

use std::time::Duration;

use meridian::catalogue::schedule::mix;

/// How far SplitMix64's state goes from one number to the next.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A sequence.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The sequence of a seed; seeds that follow each other have nothing in common.
    pub(crate) fn of(seed: u64) -> Self {
        Self(mix(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        let number = mix(self.0);
        self.0 = self.0.wrapping_add(STEP);
        number
    }

    /// Below a number.
    pub(crate) fn below(&mut self, number: usize) -> usize {
        usize::try_from(self.next() % number as u64).expect("below a usize")
    }

    /// Whether something happens that happens so many times in a hundred.
    pub(crate) fn percent(&mut self, of: u64) -> bool {
        self.next() % 100 < of
    }

    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Between two numbers, both included.
    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        let width = u64::try_from(to - from + 1).expect("from is not above to");
        from + i64::try_from(self.next() % width).expect("below a width")
    }

    /// Up to a quarter longer, as a driver spreads its short pauses.
    pub(crate) fn spread(&mut self, pause: Duration) -> Duration {
        if pause > Duration::from_secs(60) {
            return pause;
        }
        pause + pause * u32::try_from(self.next() % 256).expect("below 256") / (4 * 255)
    }
}
