//! Figures of booking, beside their limit in the same run: accepted orders per second beside
//! pgbench on the same SQL, how long an acceptance takes at half of that, and what an order costs
//! the database until it is confirmed. The last line is JSON.
//!
//! Absolute numbers depend on the machine and its neighbours; the ratio much less, and the counts
//! not at all.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop loudly")]
#![expect(dead_code, reason = "the tests' lab knows more than the bench needs")]

#[path = "beside/accepted.rs"]
mod accepted;
#[path = "../tests/it/asker.rs"]
mod asker;
#[path = "../tests/it/authority.rs"]
mod authority;
#[path = "../tests/it/commits.rs"]
mod commits;
#[path = "../tests/it/lab.rs"]
mod lab;
#[path = "beside/load.rs"]
mod load;
#[path = "orders/open.rs"]
mod open;
#[path = "beside/peer.rs"]
mod peer;

use hdrhistogram::Histogram;
use serde_json::json;

use crate::accepted::Bookings;
use crate::asker::Person;
use crate::lab::{Lab, Plan};
use crate::open::Schedule;
use crate::peer::Acceptance;

/// As the program itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections to the database on each side, and as many clients of the API.
const CONNECTIONS: usize = 16;
/// How often each side is driven as fast as it goes, and for how long.
const ROUNDS: (usize, u64) = (5, 4);
/// How often each side keeps a schedule, and for how long.
const SCHEDULES: (usize, u64) = (3, 6);
/// The share of our own best rate that is offered when latency is measured.
const SHARE: f64 = 0.5;
/// Clients of the API that keep the schedule: enough that a request seldom waits for one.
const LANES: usize = 64;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let cost = commits::to_confirmed().await;
        let lab = Lab::plan(Plan {
            regions: vec!["eu-central"],
            work: false,
            connections: CONNECTIONS,
            ..Plan::default()
        })
        .await;
        let ada = Person::berliner(&lab).await;
        let bookings = Bookings::over_many_flights(&lab, &ada).await;
        let peer = Acceptance::of_the_last_order(&lab.database).await;
        let best = accepted::in_turns(&lab, &bookings, &peer, CONNECTIONS, ROUNDS).await;
        let offered = (best.ours * SHARE).round();
        let latency = latency(&lab, &bookings, &peer, offered).await;
        println!(
            "{}",
            json!({
                "orders_vs_pgbench": best.ratio(),
                "ours_per_second": best.ours.round(),
                "pgbench_per_second": best.peers.round(),
                "connections": CONNECTIONS,
                "offered_per_second": offered,
                "answered_per_second": latency.answered.round(),
                "p50_ms": millis(&latency.ours, 0.5),
                "p99_ms": millis(&latency.ours, 0.99),
                "pgbench_p50_ms": millis(&latency.peers, 0.5),
                "pgbench_p99_ms": millis(&latency.peers, 0.99),
                "commits_to_confirmed": cost.commits,
                "statements_per_order": cost.statements,
                "round_trips_per_order": cost.round_trips,
            })
        );
    });
}

/// How long acceptances took on each side, all rounds together.
struct Latency {
    ours: Histogram<u64>,
    peers: Histogram<u64>,
    /// The slowest of our rounds: below what was offered, the node did not keep up.
    answered: f64,
}

/// Both sides keep the same rate, in turns.
async fn latency(lab: &Lab, bookings: &Bookings, peer: &Acceptance, per_second: f64) -> Latency {
    let (rounds, seconds) = SCHEDULES;
    let mut all =
        Latency { ours: open::histogram(), peers: open::histogram(), answered: f64::INFINITY };
    for _ in 0..rounds {
        let bookings = bookings.clone();
        let request = move |nth| bookings.request(nth);
        let address = lab.running("eu-central").address;
        let schedule = Schedule { per_second, seconds };
        let (ours, answered) = open::keep(address, LANES, schedule, request, 202).await;
        let mut peers = open::histogram();
        for micros in peer.latencies(&lab.database, CONNECTIONS, seconds, per_second) {
            peers.saturating_record(micros);
        }
        eprintln!(
            "{answered:.0} of {per_second} orders/s: p50 {} ms, p99 {} ms through the API, \
             p50 {} ms, p99 {} ms by pgbench",
            millis(&ours, 0.5),
            millis(&ours, 0.99),
            millis(&peers, 0.5),
            millis(&peers, 0.99),
        );
        all.ours.add(ours).unwrap();
        all.peers.add(peers).unwrap();
        all.answered = all.answered.min(answered);
    }
    all
}

/// A quantile, in milliseconds to two digits.
fn millis(took: &Histogram<u64>, quantile: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "shown, not counted with")]
    let micros = took.value_at_quantile(quantile) as f64;
    (micros / 10.0).round() / 100.0
}
