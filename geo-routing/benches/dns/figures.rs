//! Every server in turn, round after round, and what comes of comparing them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::load::{self, Run};
use crate::peers;
use crate::process::Process;
use crate::questions::Questions;
use crate::reload;
use crate::streams;
use crate::world::{GEO, World};
use crate::{AS_ECHO, AS_GENERIC};

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    /// Rounds in which PowerDNS takes part, whose figures are far from the others'.
    powerdns_rounds: usize,
    /// How long each server is driven with each load in a round.
    time: Duration,
    /// How long it is asked at a fixed pace.
    paced: Duration,
    /// Seconds over TCP, which dnsperf takes whole.
    tcp_seconds: u64,
    /// Rounds with metrics and without: the difference is small.
    metrics_rounds: usize,
}

pub(crate) const FULL: Plan = Plan {
    rounds: 10,
    powerdns_rounds: 3,
    time: Duration::from_secs(1),
    paced: Duration::from_secs(5),
    tcp_seconds: 1,
    metrics_rounds: 20,
};

pub(crate) const QUICK: Plan = Plan {
    rounds: 1,
    powerdns_rounds: 1,
    time: Duration::from_millis(500),
    paced: Duration::from_secs(1),
    tcp_seconds: 1,
    metrics_rounds: 3,
};

/// Questions a second at which latencies are compared: a load that nobody is busy with.
const EASY_RATE: f64 = 20_000.0;

/// The servers, in the order of the table.
const SERVERS: [&str; 6] = ["echo", "ours", "gdnsd", "knot", "powerdns", "hickory"];

/// What is asked.
struct Loads {
    geo: Questions,
    plain: Questions,
    fixed: Questions,
    mix: Questions,
}

impl Loads {
    fn new(world: &World) -> Self {
        let geo = Questions::geographic(GEO, &world.addresses);
        let plain = Questions::plain(GEO);
        let fixed = Questions::plain(&World::fixed(world.regions[0]));
        let mix = Questions::mix(&geo, &plain, &fixed);
        Self { geo, plain, fixed, mix }
    }

    fn named(&self) -> [(&'static str, &Questions); 4] {
        [("geo", &self.geo), ("plain", &self.plain), ("static", &self.fixed), ("mix", &self.mix)]
    }
}

/// A run of one server under one load.
struct Measured {
    load: &'static str,
    server: &'static str,
    round: usize,
    run: Run,
}

/// All runs.
struct Results(Vec<Measured>);

impl Results {
    fn of(&self, load: &str, server: &str, of: fn(&Run) -> f64) -> Vec<(usize, f64)> {
        let wanted = self.0.iter().filter(|it| it.load == load && it.server == server);
        wanted.map(|it| (it.round, of(&it.run))).collect()
    }

    fn middle(&self, load: &str, server: &str, of: fn(&Run) -> f64) -> f64 {
        median(self.of(load, server, of).into_iter().map(|(_, value)| value))
    }

    /// Ours by another's in the same round, the middle one of all rounds.
    fn ratio(&self, load: &str, other: &str, of: fn(&Run) -> f64) -> f64 {
        let ours = self.of(load, "ours", of);
        let others = self.of(load, other, of);
        let pairs = ours.iter().flat_map(|(round, ours)| {
            others.iter().filter(move |it| it.0 == *round).map(move |(_, other)| ours / other)
        });
        median(pairs)
    }
}

/// Only the floor, ours and gdnsd, where addresses matter and where they do not: a look between two
/// changes. The JSON line has their ratios.
pub(crate) fn glance(world: &World) {
    let loads = Loads::new(world);
    let plan = Plan { rounds: 7, time: Duration::from_millis(500), ..QUICK };
    let servers = [
        peers::own_child(world, "echo", AS_ECHO),
        peers::ours(world, "ours", &[]),
        peers::gdnsd(world, &world.database),
    ];
    let results = rounds(&servers, &loads, &plan);
    table(&results);
    let mut json = Map::new();
    for load in ["geo", "static"] {
        for other in ["gdnsd", "echo"] {
            let cpu = results.ratio(load, other, |run| run.cpu);
            let rate = results.ratio(load, other, |run| run.rate);
            json.insert(format!("{load}_cpu_vs_{other}"), rounded(cpu));
            json.insert(format!("{load}_qps_vs_{other}"), rounded(rate));
        }
    }
    println!("{}", Value::Object(json));
}

/// Measures all, prints a table and the JSON line.
pub(crate) fn print(world: &World, plan: &Plan) {
    let loads = Loads::new(world);
    let mut json = Map::new();
    {
        let servers = start(world);
        let results = rounds(&servers, &loads, plan);
        table(&results);
        compare(&results, &mut json);
        memory(&servers, &mut json);
        let half = results.middle("geo", "ours", |run| run.rate) / 2.0;
        paced(&servers, &loads, plan, half, &mut json);
        tcp(world, &servers, &loads, plan, &mut json);
    }
    json.insert("metrics_cpu_ratio".into(), rounded(metrics(world, &loads, plan)));
    cities(world, &loads, &mut json);
    println!("{}", Value::Object(json));
}

fn start(world: &World) -> Vec<Process> {
    SERVERS
        .map(|name| match name {
            "echo" => peers::own_child(world, name, AS_ECHO),
            "ours" => peers::ours(world, name, &[]),
            "gdnsd" => peers::gdnsd(world, &world.database),
            "knot" => peers::knot(world),
            "powerdns" => peers::powerdns(world),
            _ => peers::own_child(world, name, AS_GENERIC),
        })
        .into()
}

fn named<'a>(servers: &'a [Process], name: &str) -> &'a Process {
    servers.iter().find(|server| server.name == name).expect("all were started")
}

