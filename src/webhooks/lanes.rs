//! Bulkheads: deliveries of one host share a lane, and a lane has room for a few at once. A host
//! that does not answer fills its own lane, and all such hosts together no more than a part of the
//! whole, so that those who answer are never kept waiting by those who do not.
//!
//! What is remembered here is no state of the house: another node, or this one after a restart,
//! finds it out again within a few tries.

use std::collections::HashMap;

/// Deliveries of one node at once.
pub const ALL_MAX: usize = 64;
/// Of one lane.
const LANE_MAX: usize = 4;
/// Of all lanes together whose last try had no answer.
const SILENT_MAX: usize = 16;

/// The lanes of a node that are in use, or were silent.
#[derive(Debug, Default)]
pub struct Lanes(HashMap<i64, Lane>);

#[derive(Debug, Default)]
struct Lane {
    under_way: usize,
    silent: bool,
}

impl Lanes {
    /// Takes a place in a lane; `false` when it has none.
    pub fn enter(&mut self, lane: i64) -> bool {
        let room = self.has_room(lane, self.silent_under_way());
        if room {
            self.0.entry(lane).or_default().under_way += 1;
        }
        room
    }

    /// Gives a place back, and remembers whether anybody answered.
    pub fn leave(&mut self, lane: i64, answered: bool) {
        let entry = self.0.entry(lane).or_default();
        entry.under_way = entry.under_way.saturating_sub(1);
        entry.silent = !answered;
        if entry.under_way == 0 && answered {
            self.0.remove(&lane);
        }
    }

    /// Lanes that have no room now.
    pub fn closed(&self) -> Vec<i64> {
        let silent = self.silent_under_way();
        self.0.keys().copied().filter(|lane| !self.has_room(*lane, silent)).collect()
    }

    fn has_room(&self, lane: i64, silent_under_way: usize) -> bool {
        match self.0.get(&lane) {
            None => true,
            // One at a time finds out whether it is back.
            Some(lane) if lane.silent => lane.under_way == 0 && silent_under_way < SILENT_MAX,
            Some(lane) => lane.under_way < LANE_MAX,
        }
    }

    fn silent_under_way(&self) -> usize {
        self.0.values().filter(|lane| lane.silent).map(|lane| lane.under_way).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_has_room_for_a_few() {
        let mut lanes = Lanes::default();
        for _ in 0..LANE_MAX {
            assert!(lanes.enter(1));
        }
        assert!(!lanes.enter(1));
        assert_eq!(lanes.closed(), [1]);
        assert!(lanes.enter(2), "another host's lane is another's");
        lanes.leave(1, true);
        assert!(lanes.closed().is_empty() && lanes.enter(1));
    }

    #[test]
    fn those_who_do_not_answer_share_a_part_of_the_whole() {
        let mut lanes = Lanes::default();
        let silent = i64::try_from(2 * SILENT_MAX).expect("a small number");
        for lane in 0..silent {
            assert!(lanes.enter(lane));
            lanes.leave(lane, false);
        }
        let entered = (0..silent).filter(|lane| lanes.enter(*lane)).count();
        assert_eq!(entered, SILENT_MAX);
        assert_eq!(lanes.closed().len(), 2 * SILENT_MAX, "one at a time, and no more of the rest");
        assert!(lanes.enter(1000), "who answers has room");
        lanes.leave(1000, true);

        lanes.leave(0, true);
        assert!(lanes.enter(0) && lanes.enter(0), "who answers again is trusted again");
        assert!(lanes.enter(silent - 1), "and gave a silent one its place");
    }

    #[test]
    fn nothing_is_remembered_of_who_answers() {
        let mut lanes = Lanes::default();
        assert!(lanes.enter(1));
        lanes.leave(1, true);
        assert!(lanes.0.is_empty());
    }
}
