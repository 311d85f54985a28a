//! A circuit breaker: it stops asking a company that fails, and asks carefully whether it is back.
//! It is told the time, so that a test can move it.
//!
//! Closed, it trips on five failures one after another, or when fewer than half of at least twenty
//! calls of the last ten seconds succeeded. Open, it lets nothing through for a while: a second,
//! then twice as long each time, to thirty, and longer by chance, so that nodes do not come back
//! together. Then it lets one call through, and that one decides. A 429 is a failure, also of that
//! one; a definite refusal is a success, since the company works. linkerd2-proxy has this rule.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Failures one after another that trip it.
pub(super) const FAILURES_MAX: u32 = 5;
/// How far back successes are counted, in seconds.
const WINDOW_SECONDS: u64 = 10;
/// Calls in the window below which their share of successes says nothing.
const CALLS_MIN: u32 = 20;
/// Shortest time that it stays open.
const OPEN: Duration = Duration::from_secs(1);
/// Longest time that it stays open.
const OPEN_MAX: Duration = Duration::from_secs(30);

/// A circuit breaker.
pub(super) struct Breaker {
    state: State,
    /// Counts changes of state: a call that began before one says nothing after it.
    era: u64,
    /// Before then nothing is asked, because the company said so.
    quiet_until: Option<Instant>,
    /// How long it stays open, each time that a probe fails.
    pauses: ExponentialBackoff,
    chance: u64,
}

enum State {
    Closed { in_a_row: u32, seconds: VecDeque<Second>, since: Instant },
    Open { until: Instant },
    HalfOpen,
}

/// What the calls of one second came to.
struct Second {
    nth: u64,
    succeeded: u32,
    failed: u32,
}

/// Leave to make one call.
#[derive(Debug)]
pub(super) struct Leave {
    era: u64,
}

/// Why there is no leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// The company fails.
    Open,
    /// The company asked for time.
    Quiet,
}

/// What a call says about the company.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It works, whatever it answered.
    Good,
    /// It does not, and perhaps asked for so much time.
    Bad(Option<Duration>),
    /// Nothing: the call was given up on our side.
    Unseen,
}

impl Breaker {
    /// Closed. Chance is drawn from a seed.
    pub(super) fn new(now: Instant, seed: u64) -> Self {
        let (state, pauses) = (closed(now), pauses(seed));
        Self { state, era: 0, quiet_until: None, pauses, chance: seed }
    }

    /// Asks for leave to make a call.
    pub(super) fn ask(&mut self, now: Instant) -> Result<Leave, Shut> {
        let probes = match self.state {
            State::Closed { .. } => false,
            State::Open { until } if now >= until => true,
            State::Open { .. } | State::HalfOpen => return Err(Shut::Open),
        };
        if self.quiet_until.is_some_and(|until| now < until) {
            return Err(Shut::Quiet);
        }
        if probes {
            self.enter(State::HalfOpen);
        }
        Ok(Leave { era: self.era })
    }

    /// Learns from a call that had leave.
    pub(super) fn learn(&mut self, now: Instant, leave: &Leave, health: Health) {
        if leave.era != self.era {
            return;
        }
        if let Health::Bad(Some(wait)) = health {
            self.quiet_until = Some(now + wait.min(OPEN_MAX));
        }
        match (&mut self.state, health) {
            (State::HalfOpen, Health::Good) => {
                self.chance = self.chance.wrapping_add(1);
                self.pauses = pauses(self.chance);
                self.enter(closed(now));
            }
            (State::HalfOpen, Health::Bad(_)) => self.open(now),
            // Whoever asks next is the probe instead.
            (State::HalfOpen, Health::Unseen) => self.enter(State::Open { until: now }),
            (State::Closed { in_a_row, seconds, since }, Health::Good | Health::Bad(_)) => {
                let failed = health != Health::Good;
                *in_a_row = if failed { *in_a_row + 1 } else { 0 };
                count(seconds, now.duration_since(*since).as_secs(), failed);
                if *in_a_row >= FAILURES_MAX || mostly_failed(seconds) {
                    self.open(now);
                }
            }
            (State::Closed { .. } | State::Open { .. }, _) => {}
        }
    }

