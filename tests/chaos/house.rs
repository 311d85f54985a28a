//! The house that is shaken: three regions of two nodes and a worker each, a database that syncs to
//! disk, other companies, and a link of its own from each process to each server.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::{AbortHandle, JoinSet};

use crate::database::Database;
use crate::figures::Figures;
use crate::fleet::{Keeper, Order, Process};
use crate::node::Mutation;
use crate::process::{Running, program, until};
use crate::proxy::{Link, Server};

/// Regions with somebody who is at home there.
pub(crate) const REGIONS: [(&str, &str); 3] =
    [("eu-central", "DE"), ("us-east", "US"), ("ap-southeast", "SG")];
/// How long a node may work on an order before another takes over: shorter than a slow company.
pub(crate) const LEASE: Duration = Duration::from_millis(1500);
/// How long the airlines keep a held booking.
pub(crate) const HOLD: Duration = Duration::from_secs(20);
/// Connections for writing of a process: nine of them share one small server.
const CONNECTIONS: &str = "4";
/// Shares of calls to and from other companies that go wrong, in percent.
pub(crate) const SUPPLIER_FAULTS: [(&str, &str, u64); 7] = [
    ("*", "slow", 5),
    ("*", "lost_request", 7),
    ("*", "lost_reply", 13),
    ("*", "error", 2),
    ("*", "too_many", 2),
    ("callback", "duplicate", 20),
    ("callback", "reordered", 20),
];
/// Longest that the house may take to stand.
const START_PATIENCE: Duration = Duration::from_secs(90);
/// Pause between two looks at the counters of all processes.
const SCRAPE_EVERY: Duration = Duration::from_millis(700);

/// How a house is built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many of [`REGIONS`].
    pub(crate) regions: usize,
    /// What is wrong with its processes, if they are not the real program.
    pub(crate) mutation: Option<Mutation>,
    pub(crate) seed: u64,
}