fn rounds(servers: &[Process], loads: &Loads, plan: &Plan) -> Results {
    let mut results = Vec::new();
    for round in 0..plan.rounds {
        for (load, questions) in loads.named() {
            for nth in 0..servers.len() {
                // Everybody is the first of a round once, and the last.
                let server = &servers[(nth + round) % servers.len()];
                if server.name == "powerdns" && round >= plan.powerdns_rounds {
                    continue;
                }
                let run = load::drive(server, questions, plan.time);
                let (rate, cpu) = (run.rate, run.cpu);
                eprintln!(
                    "round {round}: {load} {}: {rate:.0}/s, {cpu:.2} µs a query",
                    server.name
                );
                results.push(Measured { load, server: server.name, round, run });
            }
        }
    }
    Results(results)
}

/// Middle values of each server under each load.
fn table(results: &Results) {
    println!(
        "{:8}{:10}{:>11}{:>9}{:>9}{:>9}{:>6}",
        "load", "server", "answers/s", "CPU µs", "p50 µs", "p99 µs", "lost"
    );
    for load in ["geo", "plain", "static", "mix"] {
        for server in SERVERS {
            if results.of(load, server, |run| run.cpu).is_empty() {
                continue;
            }
            let middle = |of: fn(&Run) -> f64| results.middle(load, server, of);
            let lost: f64 =
                results.of(load, server, |run| run.lost as f64).iter().map(|it| it.1).sum();
            println!(
                "{load:8}{server:10}{:>11.0}{:>9.2}{:>9.0}{:>9.0}{lost:>6}",
                middle(|run| run.rate),
                middle(|run| run.cpu),
                middle(|run| run.middle),
                middle(|run| run.slow),
            );
        }
    }
}

/// Ratios first, then what they are of.
fn compare(results: &Results, json: &mut Map<String, Value>) {
    for load in ["geo", "static", "plain", "mix"] {
        for other in ["gdnsd", "knot", "echo", "powerdns", "hickory"] {
            let cpu = results.ratio(load, other, |run| run.cpu);
            let rate = results.ratio(load, other, |run| run.rate);
            json.insert(format!("{load}_cpu_vs_{other}"), rounded(cpu));
            json.insert(format!("{load}_qps_vs_{other}"), rounded(rate));
        }
    }
    for load in ["geo", "static", "plain", "mix"] {
        for server in SERVERS {
            let middle = |of: fn(&Run) -> f64| results.middle(load, server, of);
            json.insert(
                format!("{load}_{server}"),
                json!({
                    "qps": middle(|run| run.rate).round(),
                    "cpu_us": rounded(middle(|run| run.cpu)),
                    "p50_us": middle(|run| run.middle),
                    "p99_us": middle(|run| run.slow),
                }),
            );
        }
    }
}

fn memory(servers: &[Process], json: &mut Map<String, Value>) {
    for server in servers.iter().filter(|server| server.name != "echo") {
        let memory = server.memory();
        println!("{:10}{:6.1} MiB now, {:6.1} at most", server.name, memory.resident, memory.peak);
        let of = if server.name == "ours" { String::new() } else { format!("_{}", server.name) };
        json.insert(format!("rss_mib{of}"), rounded(memory.resident));
        json.insert(format!("rss_peak_mib{of}"), rounded(memory.peak));
    }
}

