//! Counters of what was answered, and their Prometheus text.
//!
//! Each worker has a tally of its own that only it writes, so counting costs a plain addition; a
//! scrape adds them up. What a name or a region is called is said once, when a ground is taken into
//! use, and a tally knows numbers only. A client's address is in none of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::answer::{Kind, Outcome, Transport};
use crate::ground::Ground;

/// Response codes that are counted apart: the twelve-bit codes in use end at 23.
const RCODES: usize = 24;

/// Pairs of a name and a region that are counted apart; what comes later is counted together.
const PAIRS_MAX: usize = 4096;

/// What a tally counts besides pairs, response codes and transports.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    /// A region was answered although nothing inside the fence takes newcomers.
    FailStatic,
    /// An answer was cut to the asker's size.
    Truncated,
    /// A packet met with silence: too short, or itself an answer.
    Silent,
    /// An answer was made by the slow path.
    SlowPath,
    /// An answer that could not be sent.
    Unsent,
    /// An asker showed a good cookie.
    Cookie,
    /// An answer over the rate was dropped.
    LimitDrop,
    /// An answer over the rate was cut short.
    LimitSlip,
    /// An answer over the rate asked for the cookie to be shown again.
    LimitBadCookie,
}

const EVENTS: usize = Event::LimitBadCookie as usize + 1;

/// One worker's counts.
pub(crate) struct Tally {
    transports: [AtomicU64; Transport::ALL.len()],
    rcodes: [AtomicU64; RCODES],
    events: [AtomicU64; EVENTS],
    pairs: Box<[AtomicU64]>,
}

/// Adds one. Only one thread at a time writes a tally, so it need not be an atomic addition.
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

impl Tally {
    fn new() -> Self {
        let zero = |_| AtomicU64::default();
        Self {
            transports: std::array::from_fn(zero),
            rcodes: std::array::from_fn(zero),
            events: std::array::from_fn(zero),
            pairs: (0..PAIRS_MAX).map(zero).collect(),
        }
    }

    /// Counts an answer that is sent.
    pub(crate) fn answered(&self, pairs: &Pairs, transport: Transport, outcome: &Outcome) {
        bump(&self.transports[transport as usize]);
        let rcode = usize::from(u16::from(outcome.rcode)).min(RCODES - 1);
        bump(&self.rcodes[rcode]);
        bump(&self.pairs[pairs.slot(outcome)]);
        for (event, happened) in [
            (Event::FailStatic, outcome.fail_static),
            (Event::Truncated, outcome.truncated),
            (Event::Cookie, outcome.known),
        ] {
            if happened {
                self.event(event);
            }
        }
    }

    /// Counts something else.
    pub(crate) fn event(&self, event: Event) {
        bump(&self.events[event as usize]);
    }
}

/// Which slot of a tally each pair of a name and a region of one ground has.
pub(crate) struct Pairs {
    /// By name, then by region; the last of each name is "no region".
    slots: Vec<u32>,
    regions: usize,
    no_name: u32,
    refused: u32,
    error: u32,
}

impl Pairs {
    fn slot(&self, outcome: &Outcome) -> usize {
        let slot = match outcome.kind {
            Kind::Records(number) | Kind::NoData(number) => {
                let region = outcome.region.unwrap_or(self.regions);
                let at = number as usize * (self.regions + 1) + region;
                self.slots.get(at).copied().unwrap_or(0)
            }
            Kind::NoName(_) => self.no_name,
            Kind::Refused => self.refused,
            Kind::Error => self.error,
        };
        slot as usize
    }
}

/// Names of what is not a name of ours.
const OTHER: [&str; 4] = ["(other)", "(nonexistent)", "(refused)", "(error)"];

/// All tallies and what their slots are called.
pub(crate) struct Metrics {
    /// The label values of each slot; the position is the slot.
    labels: Mutex<Vec<(String, String)>>,
    tallies: Mutex<Vec<Arc<Tally>>>,
}