/// A directory that goes with the run, unless something has to be looked at.
struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("           the logs stay in {}", self.path.display());
        } else {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Everything that runs.
pub(crate) struct House {
    pub(crate) plan: Plan,
    pub(crate) processes: Vec<Arc<Process>>,
    pub(crate) database: Arc<Database>,
    pub(crate) suppliers: String,
    pub(crate) http: Client,
    sandbox: Running,
    keepers: JoinSet<()>,
    scraping: AbortHandle,
    scratch: Scratch,
}

/// The n-th process of a region.
fn address(region: usize, process: u8, port: u16) -> SocketAddr {
    let region = 30 + u8::try_from(region).expect("few regions");
    SocketAddr::from((Ipv4Addr::new(127, 0, region, process), port))
}

/// A port that is free at every address of the house.
fn free_port(regions: usize) -> u16 {
    let first = TcpListener::bind(address(0, 1, 0)).unwrap();
    let port = first.local_addr().unwrap().port();
    for region in 0..regions {
        for process in 1..=3 {
            if (region, process) != (0, 1) {
                TcpListener::bind(address(region, process, port)).unwrap();
            }
        }
    }
    port
}

/// The schema, and the keys.
async fn prepare(scratch: &Path, database: &Database) {
    let mut migrate = program();
    migrate.arg("migrate").env("MERIDIAN_DATABASE_URL", database.url());
    let mut keys = program();
    keys.args(["keys", "--dir"]).arg(scratch.join("keys"));
    for mut command in [migrate, keys] {
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
    }
}

impl House {
    pub(crate) async fn build(plan: Plan, figures: &Arc<Figures>) -> Self {
        let name = format!("meridian-chaos-{}", uuid::Uuid::new_v4().simple());
        let scratch = Scratch { path: std::env::temp_dir().join(name), keep: false };
        fs::create_dir_all(&scratch.path).unwrap();
        let database = Arc::new(Database::start(scratch.path.join("pg")).await);
        prepare(&scratch.path, &database).await;
        let mut sandbox = program();
        sandbox.args(["sandbox", "--listen", "127.0.0.1:0", "--hold-seconds"]);
        sandbox.arg(HOLD.as_secs().to_string()).arg("--fault-seed").arg(plan.seed.to_string());
        sandbox.arg("--keys").arg(scratch.path.join("keys"));
        let log = File::create(scratch.path.join("sandbox.log")).unwrap();
        let (sandbox, suppliers) = Running::start(sandbox, log, "listening on ").await;
        let http = Client::builder().no_proxy().build().unwrap();
        let mut house = Self {
            plan,
            processes: Vec::new(),
            database,
            suppliers,
            http,
            sandbox,
            keepers: JoinSet::new(),
            scraping: tokio::spawn(async {}).abort_handle(),
            scratch,
        };
        let port = free_port(plan.regions);
        for region in 0..plan.regions {
            for process in 1..=3 {
                house.keep(region, process, port, figures).await;
            }
        }
        house.scrape();
        assert!(house.is_up_within(START_PATIENCE).await, "the house does not stand");
        house
    }

    /// Starts a process: the first two of a region serve, the third only works. The second leaves
    /// the orders that it accepts to others.
    async fn keep(&mut self, region: usize, number: u8, port: u16, figures: &Arc<Figures>) {
        let at = address(region, number, port);
        let (region, _) = REGIONS[region];
        let name = format!("{region}-{number}");
        let chance = self.plan.seed
            ^ u64::from(u32::from_be_bytes(match at.ip() {
                std::net::IpAddr::V4(ip) => ip.octets(),
                std::net::IpAddr::V6(_) => [0; 4],
            }));
        let suppliers = self.suppliers.trim_start_matches("http://").parse().unwrap();
        let to_database = Link::open(Server::Postgres(self.database.socket()), chance);
        let to_suppliers = Link::open(Server::Port(suppliers), chance ^ 1);
        let links = (to_database.await.unwrap(), to_suppliers.await.unwrap());
        let (process, orders) = Process::new(name.clone(), region, number < 3, at, links);
        let (args, mutation) = (self.args(&process, number), self.plan.mutation);
        let keeper = Keeper {
            process: Arc::clone(&process),
            orders,
            command: Box::new(move || {
                let mut command = mutation.map_or_else(program, Mutation::program);
                command.args(&args);
                command
            }),
            log: self.scratch.path.join(format!("{name}.log")),
            figures: Arc::clone(figures),
            http: self.http.clone(),
        };
        self.keepers.spawn(keeper.keep());
        self.processes.push(process);
    }

    fn args(&self, process: &Process, number: u8) -> Vec<String> {
        let database = process.database.address;
        let database = format!(
            "host={} port={} user=postgres dbname=postgres",
            database.ip(),
            database.port()
        );
        let suppliers = format!("http://{}", process.suppliers.address);
        let keys = self.scratch.path.join("keys");
        let mut args = vec![if number < 3 { "serve" } else { "work" }.to_owned()];
        for (name, value) in [
            ("--region", process.region),
            ("--listen", &process.address.to_string()),
            ("--profile", "tiny"),
            ("--database-url", &database),
            ("--connections", CONNECTIONS),
            ("--lease-ms", &LEASE.as_millis().to_string()),
            ("--payments-url", &suppliers),
            ("--airline-url", &suppliers),
            ("--callback-url", &format!("http://{}", process.address)),
            ("--keys", keys.to_str().unwrap()),
        ] {
            args.extend([name.to_owned(), value.to_owned()]);
        }
        args.push("--webhooks-anywhere".to_owned());
        if number == 2 {
            args.push("--no-work".to_owned());
        }
        args
    }

    /// Looks at the counters again and again: they die with their process.
    fn scrape(&mut self) {
        let (processes, http) = (self.processes.clone(), self.http.clone());
        let scraping = tokio::spawn(async move {
            loop {
                for process in processes.iter().filter(|process| process.is_up()) {
                    process.scrape(&http).await;
                }
                tokio::time::sleep(SCRAPE_EVERY).await;
            }
        });
        self.scraping = scraping.abort_handle();
    }

    pub(crate) async fn is_up_within(&self, patience: Duration) -> bool {
        until(patience, || async { self.processes.iter().all(|process| process.is_up()) }).await
    }

    /// The nodes that serve a region.
    pub(crate) fn nodes(&self, region: usize) -> Vec<Arc<Process>> {
        let of = |it: &&Arc<Process>| it.serves && it.region == REGIONS[region].0;
        self.processes.iter().filter(of).map(Arc::clone).collect()
    }

    /// Steps that the epoch stopped, in all lives so far.
    pub(crate) async fn fenced(&self, figures: &Figures) -> u64 {
        let mut fenced = figures.counted().fenced;
        for process in &self.processes {
            process.scrape(&self.http).await;
            fenced += process.counted().fenced;
        }
        fenced
    }

    /// Fair weather everywhere, and companies that behave.
    pub(crate) async fn calm(&self) {
        for process in &self.processes {
            process.database.clear();
            process.suppliers.clear();
        }
        for (operation, mode, _) in SUPPLIER_FAULTS {
            let fault = json!({"operation": operation, "mode": mode, "rate": 0.0});
            self.supplier_fault(fault).await;
        }
    }

    /// Makes other companies misbehave.
    pub(crate) async fn supplier_fault(&self, fault: Value) {
        let url = format!("{}/sandbox/faults", self.suppliers);
        let answer = self.http.post(url).json(&fault).send().await.unwrap();
        assert!(answer.status().is_success(), "{fault}: {}", answer.status());
    }

    /// What processes complained about that is our mistake: logged as an error, or a panic.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for process in &self.processes {
            let log = self.scratch.path.join(format!("{}.log", process.name));
            let text = fs::read_to_string(log).unwrap();
            let ours = text.lines().filter(|it| it.contains("ERROR") || it.contains("panicked"));
            complaints.extend(ours.map(|line| format!("{}: {line}", process.name)));
        }
        complaints
    }

    /// What other companies were asked, and did.
    pub(crate) async fn journal(&self) -> Value {
        let url = format!("{}/sandbox/journal", self.suppliers);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Everybody goes in order; the directory goes, too, unless something has to be looked at.
    pub(crate) async fn close(mut self, keep: bool) {
        self.scratch.keep = keep;
        self.scraping.abort();
        for process in &self.processes {
            process.order(Order::End);
        }
        while let Some(kept) = self.keepers.join_next().await {
            kept.unwrap();
        }
        self.processes.clear();
        self.sandbox.end().await;
        let database = Arc::into_inner(self.database).expect("nobody else holds the database");
        database.stop().await;
    }
}
