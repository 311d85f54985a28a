//! Figures of the house, each beside its limit in the same run: reads beside `pgbench -S`, accepted
//! orders beside pgbench on the same SQL. The last line is JSON.
//!
//! Absolute numbers depend on the machine and its neighbours; the ratios much less.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop loudly")]
#![expect(dead_code, reason = "the tests' lab knows more than the bench needs")]

#[path = "beside/accepted.rs"]
mod accepted;
#[path = "../tests/it/asker.rs"]
mod asker;
#[path = "../tests/it/authority.rs"]
mod authority;
#[path = "../tests/it/lab.rs"]
mod lab;
#[path = "beside/load.rs"]
mod load;
#[path = "beside/peer.rs"]
mod peer;
#[path = "../tests/it/statements.rs"]
mod statements;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use meridian::clock::Clock;
use serde_json::json;

use crate::accepted::Bookings;
use crate::asker::{Person, direct_offers, hold, id, new_key};
use crate::lab::{Lab, Plan};
use crate::peer::{Acceptance, Pair};

/// As the program itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long each side is driven, and how often; the best run of each counts.
const SECONDS: u64 = 4;
const ROUNDS: usize = 3;
/// Connections of each side.
const CONNECTIONS: usize = 16;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let lab = Lab::plan(Plan {
            regions: vec!["eu-central"],
            work: false,
            connections: CONNECTIONS,
            ..Plan::default()
        })
        .await;
        let ada = Person::berliner(&lab).await;
        let read = reads(&lab, &ada).await;
        let orders = orders(&lab, &ada).await;
        let statements: BTreeMap<&str, _> = statements::measure()
            .await
            .into_iter()
            .map(|(name, sql, trips)| (name, json!({"statements": sql, "round_trips": trips})))
            .collect();
        let node = node(&lab).await;
        println!(
            "{}",
            json!({
                "read_vs_pgbench": read.ratio(),
                "orders_vs_pgbench": orders.ratio(),
                "reads_per_second": read.ours.round(),
                "pgbench_select_per_second": read.peers.round(),
                "orders_per_second": orders.ours.round(),
                "pgbench_orders_per_second": orders.peers.round(),
                "node_start_seconds": node.0,
                "node_memory_mib": node.1,
                "statements": statements,
            })
        );
    });
}

/// `GET /v1/orders/{id}` beside `pgbench -S`, with the same number of connections.
async fn reads(lab: &Lab, ada: &Person) -> Pair {
    let offer = direct_offers(lab, "FRA", "JFK", 1).await[0]["id"].as_str().unwrap().to_owned();
    let order = id(&ada.book(&new_key(), &hold(&offer)).await.is(202));
    let request = load::get(&format!("/v1/orders/{order}"), &ada.token);
    peer::prepare(&lab.database);
    let mut pair = Pair::NONE;
    for _ in 0..ROUNDS {
        let address = lab.running("eu-central").address;
        let request = request.clone();
        let ours = load::drive(address, CONNECTIONS, SECONDS, move |_| request.clone(), 200).await;
        let peers = peer::select(&lab.database, CONNECTIONS, SECONDS);
        eprintln!("reads/s: {ours:.0} through the API, {peers:.0} by pgbench -S");
        pair = pair.best(ours, peers);
    }
    pair
}

/// Accepted orders beside pgbench on the same statements; `make bench-orders` looks closer.
async fn orders(lab: &Lab, ada: &Person) -> Pair {
    let bookings = Bookings::over_many_flights(lab, ada).await;
    let peer = Acceptance::of_the_last_order(&lab.database).await;
    accepted::in_turns(lab, &bookings, &peer, CONNECTIONS, (ROUNDS, SECONDS)).await
}

/// Seconds until a fresh node of the demo's size is ready, and its memory then, in MiB.
async fn node(lab: &Lab) -> (f64, u64) {
    let database = lab::server().database().await;
    let (host, user, _) = database.host_user_port();
    let began = Clock::instant();
    let mut child = Command::new(env!("CARGO_BIN_EXE_meridian"))
        .args(["serve", "--region", "eu-central", "--listen", "127.0.0.1:0", "--profile", "demo"])
        .args([
            "--database-url",
            &format!("host={host} user={user} dbname={}", database.database_name()),
        ])
        .args(["--payments-url", &lab.suppliers, "--airline-url", &lab.suppliers, "--keys"])
        .arg(&lab.keys.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().trim_start_matches("listening on ");
    assert!(reqwest::get(format!("{url}/readyz")).await.unwrap().status().is_success());
    let seconds = (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    (seconds, kib / 1024)
}
