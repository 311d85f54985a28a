//! Drives a server for a while, as fast as it answers or at a fixed pace, and measures both ends.

use std::time::{Duration, Instant};

use crate::asker::Asker;
use crate::clock;
use crate::process::{Process, is_good};
use crate::questions::Questions;

/// Questions on their way at any time; what one busy resolver keeps.
const WINDOW: usize = 100;

/// How long a server is driven before it is measured: caches fill, and the processor wakes.
const WARM_UP: Duration = Duration::from_millis(200);

/// Latencies in microseconds, exact to one part in 64.
struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

/// Buckets for each doubling.
const FINENESS: u64 = 64;

impl Latencies {
    fn new() -> Self {
        // Enough for the patience of an asker, and more.
        Self { counts: vec![0; 32 * FINENESS as usize], total: 0 }
    }

    fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap();
        self.counts[Self::bucket(micros)] += 1;
        self.total += 1;
    }

    /// Exact below the fineness; above it each doubling has as many buckets.
    fn bucket(micros: u64) -> usize {
        let doublings = micros.max(1).ilog2().saturating_sub(FINENESS.ilog2());
        let bucket = u64::from(doublings) * FINENESS + (micros >> doublings);
        usize::try_from(bucket).unwrap()
    }

    /// The latency in microseconds that so many of a hundred stay below.
    fn percentile(&self, percent: u64) -> f64 {
        let rank = self.total * percent / 100;
        let mut below = 0;
        let found = self.counts.iter().position(|count| {
            below += count;
            below > rank
        });
        let bucket = found.unwrap_or(0) as u64;
        let doublings = (bucket / FINENESS).saturating_sub(1);
        ((bucket - doublings * FINENESS) << doublings) as f64
    }
}

/// What came of driving a server.
#[derive(Clone, Copy, Default)]
pub(crate) struct Run {
    /// Good answers a second.
    pub(crate) rate: f64,
    /// Microseconds that the server was on a core for each answer.
    pub(crate) cpu: f64,
    /// Microseconds from question to answer for the middle one, and for 99 of 100.
    pub(crate) middle: f64,
    pub(crate) slow: f64,
    /// Questions without an answer in time, or with a wrong one.
    pub(crate) lost: u64,
}

/// Keeps the window full for a while.
pub(crate) fn drive(server: &Process, questions: &Questions, time: Duration) -> Run {
    let mut asker = Asker::new(server.address);
    window(&mut asker, questions, WARM_UP);
    let before = server.cpu();
    let tally = window(&mut asker, questions, time);
    let cpu = server.cpu() - before;
    Run {
        rate: tally.in_time as f64 / tally.took.as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e6 / tally.good.max(1) as f64,
        middle: tally.latencies.percentile(50),
        slow: tally.latencies.percentile(99),
        lost: tally.lost,
    }
}

struct Tally {
    good: u64,
    /// Of them, those that came before the time was over.
    in_time: u64,
    lost: u64,
    took: Duration,
    latencies: Latencies,
}

impl Tally {
    fn new() -> Self {
        Self { good: 0, in_time: 0, lost: 0, took: Duration::ZERO, latencies: Latencies::new() }
    }

    /// Takes what is there.
    fn receive(&mut self, asker: &mut Asker) {
        asker.receive(|_, answer, latency| {
            if is_good(answer) {
                self.good += 1;
                self.latencies.add(latency);
            } else {
                self.lost += 1;
            }
        });
        asker.give_up(|_| self.lost += 1);
    }
}

fn window(asker: &mut Asker, questions: &Questions, time: Duration) -> Tally {
    let mut tally = Tally::new();
    let mut next = (0..questions.len()).cycle();
    let began = clock::instant();
    loop {
        tally.took = began.elapsed();
        if tally.took >= time {
            break;
        }
        asker.send(questions, WINDOW - asker.in_flight(), || next.next());
        tally.receive(asker);
    }
    tally.in_time = tally.good;
    while asker.in_flight() > 0 {
        tally.receive(asker);
    }
    tally
}

/// What came of asking at a fixed pace.
pub(crate) struct Paced {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) middle: f64,
    pub(crate) slow: f64,
}

/// Asks so many questions a second, answered or not, until it is told that it is enough.
pub(crate) fn pace(
    server: &Process,
    questions: &Questions,
    rate: f64,
    mut enough: impl FnMut(Duration) -> bool,
) -> Paced {
    let mut asker = Asker::new(server.address);
    asker.never_wait();
    let mut tally = Tally::new();
    let mut next = (0..questions.len()).cycle();
    let mut sent: u64 = 0;
    let began: Instant = clock::instant();
    while !enough(began.elapsed()) {
        let due = (began.elapsed().as_secs_f64() * rate) as u64;
        let wish = usize::try_from(due.saturating_sub(sent)).unwrap();
        if wish > 0 {
            sent += asker.send(questions, wish, || next.next()) as u64;
        }
        tally.receive(&mut asker);
    }
    while asker.in_flight() > 0 {
        tally.receive(&mut asker);
    }
    let (middle, slow) = (tally.latencies.percentile(50), tally.latencies.percentile(99));
    Paced { sent, lost: tally.lost, middle, slow }
}
