//! What a run draws beside what chaos draws, out of the same sequence. One seed is one run.

use std::time::Duration;

#[path = "../chaos/chance.rs"]
#[expect(dead_code, reason = "chaos needs more of it")]
mod sequence;

pub(crate) use sequence::Chance;

impl Chance {
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
