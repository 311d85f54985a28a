//! Rates over TCP, by dnsperf: four connections that stay open.

use std::fs;
use std::process::Command;

use crate::process::Process;
use crate::questions::Questions;
use crate::world::World;

const CONNECTIONS: &str = "4";

/// Answers a second to a set of questions.
pub(crate) fn rate(world: &World, server: &Process, questions: &Questions, seconds: u64) -> f64 {
    let file = world.dir.join("questions");
    fs::write(&file, questions.stream()).unwrap();
    let (ip, port) = (server.address.ip().to_string(), server.address.port().to_string());
    let seconds = seconds.to_string();
    let mut command = Command::new("dnsperf");
    // Its threads stay on the core of the one that starts it.
    command.args(["-m", "tcp", "-s", &ip, "-p", &port, "-c", CONNECTIONS, "-T", "1"]);
    command.args(["-l", &seconds, "-B", "-d"]).arg(&file);
    let output = command.output().unwrap_or_else(|error| {
        panic!("dnsperf is missing ({error}); run scripts/install-dns-peers")
    });
    let text = String::from_utf8_lossy(&output.stdout);
    let good = text.lines().filter(|line| line.contains("Response codes:"));
    let all = good.clone().all(|line| line.contains("NOERROR") && line.contains("(100.00%)"));
    assert!(all && good.count() == 1, "{} answered wrongly: {text}", server.name);
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Queries per second:"));
    rate.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| {
        panic!("dnsperf said {text} {}", String::from_utf8_lossy(&output.stderr))
    })
}
