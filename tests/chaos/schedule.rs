//! What happens to the house, as a sequence that a seed decides and nothing else.

use std::time::Duration;

use crate::chance::Chance;
use crate::house::LEASE;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A process is killed; it is away for a while.
    Kill { process: usize, away: Duration },
    /// All processes of a region are killed at one blow.
    KillRegion { region: usize, away: Duration },
    /// A process sleeps longer than its lease, and goes on as if nothing had been.
    Freeze { process: usize, asleep: Duration },
    /// The database crashes; it is away for a while.
    CrashDatabase { away: Duration },
    /// The next COMMITs of a process never arrive.
    LoseCommitRequests { process: usize, count: u32 },
    /// The next COMMITs of a process arrive, and their answers are lost.
    LoseCommitReplies { process: usize, count: u32 },
    /// A message is torn in the middle, on the way to the database or back.
    Tear { process: usize, up: bool, bytes: usize },
    /// All connections of a process to the database are reset.
    Reset { process: usize },
    /// A link is bad for a while.
    Weather { process: usize, to: To, kind: Kind, lasts: Duration },
    /// A region cannot reach the database for a while.
    Partition { region: usize, way: Way, lasts: Duration },
    /// All links to the database go down one by one, and come back in another order.
    Swizzle { down: Vec<usize>, back: Vec<usize>, every: Duration },
}

/// Which link of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Database,
    Suppliers,
}

/// Which ways of a link are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Both; connections are refused and cut.
    Down,
    /// Both; connections stay and nothing passes.
    HalfOpen,
    /// Nothing passes on the way there.
    There,
    /// Nothing passes on the way back.
    Back,
}

/// How a link is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Closed(Way),
    /// Late by so much, give or take the jitter.
    Late {
        latency: Duration,
        jitter: Duration,
    },
    /// Narrow: so many bytes a second.
    Narrow(u32),
    /// In slices of so many bytes.
    Sliced(usize),
    /// The end of a connection is told late.
    SlowClose(Duration),
}

/// The endless sequence of a seed: a pause, and what happens then.
pub(crate) struct Schedule {
    chance: Chance,
    processes: usize,
    regions: usize,
    /// Pause between two actions, on average.
    pace: Duration,
    /// Actions since the database crashed.
    since_crash: u32,
}

/// Actions from one crash of the database to the next.
const CRASH_EVERY: u32 = 36;

impl Schedule {
    pub(crate) fn new(seed: u64, regions: usize, pace: Duration) -> Self {
        let processes = regions * 3;
        Self { chance: Chance::of(seed, 1), processes, regions, pace, since_crash: 0 }
    }

    fn process(&mut self) -> usize {
        self.chance.below(self.processes)
    }

    fn away(&mut self) -> Duration {
        self.chance.millis(20, 600)
    }

    fn lasts(&mut self) -> Duration {
        self.chance.millis(500, 5000)
    }

    fn way(&mut self) -> Way {
        *self.chance.one(&[Way::Down, Way::HalfOpen, Way::There, Way::Back])
    }

    fn kind(&mut self) -> Kind {
        match self.chance.below(5) {
            0 => Kind::Closed(self.way()),
            1 => Kind::Late {
                latency: self.chance.millis(20, 400),
                jitter: self.chance.millis(1, 200),
            },
            2 => Kind::Narrow(2_000 + u32::try_from(self.chance.below(20_000)).expect("small")),
            3 => Kind::Sliced(1 + self.chance.below(64)),
            _ => Kind::SlowClose(self.chance.millis(200, 2000)),
        }
    }

    fn action(&mut self) -> Action {
        self.since_crash += 1;
        if self.since_crash >= CRASH_EVERY {
            self.since_crash = 0;
            return Action::CrashDatabase { away: self.chance.millis(50, 1500) };
        }
        let process = self.process();
        match self.chance.below(100) {
            0..58 => Action::Kill { process, away: self.away() },
            58..62 => {
                Action::KillRegion { region: self.chance.below(self.regions), away: self.away() }
            }
            62..70 => {
                let least = u64::try_from(LEASE.as_millis()).expect("short");
                Action::Freeze { process, asleep: self.chance.millis(least + 300, least * 3) }
            }
            70..75 => Action::LoseCommitRequests { process, count: 1 + self.few() },
            75..81 => Action::LoseCommitReplies { process, count: 1 + self.few() },
            81..85 => {
                let up = self.chance.percent(50);
                Action::Tear { process, up, bytes: self.chance.below(200) }
            }
            85..88 => Action::Reset { process },
            88..95 => {
                let to = if self.chance.percent(60) { To::Database } else { To::Suppliers };
                Action::Weather { process, to, kind: self.kind(), lasts: self.lasts() }
            }
            95..98 => {
                let region = self.chance.below(self.regions);
                Action::Partition { region, way: self.way(), lasts: self.lasts() }
            }
            _ => Action::Swizzle {
                down: self.chance.shuffled(self.processes),
                back: self.chance.shuffled(self.processes),
                every: self.chance.millis(50, 250),
            },
        }
    }

    fn few(&mut self) -> u32 {
        u32::try_from(self.chance.below(3)).expect("small")
    }
}

impl Iterator for Schedule {
    type Item = (Duration, Action);

    fn next(&mut self) -> Option<Self::Item> {
        let most = u64::try_from(self.pace.as_millis()).expect("short") * 2;
        Some((self.chance.millis(0, most), self.action()))
    }
}

/// The same seed gives the same sequence, and another seed another.
pub(crate) fn check() {
    let some = |seed| Schedule::new(seed, 3, Duration::from_millis(500)).take(500);
    assert!(some(1).eq(some(1)), "a seed gives two sequences");
    assert!(!some(1).eq(some(2)), "two seeds give one sequence");
}
