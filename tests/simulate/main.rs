//! The saga, simulated: one order, nodes that die and sleep, a database whose COMMITs lie,
//! companies that lose questions and answers, a traveller who acts at any time. Single-threaded;
//! one seed is one run, to the last step.
//!
//! What decides is the house's own `src/orders/saga/` over its own table; everything around it is
//! simulated. `make simulate SEED=7 RUNS=1` runs one seed again; `docs/saga.md` says what is looked
//! for. Three protocols that are wrong on purpose show that it would be seen. The last line is
//! JSON; exit code 1: something does not hold.

mod chance;
mod companies;
mod invariants;
mod node;
mod traveller;
mod trial;
mod world;

use std::process::ExitCode;

use meridian::clock::Clock;
use meridian::domain::order::{RULES, State};
use serde_json::json;

use crate::trial::Trial;

/// Within how many seeds each wrong protocol must be seen.
const MUTANT_SEEDS: u64 = 1000;
/// Most lines of a trace that are printed: the end tells most.
const TRACE_LINES: usize = 80;
/// Most seeds that are explained.
const EXPLAINED: usize = 5;

/// What is done wrong on purpose, in the protocol around the saga and not in the saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// Steps are written under whatever epoch and version the row has.
    NoFence,
    /// Every try has a key of its own.
    FreshKeys,
    /// After an unknown COMMIT one look decides whether it is written.
    ReadOnlyAmbiguity,
}

impl Mutation {
    const ALL: [Self; 3] = [Self::NoFence, Self::FreshKeys, Self::ReadOnlyAmbiguity];

    fn name(self) -> &'static str {
        match self {
            Self::NoFence => "no_fence",
            Self::FreshKeys => "fresh_keys",
            Self::ReadOnlyAmbiguity => "read_only_ambiguity",
        }
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = args.iter().position(|it| it == name)?;
        args.get(at + 1).cloned()
    };
    let number = |name: &str, or: u64| {
        value(name).map_or(or, |it| it.parse().unwrap_or_else(|_| panic!("{name}: a number")))
    };
    let (seed, runs) = (number("--seed", 1), number("--runs", 100_000));
    if let Some(name) = value("--mutant") {
        let mutation = Mutation::ALL.into_iter().find(|it| it.name() == name);
        let caught = explain(seed, Some(mutation.expect("--mutant: one of the three")));
        return if caught { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let began = Clock::instant();
    let mut lines = vec![false; RULES.len()];
    let mut states = vec![false; State::ALL.len()];
    let (mut violations, mut reviews) = (0, 0);
    for seed in seed..seed + runs {
        let mut trial = Trial::new(seed, None, false);
        if trial.run().is_err() {
            violations += 1;
            if violations <= EXPLAINED {
                explain(seed, None);
            }
        }
        reviews += u64::from(trial.world.row.state == State::ManualReview);
        invariants::covered(&trial.world, &mut lines, &mut states);
    }
    let mut caught = 0;
    for mutation in Mutation::ALL {
        let found = (seed..seed + MUTANT_SEEDS)
            .find_map(|seed| Some((seed, Trial::new(seed, Some(mutation), false).run().err()?)));
        match found {
            Some((seed, why)) => {
                caught += 1;
                println!("{} is caught by seed {seed}: {why}", mutation.name());
            }
            None => println!("{} survives {MUTANT_SEEDS} seeds", mutation.name()),
        }
    }
    for (rule, _) in RULES.iter().zip(&lines).filter(|(_, walked)| !**walked) {
        println!("not walked: {} on {:?}", rule.from, rule.trigger);
    }
    let walked = |of: &[bool]| of.iter().filter(|it| **it).count();
    let report = json!({
        "seeds": runs, "violations": violations, "mutants_caught": caught,
        "seconds": began.elapsed().as_secs(), "manual_reviews": reviews,
        "states_reached": walked(&states), "states": State::ALL.len(),
        "transitions_covered": walked(&lines), "transitions": RULES.len(),
    });
    println!("{report}");
    let held = violations == 0 && caught == Mutation::ALL.len();
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a seed again and prints what led to what does not hold; whether anything did not.
fn explain(seed: u64, mutation: Option<Mutation>) -> bool {
    let mut trial = Trial::new(seed, mutation, true);
    let outcome = trial.run();
    let trace = trial.world.trace.unwrap_or_default();
    for line in &trace[trace.len().saturating_sub(TRACE_LINES)..] {
        println!("{line}");
    }
    let why = outcome.as_ref().err().map_or("holds", String::as_str);
    println!("seed {seed}: {why}");
    outcome.is_err()
}