/// What is lost at half of the own highest rate, and latencies at an easy one.
fn paced(
    servers: &[Process],
    loads: &Loads,
    plan: &Plan,
    half: f64,
    json: &mut Map<String, Value>,
) {
    let ours = named(servers, "ours");
    let paced = load::pace(ours, &loads.geo, half, |passed| passed >= plan.paced);
    println!("{} of {} lost at {half:.0} questions/s", paced.lost, paced.sent);
    json.insert("lost_at_half".into(), paced.lost.into());
    for name in ["ours", "gdnsd", "knot"] {
        let server = named(servers, name);
        let paced = load::pace(server, &loads.geo, EASY_RATE, |passed| passed >= plan.time);
        let (p50, p99, lost) = (paced.middle, paced.slow, paced.lost);
        println!("{name:10}{p50:.0} µs p50, {p99:.0} µs p99, {lost} lost at {EASY_RATE:.0}/s");
        let figures = json!({"p50_us": p50, "p99_us": p99, "lost": lost});
        json.insert(format!("at_20k_{name}"), figures);
    }
}

fn tcp(
    world: &World,
    servers: &[Process],
    loads: &Loads,
    plan: &Plan,
    json: &mut Map<String, Value>,
) {
    let names = ["ours", "gdnsd", "knot"];
    let mut rates: [Vec<f64>; 3] = Default::default();
    for _ in 0..plan.rounds {
        for (rates, name) in rates.iter_mut().zip(names) {
            let server = named(servers, name);
            rates.push(streams::rate(world, server, &loads.geo, plan.tcp_seconds));
        }
    }
    for (theirs, name) in rates.iter().zip(names) {
        let rate = median(theirs.iter().copied());
        println!("{name:10}{rate:.0} answers/s over TCP");
        json.insert(format!("tcp_qps_{name}"), rate.round().into());
        if name != "ours" {
            let ratio = median(rates[0].iter().zip(theirs).map(|(ours, theirs)| ours / theirs));
            json.insert(format!("tcp_qps_vs_{name}"), rounded(ratio));
        }
    }
}

/// What counting costs: time on a core with metrics by the time without.
fn metrics(world: &World, loads: &Loads, plan: &Plan) -> f64 {
    let with = peers::ours(world, "counting", &[]);
    let without = peers::ours(world, "not-counting", &["--no-metrics"]);
    let cpu = |server: &Process| load::drive(server, &loads.geo, plan.time).cpu;
    let ratios = (0..plan.metrics_rounds).map(|round| {
        // Whoever is second has a warmer machine.
        if round % 2 == 0 {
            let with = cpu(&with);
            with / cpu(&without)
        } else {
            let without = cpu(&without);
            cpu(&with) / without
        }
    });
    let ratio = median(ratios);
    println!("metrics cost {:+.1} % time on a core", (ratio - 1.0) * 100.0);
    ratio
}

/// Only the change of the address database.
pub(crate) fn only_cities(world: &World) {
    let mut json = Map::new();
    cities(world, &Loads::new(world), &mut json);
    println!("{}", Value::Object(json));
}

/// A database of cities in the place of another one, beside gdnsd's way with it.
fn cities(world: &World, loads: &Loads, json: &mut Map<String, Value>) {
    let found = reload::cities();
    if found.is_none() {
        println!("no database of cities: scripts/install-dns-peers could not fetch one");
    }
    for (name, of) in [("ours", ""), ("gdnsd", "_gdnsd")] {
        let (mut seconds, mut lost, mut peak) = (Value::Null, Value::Null, Value::Null);
        if let Some(cities) = &found {
            let done = reload::measure(world, &loads.geo, cities, name);
            seconds = done.took.map_or(Value::Null, |took| rounded(took.as_secs_f64()));
            lost = done.paced.lost.into();
            peak = rounded(done.memory.peak);
            println!(
                "{name:10}a new database of cities in use after {seconds} s, {lost} of {} \
                 questions lost, {peak} MiB at most",
                done.paced.sent
            );
        }
        json.insert(format!("city_reload_seconds{of}"), seconds);
        json.insert(format!("city_reload_lost{of}"), lost);
        json.insert(format!("city_peak_mib{of}"), peak);
    }
}

/// The middle one; 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

/// Three digits after the point are more than can be trusted.
fn rounded(value: f64) -> Value {
    json!((value * 1000.0).round() / 1000.0)
}
