//! The house as operators see it: processes of the real program, a database of its own, keys, and
//! the commands that runbooks name. What it starts ends with it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use meridian::demo::postgres::{Keep, Postgres};
use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::Pace;
use crate::files::{Files, NODES, REGIONS, address};
use crate::process::{Running, program};

/// Longest that one step of a plan may wait, in seconds.
const STEP_SECONDS: &str = "60";
/// Connections for writing of a node: ten of them share one small server.
const CONNECTIONS: &str = "4";
/// How long a node may work on an order before another takes over, in milliseconds.
const LEASE_MS: &str = "3000";

/// A region and the number of a node of it.
type Node = (&'static str, u8);

/// Everything that runs.
pub(crate) struct House {
    pub(crate) files: Files,
    pub(crate) dns: SocketAddr,
    pub(crate) port: u16,
    pub(crate) suppliers: String,
    pub(crate) postgres: Postgres,
    dir: PathBuf,
    nodes: BTreeMap<Node, Running>,
    _others: Vec<Running>,
}

/// A port that is free at every address of the house.
fn free_port() -> u16 {
    let first = std::net::TcpListener::bind((address(REGIONS[0], 1), 0)).unwrap();
    let port = first.local_addr().unwrap().port();
    for region in REGIONS {
        for node in 1..=NODES {
            if (region, node) != (REGIONS[0], 1) {
                std::net::TcpListener::bind((address(region, node), port)).unwrap();
            }
        }
    }
    port
}

impl House {
    /// The four shipped regions, two nodes each, under a name server that probes.
    pub(crate) async fn build(pace: &Pace) -> Self {
        let name = format!("meridian-life-{}", uuid::Uuid::new_v4().simple());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        let port = free_port();
        let files = Files::write(dir.join("regions"), port);
        let start = || Postgres::start(Keep::Ephemeral).unwrap();
        let postgres = tokio::task::spawn_blocking(start).await.unwrap();

        let mut sandbox = program();
        sandbox.args(["sandbox", "--listen", "127.0.0.1:0"]);
        let log = File::create(dir.join("sandbox.log")).unwrap();
        let (sandbox, suppliers) = Running::start(sandbox, log, "listening on ").await;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (nodes, others) = (BTreeMap::new(), vec![sandbox]);
        let mut house =
            Self { files, dns: any, port, suppliers, postgres, dir, nodes, _others: others };
        house.must(&["migrate"]).await;
        house.make_keys().await;
        for region in &REGIONS[..4] {
            house.start_region(region).await;
        }
        house.start_geodns(pace).await;
        house
    }

    /// The shipped zone with this run's time to live.
    async fn start_geodns(&mut self, pace: &Pace) {
        let zone = concat!(env!("CARGO_MANIFEST_DIR"), "/geo-routing/zones/meridian.toml");
        let zone = fs::read_to_string(zone).unwrap();
        let shipped = "ttl_geo = 30";
        assert!(zone.contains(shipped), "the zone's time to live is another one");
        let ttl = format!("ttl_geo = {}", pace.ttl.as_secs());
        let path = self.dir.join("zone.toml");
        fs::write(&path, zone.replace(shipped, &ttl)).unwrap();
        let mut command = program();
        let millis = |it: Duration| it.as_millis().to_string();
        command.arg("--regions-dir").arg(&self.files.dir).args(["geodns", "--zones"]).arg(path);
        command.args(["--listen", "127.0.0.1:0"]);
        command.args(["--probe-interval-ms", &millis(pace.probe_every)]);
        command.args(["--probe-timeout-ms", &millis(pace.probe_timeout)]);
        command.args(["--probe-down", &pace.failures.to_string()]);
        command.args(["--damping-ms", &millis(pace.damping)]);
        let log = File::create(self.dir.join("geodns.log")).unwrap();
        let (geodns, said) = Running::start(command, log, "answering on ").await;
        self.dns = said.split(' ').next().unwrap().parse().unwrap();
        self._others.push(geodns);
    }

    /// Makes what keys are missing, and gives each region's nodes theirs and no other.
    pub(crate) async fn make_keys(&self) {
        let all = self.keys();
        self.must(&["keys", "--dir", all.to_str().unwrap()]).await;
        for region in REGIONS {
            let own = format!("region-{region}.key");
            let given = self.dir.join(format!("keys-{region}"));
            if all.join(&own).exists() {
                fs::create_dir_all(&given).unwrap();
                let callbacks = ["callbacks-payments.key", "callbacks-airline.key"];
                let shared = ["offer.key", "directory.key"].into_iter().chain(callbacks);
                let evidence = format!("evidence-{region}.key");
                for key in shared.chain([own.as_str(), evidence.as_str()]) {
                    fs::copy(all.join(key), given.join(key)).unwrap();
                }
            }
        }
    }

    /// What a move of travellers needs and no more: the key of the home that they leave, and the
    /// public half of the one that they come to.
    pub(crate) fn handover_keys(&self, from: &str, to: &str) -> PathBuf {
        let given = self.dir.join(format!("keys-{from}-{to}"));
        fs::create_dir_all(&given).unwrap();
        for key in [format!("region-{from}.key"), format!("region-{to}.pub")] {
            fs::copy(self.keys().join(&key), given.join(&key)).unwrap();
        }
        given
    }

    fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) async fn start_region(&mut self, region: &'static str) {
        let nodes: Vec<Node> = (1..=NODES).map(|node| (region, node)).collect();
        self.start_nodes(&nodes).await;
    }

    /// Starts some nodes at once.
    async fn start_nodes(&mut self, nodes: &[Node]) {
        let mut starting = JoinSet::new();
        for (region, node) in nodes.iter().copied() {
            let command = self.serve(region, node);
            let log = self.dir.join(format!("{region}-{node}.log"));
            let log = File::options().create(true).append(true).open(log).unwrap();
            starting.spawn(async move {
                ((region, node), Running::start(command, log, "listening on ").await.0)
            });
        }
        self.nodes.extend(starting.join_all().await);
    }

    fn serve(&self, region: &'static str, node: u8) -> Command {
        let mut command = program();
        let listen = SocketAddr::from((address(region, node), self.port)).to_string();
        command.arg("--regions-dir").arg(&self.files.dir);
        command.args(["serve", "--region", region, "--listen", &listen, "--profile", "tiny"]);
        command.args(["--database-url", &self.database(), "--connections", CONNECTIONS]);
        command.args(["--lease-ms", LEASE_MS, "--payments-url", &self.suppliers]);
        command.args(["--airline-url", &self.suppliers, "--keys"]);
        command.arg(self.dir.join(format!("keys-{region}")));
        command
    }

    /// Ends a region's nodes as a deployment does.
    pub(crate) async fn stop_region(&mut self, region: &'static str) {
        for node in 1..=NODES {
            self.nodes.remove(&(region, node)).unwrap().end().await;
        }
    }

    /// Kills a region's nodes at one blow: SIGKILL, nothing is said or finished.
    pub(crate) async fn kill_region(&mut self, region: &'static str) {
        let mut victims: Vec<Running> =
            (1..=NODES).map(|node| self.nodes.remove(&(region, node)).unwrap()).collect();
        for victim in &mut victims {
            victim.child.start_kill().unwrap();
        }
        for victim in &mut victims {
            victim.child.wait().await.unwrap();
        }
    }

    /// Starts every node anew, so that it reads the region files again: first those of the region
    /// that the change is about, one by one, then some regions at a time. One node of a region is
    /// always there.
    pub(crate) async fn roll(&mut self, first: &'static str, at_once: usize) {
        let (mut own, mut others): (Vec<Node>, Vec<Node>) =
            self.nodes.keys().partition(|(region, _)| *region == first);
        own.sort_unstable();
        others.sort_unstable_by_key(|(region, node)| (*node, *region));
        assert!(others.len() >= at_once * usize::from(NODES), "a region would have no node left");
        for nodes in own.chunks(1).chain(others.chunks(at_once)) {
            for node in nodes {
                self.nodes.remove(node).unwrap().end().await;
            }
            self.start_nodes(nodes).await;
        }
    }

    pub(crate) fn database(&self) -> String {
        let url = self.postgres.url("postgres");
        let (host, user, _) = url.host_user_port();
        format!("host={host} user={user} dbname={}", url.database_name())
    }

    /// Runs a command of the program and returns its exit code and its words.
    pub(crate) async fn run(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = program();
        command.arg("--regions-dir").arg(&self.files.dir).args(args);
        if args[0] != "keys" {
            command.env("MERIDIAN_DATABASE_URL", self.database());
        }
        let output = command.output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// Runs a command that has to do what it is for.
    pub(crate) async fn must(&self, args: &[&str]) -> String {
        let (code, said, complained) = self.run(args).await;
        assert_eq!(code, 0, "meridian {args:?}: {said}{complained}");
        said
    }

    /// Plans the change that the files ask for and carries it out, as the runbooks do: what is
    /// another tool's is answered with `--done`, and nodes are stopped when the plan says so.
    /// Returns the plan in words.
    pub(crate) async fn carry_out(&mut self, keys: Option<&Path>) -> String {
        let plan = self.dir.join("plan.out");
        let plan = plan.to_str().unwrap();
        let planned = self.must(&["regions", "plan", "--out", plan]).await;
        let mut done: Vec<String> = Vec::new();
        loop {
            let mut args = vec!["regions", "apply", plan, "--wait", STEP_SECONDS];
            if let Some(keys) = keys {
                args.extend(["--keys", keys.to_str().unwrap()]);
            }
            for number in &done {
                args.extend(["--done", number]);
            }
            let (code, said, complained) = self.run(&args).await;
            match code {
                0 => return planned,
                3 => {
                    let yours = said.lines().find(|line| line.contains(" is yours, "));
                    let yours = yours.unwrap_or_else(|| panic!("no step is named: {said}"));
                    let number = yours.split(' ').nth(1).unwrap().to_owned();
                    assert!(!done.contains(&number), "step {number} is asked for again: {said}");
                    self.do_by_hand(yours).await;
                    done.push(number);
                }
                _ => panic!("{planned}\nmeridian regions apply: {code} {said}{complained}"),
            }
        }
    }

    /// A step of another tool; only the nodes are here.
    async fn do_by_hand(&mut self, step: &str) {
        if step.ends_with("stop its nodes") {
            let region = REGIONS.into_iter().find(|region| step.contains(region)).unwrap();
            self.stop_region(region).await;
        }
    }

    /// What the sandbox of the other companies did.
    pub(crate) async fn journal(&self) -> Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/sandbox/journal", self.suppliers);
        client.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Everybody goes; the directory goes, too, unless something has to be looked at.
    pub(crate) async fn close(mut self, keep: bool) {
        for region in REGIONS {
            if self.nodes.contains_key(&(region, 1)) {
                self.stop_region(region).await;
            }
        }
        drop(self._others);
        // Stopping the server waits for it, so not on a thread that drives other tasks.
        let postgres = self.postgres;
        tokio::task::spawn_blocking(move || drop(postgres)).await.unwrap();
        if keep {
            eprintln!("the logs stay in {}", self.dir.display());
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}
