//! Lays hands on a bundle many times, and prints how often that was believed, as one line of JSON:
//! `cargo run --release -p meridian-evidence --example mutations -- [MUTATIONS [SEED]]`.

#![expect(clippy::unwrap_used, reason = "whoever measures wants to see what went wrong")]

use std::process::ExitCode;

/// What is done to the bundle; the stories do the same.
#[path = "../tests/it/mutant.rs"]
mod mutant;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|it| it.parse::<u64>());
    let (mutations, seed) = match (numbers.next(), numbers.next()) {
        (None, _) => (10_000, mutant::SEED),
        (Some(Ok(mutations)), None) => (mutations, mutant::SEED),
        (Some(Ok(mutations)), Some(Ok(seed))) => (mutations, seed),
        _ => {
            eprintln!("mutations: give two whole numbers, MUTATIONS and SEED");
            return ExitCode::from(64);
        }
    };
    let outcome = mutant::run(seed, mutations);
    println!(
        "{}",
        serde_json::json!({
            "seed": seed,
            "mutations": mutations,
            "accepted": outcome.accepted,
            "refused_unchanged": outcome.refused,
            "first": outcome.first,
        })
    );
    if outcome.first.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