    /// 0 closed, 1 half open, 2 open.
    pub(super) fn state(&self) -> u8 {
        match self.state {
            State::Closed { .. } => 0,
            State::HalfOpen => 1,
            State::Open { .. } => 2,
        }
    }

    fn open(&mut self, now: Instant) {
        let pause = self.pauses.next().unwrap_or(OPEN_MAX).min(OPEN_MAX);
        self.enter(State::Open { until: now + pause });
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }
}

fn closed(now: Instant) -> State {
    State::Closed { in_a_row: 0, seconds: VecDeque::new(), since: now }
}

fn pauses(seed: u64) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(OPEN)
        .with_max_delay(OPEN_MAX)
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(seed)
        .build()
}

fn count(seconds: &mut VecDeque<Second>, nth: u64, failed: bool) {
    while seconds.front().is_some_and(|second| second.nth + WINDOW_SECONDS <= nth) {
        seconds.pop_front();
    }
    if seconds.back().is_none_or(|second| second.nth < nth) {
        seconds.push_back(Second { nth, succeeded: 0, failed: 0 });
    }
    let second = seconds.back_mut().expect("it was pushed if there was none");
    if failed {
        second.failed += 1;
    } else {
        second.succeeded += 1;
    }
}

fn mostly_failed(seconds: &VecDeque<Second>) -> bool {
    let succeeded: u32 = seconds.iter().map(|second| second.succeeded).sum();
    let failed: u32 = seconds.iter().map(|second| second.failed).sum();
    succeeded + failed >= CALLS_MIN && succeeded < failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const BAD: Health = Health::Bad(None);

    /// A breaker and its time.
    struct Bench {
        breaker: Breaker,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let now = Clock::instant();
            Self { breaker: Breaker::new(now, 7), now }
        }

        fn tripped() -> Self {
            let mut bench = Self::new();
            while bench.breaker.state() == 0 {
                assert_eq!(bench.call(BAD), None);
            }
            bench
        }

        fn wait(&mut self, millis: u64) {
            self.now += Duration::from_millis(millis);
        }

        fn ask(&mut self) -> Result<Leave, Shut> {
            self.breaker.ask(self.now)
        }

        /// Makes a call, or says why there is no leave for it.
        fn call(&mut self, health: Health) -> Option<Shut> {
            let leave = match self.ask() {
                Ok(leave) => leave,
                Err(shut) => return Some(shut),
            };
            self.breaker.learn(self.now, &leave, health);
            None
        }

        /// Waits until there is leave for a probe; how long that took, in milliseconds.
        fn probe(&mut self) -> (Leave, u64) {
            for waited in (0..).step_by(10) {
                if let Ok(leave) = self.ask() {
                    return (leave, waited);
                }
                self.wait(10);
            }
            unreachable!("it opens some time")
        }
    }

    #[test]
    fn five_failures_in_a_row_trip_it_and_four_do_not() {
        let mut bench = Bench::new();
        for _ in 0..10 {
            for health in [BAD, BAD, BAD, BAD, Health::Good, Health::Good, Health::Good] {
                assert_eq!(bench.call(health), None);
                // The other rule looks ten seconds back, and sees too few.
                bench.wait(600);
            }
        }
        for _ in 0..FAILURES_MAX {
            assert_eq!(bench.call(BAD), None);
        }
        assert_eq!(bench.call(Health::Good), Some(Shut::Open));
    }

    #[test]
    fn fewer_than_half_of_twenty_trip_it_within_ten_seconds() {
        let calls_until_it_trips = |failures_of_three: usize, apart: u64| {
            let mut bench = Bench::new();
            let passes = |nth: &usize| {
                bench.wait(apart);
                let failed = nth % 3 < failures_of_three;
                bench.call(if failed { BAD } else { Health::Good }).is_none()
            };
            (0..100).take_while(passes).count()
        };
        assert_eq!(calls_until_it_trips(2, 100), 20, "two of three fail");
        assert_eq!(calls_until_it_trips(1, 100), 100, "two of three succeed");
        assert_eq!(calls_until_it_trips(2, 1_000), 100, "never twenty within ten seconds");
    }

    #[test]
    fn it_stays_open_for_a_second_and_twice_as_long_each_time_to_thirty() {
        let mut bench = Bench::tripped();
        let mut shortest = 1_000;
        for _ in 0..8 {
            let (probe, waited) = bench.probe();
            let longest = (2 * shortest).min(30_000);
            assert!((shortest..=longest).contains(&waited), "{waited}, not from {shortest}");
            bench.breaker.learn(bench.now, &probe, BAD);
            shortest = (2 * shortest).min(30_000);
        }
        let (probe, _) = bench.probe();
        bench.breaker.learn(bench.now, &probe, Health::Good);
        assert_eq!(bench.breaker.state(), 0);
        let again = Bench { now: bench.now, breaker: bench.breaker };
        assert!(reopened_for(again) <= 2_000, "what is over is forgotten");
    }

    fn reopened_for(mut bench: Bench) -> u64 {
        while bench.breaker.state() == 0 {
            assert_eq!(bench.call(BAD), None);
        }
        bench.probe().1
    }

    #[test]
    fn one_probe_at_a_time_decides() {
        let mut bench = Bench::tripped();
        let (probe, _) = bench.probe();
        assert_eq!(bench.breaker.state(), 1);
        assert_eq!(bench.call(Health::Good), Some(Shut::Open), "while the probe is under way");
        bench.breaker.learn(bench.now, &probe, Health::Unseen);
        let (probe, waited) = bench.probe();
        assert_eq!(waited, 0, "a probe that was given up is made by the next");
        bench.breaker.learn(bench.now, &probe, Health::Bad(None));
        assert_eq!((bench.breaker.state(), bench.call(Health::Good)), (2, Some(Shut::Open)));
        let (probe, _) = bench.probe();
        bench.breaker.learn(bench.now, &probe, Health::Good);
        assert_eq!((bench.breaker.state(), bench.call(Health::Good)), (0, None));
    }

    #[test]
    fn a_company_that_asks_for_time_gets_it() {
        let mut bench = Bench::new();
        assert_eq!(bench.call(Health::Bad(Some(Duration::from_secs(3)))), None);
        bench.wait(2_990);
        assert_eq!(bench.call(Health::Good), Some(Shut::Quiet));
        bench.wait(10);
        assert_eq!(bench.call(Health::Good), None);
        assert_eq!(bench.call(Health::Bad(Some(Duration::from_secs(86_400)))), None);
        bench.wait(30_000);
        assert_eq!(bench.call(Health::Good), None, "but not a day");
        // Also when it is a probe that is told so.
        let mut bench = Bench::tripped();
        let (probe, _) = bench.probe();
        bench.breaker.learn(bench.now, &probe, Health::Bad(Some(Duration::from_secs(20))));
        assert!(bench.probe().1 >= 20_000);
    }

    #[test]
    fn what_began_before_a_trip_says_nothing_after_it() {
        let mut bench = Bench::new();
        let early = bench.ask().expect("it is closed");
        while bench.breaker.state() == 0 {
            assert_eq!(bench.call(BAD), None);
        }
        bench.breaker.learn(bench.now, &early, Health::Good);
        assert_eq!(bench.breaker.state(), 2);
        let (probe, _) = bench.probe();
        bench.breaker.learn(bench.now, &early, Health::Bad(None));
        assert_eq!(bench.breaker.state(), 1);
        bench.breaker.learn(bench.now, &probe, Health::Good);
        assert_eq!(bench.breaker.state(), 0);
    }
}