/// What was answered since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Answers by name and region; the region is empty where the answer has none.
    pub answers: BTreeMap<(String, String), u64>,
    /// Answers that name a region, by region.
    pub regions: BTreeMap<String, u64>,
    /// All answers, by response code.
    pub rcodes: BTreeMap<u16, u64>,
    /// All answers, by transport.
    pub transports: BTreeMap<&'static str, u64>,
    /// Answers over the rate, by what was done: drop, slip, badcookie.
    pub limited: BTreeMap<&'static str, u64>,
    /// Answers with a region that was chosen although nothing inside the fence took newcomers.
    pub fail_static: u64,
    /// Answers cut to the asker's size.
    pub truncated: u64,
    /// Packets met with silence.
    pub silent: u64,
    /// Answers made by the slow path.
    pub slow_path: u64,
    /// Answers that could not be sent.
    pub unsent: u64,
    /// Askers that showed a good cookie.
    pub cookies: u64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let labels = OTHER.map(|name| (name.to_owned(), String::new()));
        Self { labels: Mutex::new(labels.into()), tallies: Mutex::default() }
    }

    /// A tally for a worker.
    pub(crate) fn tally(&self) -> Arc<Tally> {
        let tally = Arc::new(Tally::new());
        lock(&self.tallies).push(Arc::clone(&tally));
        tally
    }

    /// Gives every pair of a ground its slot; a pair that was there before keeps its own.
    pub(crate) fn pairs(&self, ground: &Ground) -> Pairs {
        let mut labels = lock(&self.labels);
        let mut names: Vec<(&[u8], u32)> =
            ground.nodes.iter().map(|(wire, node)| (&wire[..], node.number)).collect();
        names.sort_unstable_by_key(|(_, number)| *number);
        let regions = ground.regions.iter().map(|region| region.name.as_str()).chain([""]);
        let regions: Vec<&str> = regions.collect();
        let mut slots = Vec::with_capacity(names.len() * regions.len());
        for (wire, _) in names {
            let name = readable(wire);
            for region in &regions {
                let pair = (name.clone(), (*region).to_owned());
                let known = labels.iter().position(|label| *label == pair);
                let slot = known.unwrap_or_else(|| {
                    if labels.len() == PAIRS_MAX {
                        return 0;
                    }
                    labels.push(pair);
                    labels.len() - 1
                });
                slots.push(u32::try_from(slot).expect("there are few slots"));
            }
        }
        Pairs { slots, regions: ground.regions.len(), no_name: 1, refused: 2, error: 3 }
    }

    /// Everything that was counted.
    pub(crate) fn read(&self) -> Counts {
        let tallies = lock(&self.tallies);
        let sum = |pick: &dyn Fn(&Tally) -> &AtomicU64| -> u64 {
            tallies.iter().map(|tally| pick(tally).load(Ordering::Relaxed)).sum()
        };
        let event = |event: Event| sum(&|tally| &tally.events[event as usize]);
        let mut counts = Counts {
            fail_static: event(Event::FailStatic),
            truncated: event(Event::Truncated),
            silent: event(Event::Silent),
            slow_path: event(Event::SlowPath),
            unsent: event(Event::Unsent),
            cookies: event(Event::Cookie),
            ..Counts::default()
        };
        counts.limited = [
            ("drop", Event::LimitDrop),
            ("slip", Event::LimitSlip),
            ("badcookie", Event::LimitBadCookie),
        ]
        .map(|(action, it)| (action, event(it)))
        .into();
        for transport in Transport::ALL {
            let count = sum(&|tally| &tally.transports[transport as usize]);
            counts.transports.insert(transport.name(), count);
        }
        for rcode in 0..RCODES {
            let count = sum(&|tally| &tally.rcodes[rcode]);
            if count > 0 {
                counts.rcodes.insert(u16::try_from(rcode).expect("there are 24"), count);
            }
        }
        for (slot, (name, region)) in lock(&self.labels).iter().enumerate() {
            let count = sum(&|tally| &tally.pairs[slot]);
            if !region.is_empty() {
                *counts.regions.entry(region.clone()).or_default() += count;
            }
            if count > 0 {
                counts.answers.insert((name.clone(), region.clone()), count);
            }
        }
        counts
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics half-way through a change, so a poisoned list is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name as people write it.
fn readable(wire: &[u8]) -> String {
    let (mut text, mut at) = (String::new(), 0);
    while wire[at] != 0 {
        let end = at + 1 + usize::from(wire[at]);
        text.push_str(&String::from_utf8_lossy(&wire[at + 1..end]));
        text.push('.');
        at = end;
    }
    text
}

impl Counts {
    /// The Prometheus text exposition format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut family = |name: &str, help: &str, rows: Vec<(String, u64)>| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
            for (labels, value) in rows {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        let one = |value: u64| vec![(String::new(), value)];
        let answers = self.answers.iter().map(|((name, region), count)| {
            (format!("{{name=\"{}\",region=\"{region}\"}}", escaped(name)), *count)
        });
        family(
            "geo_routing_answers_total",
            "Answers by the name asked for and the region answered.",
            answers.collect(),
        );
        let rcodes = self.rcodes.iter().map(|(it, count)| (format!("{{rcode=\"{it}\"}}"), *count));
        family("geo_routing_responses_total", "Answers by response code.", rcodes.collect());
        let by = |label: &str, counts: &BTreeMap<&'static str, u64>| {
            let rows = counts.iter().map(|(it, count)| (format!("{{{label}=\"{it}\"}}"), *count));
            rows.collect()
        };
        let transports = by("transport", &self.transports);
        family("geo_routing_queries_total", "Answered questions by transport.", transports);
        let limited = by("action", &self.limited);
        family("geo_routing_rate_limited_total", "Answers over the rate by action.", limited);
        for (name, help, value) in [
            (
                "geo_routing_fail_static_total",
                "Answers naming a region although none inside the fence took newcomers.",
                self.fail_static,
            ),
            ("geo_routing_truncated_total", "Answers cut to the asker's size.", self.truncated),
            ("geo_routing_silent_total", "Packets met with silence.", self.silent),
            ("geo_routing_slow_path_total", "Answers made by the slow path.", self.slow_path),
            ("geo_routing_unsent_total", "Answers that could not be sent.", self.unsent),
            ("geo_routing_cookies_total", "Askers that showed a good cookie.", self.cookies),
        ] {
            family(name, help, one(value));
        }
        text
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
