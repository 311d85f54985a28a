//! A house of real processes is shaken while people book: processes are killed and put to sleep,
//! the database crashes, COMMITs and their answers are lost, links fail, other companies misbehave.
//! Then all is left alone, comes to rest, and every promise is held against the books.
//!
//! `cargo test --test chaos` is the whole of it, `-- --short` some minutes for every change,
//! `-- --seed N` the same sequence again; see `docs/chaos.md`. Two nodes that are wrong on purpose
//! show that what is looked for would be seen. The last line is JSON; exit code 1: something does
//! not hold.

#![expect(clippy::unwrap_used, reason = "a proof that cannot go on should stop loudly")]
#![expect(clippy::cast_precision_loss, reason = "figures are small")]
#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "so are counters")]

mod chance;
mod consumer;
mod crowd;
mod database;
mod figures;
mod fleet;
mod house;
mod invariants;
mod ledger;
mod market;
mod nemesis;
mod node;
#[path = "../life/process.rs"]
mod process;
mod proxy;
mod rows;
mod schedule;
#[path = "../life/seats.rs"]
mod seats;
mod stories;
mod trial;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use meridian::clock::{Clock, Deadline};
use serde_json::{Value, json};

use crate::house::{Plan, REGIONS};
use crate::node::Mutation;
use crate::schedule::Schedule;
use crate::trial::{Goals, Trial};

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Travellers.
    people: usize,
    /// Pause of a traveller between two visits, give or take all of it.
    think: Duration,
    /// Pause between two things that happen to the house, give or take all of it.
    calm: Duration,
    goals: Goals,
    /// How long each wrong node is shaken.
    mutants: Duration,
}

impl Pace {
    fn whole() -> Self {
        Self {
            people: 12,
            think: Duration::from_millis(600),
            calm: Duration::from_millis(900),
            goals: Goals {
                requests: 2000,
                kills: 500,
                crashes: 20,
                most: Duration::from_secs(40 * 60),
            },
            mutants: Duration::from_secs(60),
        }
    }

    /// The same in little, for every change of the code.
    fn short() -> Self {
        Self {
            goals: Goals { requests: 200, kills: 30, crashes: 2, most: Duration::from_secs(80) },
            mutants: Duration::from_secs(25),
            ..Self::whole()
        }
    }
}

/// What is asked for on the command line.
struct Wish {
    pace: Pace,
    seed: u64,
    /// Only this, if anything.
    only: Option<String>,
    /// Print so much of the sequence and do nothing.
    plan: Option<usize>,
}

fn wish() -> Wish {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = args.iter().position(|it| it == name)?;
        Some(args.get(at + 1).unwrap_or_else(|| panic!("{name} what?")).clone())
    };
    let number = |name: &str| value(name).map(|it| it.parse::<u64>().expect("a number"));
    let short = args.iter().any(|it| it == "--short");
    let any = || Clock::default().now().as_millisecond() as u64 % 1_000_000;
    Wish {
        pace: if short { Pace::short() } else { Pace::whole() },
        seed: number("--seed").unwrap_or_else(any),
        only: value("--only"),
        plan: number("--plan").map(|it| it as usize),
    }
}

fn main() -> ExitCode {
    // Whoever comes first wins; all of them install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut args = std::env::args().skip(1);
    if args.next().is_some_and(|it| it == "node") {
        let mutation = args.next().and_then(|name| Mutation::named(&name)).unwrap();
        meridian::telemetry::metrics::handle();
        return runtime.block_on(node::run(mutation, args));
    }
    wire::check();
    ledger::check();
    schedule::check();
    let wish = wish();
    if let Some(number) = wish.plan {
        for (pause, action) in Schedule::new(wish.seed, REGIONS.len(), wish.pace.calm).take(number)
        {
            println!("{:5} ms  {action:?}", pause.as_millis());
        }
        return ExitCode::SUCCESS;
    }
    let (report, held) = runtime.block_on(all(&wish));
    println!("{report}");
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn all(wish: &Wish) -> (Value, bool) {
    let Wish { pace, seed, only, .. } = wish;
    let began = Clock::instant();
    eprintln!("           seed {seed}");
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let mut report = json!({});
    let mut held = true;
    if wanted("house") {
        let plan = Plan { regions: REGIONS.len(), mutation: None, seed: *seed };
        let outcome = Trial { plan, pace: *pace }.hold().await;
        held &= outcome.holds(&pace.goals);
        report = outcome.json();
    }
    let mut violating = Vec::new();
    for mutation in Mutation::ALL.into_iter().filter(|it| wanted(it.name())) {
        eprintln!("           wrong on purpose: {}", mutation.name());
        let seen = mutant(mutation, pace, *seed).await;
        held &= seen.is_some();
        violating.extend(seen.map(|seen| (mutation.name(), seen)));
    }
    report["mutants_violating"] = violating.iter().map(|(name, _)| *name).collect();
    report["mutants"] = violating.into_iter().map(|(name, seen)| (name.to_owned(), seen)).collect();
    report["seed"] = (*seed).into();
    report["seconds"] = ((began.elapsed().as_secs_f64() * 10.0).round() / 10.0).into();
    (report, held)
}

/// Shakes a smaller house of wrong nodes until what they break is seen.
async fn mutant(mutation: Mutation, pace: &Pace, seed: u64) -> Option<Value> {
    let most = pace.mutants;
    let deadline = Deadline::after(most * 4);
    for round in 0.. {
        let goals = Goals { requests: u64::MAX, kills: 0, crashes: 0, most };
        let pace = Pace { goals, think: pace.think / 2, ..*pace };
        let plan = Plan { regions: 1, mutation: Some(mutation), seed: seed + round };
        let outcome = Trial { plan, pace }.hold().await;
        if mutation.breaks().iter().any(|name| outcome.violations.contains_key(name)) {
            return Some(json!(outcome.violations));
        }
        if deadline.passed() {
            break;
        }
    }
    None
}
