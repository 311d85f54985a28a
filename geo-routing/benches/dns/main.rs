//! Figures of the name server, each beside gdnsd, Knot, PowerDNS, hickory-server and a do-nothing
//! echo in the same run, on the same core, with the same world; and whether their answers are
//! equal (`-- --equality`). The last line is JSON.
//!
//! Nothing is asserted on time. Rates depend on the machine and its neighbours; time on a core for
//! each answer, beside another server's a moment before, much less. `--quick`, or
//! MERIDIAN_BENCH_QUICK=1, only shows that everything works; `--glance` compares only the floor,
//! ours and gdnsd, `--cities` only measures a change of the address database.
//! MERIDIAN_BENCH_SERVER names another binary to measure as ours.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop loudly")]

// In reading order; the blank lines keep the formatter from sorting it.

/// The server's own clock.
#[expect(dead_code, reason = "nothing here asks for the time of day")]
#[path = "../../src/clock.rs"]
mod clock;

/// The embedded country table, read apart from the server.
mod addresses;

/// The same in MaxMind's format.
mod mmdb;

/// One world for all.
mod world;

/// What is asked.
mod questions;

/// A server as a child.
mod process;

/// Which servers, and how each is told the world.
mod peers;

/// The floor.
mod echo;

/// A general server library.
mod generic;

/// Who asks.
mod asker;

/// As fast as possible, or at a pace.
mod load;

/// Over TCP.
mod streams;

/// A new database while questions come in.
mod reload;

/// All figures.
mod figures;

/// All answers.
mod equality;

use std::env;
use std::process::{Command, ExitCode};

use crate::world::World;

/// What the general library is quickest with; nobody else here allocates while it answers.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What this program is started with to be a server.
pub(crate) const AS_ECHO: &str = "--as-echo";
pub(crate) const AS_GENERIC: &str = "--as-generic";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match &args[..] {
        [role, listen] if role == AS_ECHO => echo::serve(listen.parse().unwrap()),
        [role, listen] if role == AS_GENERIC => generic::serve(listen.parse().unwrap()),
        _ => {}
    }
    // `cargo test --all-targets` starts this too, and does not mean it.
    if !args.iter().any(|arg| arg == "--bench") {
        println!("run it with: cargo bench -p meridian-geo-routing --bench dns");
        return ExitCode::SUCCESS;
    }
    let given = |flag: &str| args.iter().any(|arg| arg == flag);
    let quick = given("--quick") || env::var("MERIDIAN_BENCH_QUICK").is_ok_and(|it| it == "1");
    let world = World::new();
    let installed = Command::new(world.repository.join("scripts/install-dns-peers")).status();
    if !installed.unwrap().success() {
        return ExitCode::FAILURE;
    }
    process::stay_on_the_askers_core();
    if given("--equality") {
        return if equality::hold(&world) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if given("--glance") {
        figures::glance(&world);
        return ExitCode::SUCCESS;
    }
    if given("--cities") {
        figures::only_cities(&world);
        return ExitCode::SUCCESS;
    }
    figures::print(&world, &if quick { figures::QUICK } else { figures::FULL });
    ExitCode::SUCCESS
}
