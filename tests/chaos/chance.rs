//! Chance that can be repeated: SplitMix64 (Steele, Lea and Flood, 2014). One seed gives one
//! sequence, and each who needs chance gets a sequence of its own.

use std::time::Duration;

use meridian::catalogue::schedule::mix;

/// How far SplitMix64's state goes from one number to the next.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A sequence.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// A sequence of its own for somebody.
    pub(crate) fn of(seed: u64, who: u64) -> Self {
        let mut mixed = Self(seed ^ who.wrapping_mul(STEP));
        Self(mixed.next())
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

    pub(crate) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Between two numbers of milliseconds.
    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.next() % (to - from + 1))
    }

    /// The numbers below another in some order (Fisher and Yates).
    pub(crate) fn shuffled(&mut self, number: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..number).collect();
        for at in (1..number).rev() {
            order.swap(at, self.below(at + 1));
        }
        order
    }
}
