//! A house of its own for each test: a database, other companies, some regions.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use meridian::catalogue::Profile;
use meridian::clock::{Clock, Deadline};
use meridian::demo::postgres::{Keep, Postgres};
use meridian::domain::ids::OrderId;
use meridian::http::peer::Peering;
use meridian::node::{Node, NodeConfig, StartError, World};
use meridian::orders::driver::Driver;
use meridian::privacy::keys::{self, Keys};
use meridian::privacy::rights::journal::Journal;
use meridian::relay::EventSink;
use meridian::store::crash::{CrashPoint, Death};
use meridian::store::{DatabaseUrl, StoreConfig, migrate};
use meridian::suppliers::CallbackSecrets;
use meridian::suppliers::airline::HttpAirline;
use meridian::suppliers::payments::HttpPayments;
use meridian::suppliers::sandbox::Sandbox;
use meridian::webhooks::guard::Reach;
use meridian_regions::{RegionId, Registry};
use serde_json::json;
use tokio::net::TcpListener;

use crate::authority::{Authority, LOOK_EVERY};

/// How long a condition may take to come true on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The schedule of all tests.
const SEED: u64 = 7;

/// The run's PostgreSQL with its migrated template. It ends with this process.
pub(crate) struct Server {
    postgres: Postgres,
    databases: AtomicU32,
}

pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        std::thread::spawn(|| {
            install_tls();
            let postgres = Postgres::start(Keep::Ephemeral).unwrap();
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                create_database(&postgres, "template_house", None).await;
                let url = postgres.url("template_house");
                migrate::migrate(&url, &Registry::embedded().unwrap()).await.unwrap();
            });
            Server { postgres, databases: AtomicU32::new(0) }
        })
        .join()
        .unwrap()
    })
}

impl Server {
    /// A migrated database of one's own.
    pub(crate) async fn database(&self) -> DatabaseUrl {
        self.copy_of(Some("template_house")).await
    }

    /// A database without anything in it.
    pub(crate) async fn empty_database(&self) -> DatabaseUrl {
        self.copy_of(None).await
    }

    /// A copy of a database that nobody is in: what a backup would bring back.
    pub(crate) async fn copy(&self, of: &DatabaseUrl) -> DatabaseUrl {
        self.copy_of(Some(of.database_name())).await
    }

    async fn copy_of(&self, template: Option<&str>) -> DatabaseUrl {
        let name = format!("house_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        create_database(&self.postgres, &name, template).await;
        self.postgres.url(&name)
    }

    pub(crate) fn url(&self) -> DatabaseUrl {
        self.postgres.url("postgres")
    }
}

pub(crate) fn install_tls() {
    // Whoever comes first wins; all of them install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn create_database(postgres: &Postgres, name: &str, template: Option<&str>) {
    let template = template.map(|name| format!(" TEMPLATE {name}")).unwrap_or_default();
    sql(&postgres.url("postgres"), &format!("CREATE DATABASE {name}{template}")).await;
}

/// A connection for planting and counting, outside the store.
pub(crate) async fn connect(url: &DatabaseUrl) -> tokio_postgres::Client {
    let (host, user, _) = url.host_user_port();
    let text = format!("host={host} user={user} dbname={}", url.database_name());
    let (client, connection) = tokio_postgres::connect(&text, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Runs statements that a story needs beside the store's own.
#[expect(clippy::disallowed_methods, reason = "a test plants what the store would refuse")]
pub(crate) async fn sql(url: &DatabaseUrl, text: &str) {
    connect(url).await.batch_execute(text).await.unwrap();
}

/// The one number that a statement gives.
#[expect(clippy::disallowed_methods, reason = "a test counts beside the store")]
pub(crate) async fn count(url: &DatabaseUrl, text: &str) -> i64 {
    connect(url).await.query_one(text, &[]).await.unwrap().get(0)
}

/// The places and the tiny schedule, shared by all tests; each has its own clock.
fn world(registry: Registry) -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    let shared = WORLD
        .get_or_init(|| World::build(registry, Profile::Tiny, SEED, Clock::default()).unwrap());
    World { registry, clock: Clock::default(), ..shared.clone() }
}

/// A free port for nodes of other regions.
fn door() -> std::net::TcpListener {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// A house with its other companies and some regions.
pub(crate) struct Lab {
    pub(crate) registry: Registry,
    pub(crate) world: World,
    pub(crate) database: DatabaseUrl,
    pub(crate) suppliers: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) keys: Arc<KeysDir>,
    /// Where regions listen to each other's nodes.
    pub(crate) doors: BTreeMap<&'static str, Arc<std::net::TcpListener>>,
}

/// What differs from the usual house.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) regions: Vec<&'static str>,
    pub(crate) work: bool,
    pub(crate) hold: Duration,
    pub(crate) lease: Duration,
    /// Most connections of a node's transactions.
    pub(crate) connections: usize,
    pub(crate) head_patience: Duration,
    pub(crate) page_origins: Vec<String>,
    /// Where the nodes find the database's server, if not at its own socket.
    pub(crate) database_at: Option<SocketAddr>,
    /// Another database than one of the run's server.
    pub(crate) database: Option<DatabaseUrl>,
    pub(crate) reach: Reach,
    pub(crate) sink: Option<Arc<dyn EventSink>>,
    /// Where the nodes die.
    pub(crate) crash_at: Option<(CrashPoint, Death)>,
    /// Pause between two writings of the ledger; usually none during a test.
    pub(crate) ledger_every: Duration,
    /// Who signs the certificates of nodes, if they speak to each other.
    pub(crate) peers: Option<Arc<Authority>>,
    /// Where the nodes write erasures down.
    pub(crate) erasures: Option<PathBuf>,
    /// A clock of the node's own, if it is not the house's.
    pub(crate) clock: Option<Clock>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            regions: vec!["eu-central", "us-east"],
            work: true,
            hold: Duration::from_secs(1800),
            lease: Duration::from_secs(10),
            connections: 12,
            head_patience: Duration::from_secs(60),
            page_origins: Vec::new(),
            database_at: None,
            database: None,
            reach: Reach::World,
            sink: None,
            crash_at: None,
            ledger_every: Duration::from_secs(3600),
            peers: None,
            erasures: None,
            clock: None,
        }
    }
}

/// A directory of keys that goes when the test goes.
pub(crate) struct KeysDir(pub(crate) PathBuf);

impl Drop for KeysDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Lab {
    pub(crate) async fn start() -> Self {
        Self::plan(Plan::default()).await
    }

    /// A house without a worker: orders stay where they are put.
    pub(crate) async fn without_worker() -> Self {
        Self::plan(Plan { work: false, ..Plan::default() }).await
    }

    pub(crate) async fn plan(plan: Plan) -> Self {
        let database = match plan.database.clone() {
            Some(database) => database,
            None => server().database().await,
        };
        let mut listeners = Vec::new();
        for name in &plan.regions {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            listeners.push((*name, listener));
        }
        let doors: BTreeMap<_, _> = match &plan.peers {
            Some(_) => plan.regions.iter().map(|name| (*name, Arc::new(door()))).collect(),
            None => BTreeMap::new(),
        };
        let registry = Registry::embedded().unwrap().with_endpoints(|file| {
            if let Some(door) = doors.get(file.name.as_str()) {
                file.endpoints.peer = Some(format!("https://{}", door.local_addr().unwrap()));
            }
            if let Some((_, listener)) = listeners.iter().find(|(name, _)| *name == file.name) {
                file.endpoints.api = format!("http://{}", listener.local_addr().unwrap());
            }
        });
        let world = world(registry);
        let dir =
            std::env::temp_dir().join(format!("meridian-lab-{}", uuid::Uuid::new_v4().simple()));
        Keys::make(&dir, registry.all()).unwrap();
        let secrets = keys::callbacks(&dir).unwrap();
        let suppliers = sandbox(&world.clock, plan.hold, secrets).await;
        let keys = Arc::new(KeysDir(dir));
        let nodes = Vec::new();
        let mut lab = Self { registry, world, database, suppliers, nodes, keys, doors };
        for (name, listener) in listeners {
            let node = lab.node(name, listener, &plan).await.unwrap();
            lab.nodes.push(node);
        }
        lab
    }

    /// One more node of a region, beside those that the house has.
    pub(crate) async fn another(&self, name: &str, plan: &Plan) -> Node {
        self.try_another(name, plan).await.unwrap()
    }

    /// The same, if it starts.
    pub(crate) async fn try_another(&self, name: &str, plan: &Plan) -> Result<Node, StartError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        self.node(name, listener, plan).await
    }

    async fn node(
        &self,
        name: &str,
        listener: TcpListener,
        plan: &Plan,
    ) -> Result<Node, StartError> {
        let region = self.region(name);
        let keys = Keys::load(&self.keys.0, self.registry, region).unwrap();
        let database = plan.database_at.map_or_else(
            || self.database.clone(),
            |at| {
                let name = self.database.database_name();
                let (host, port) = (at.ip(), at.port());
                format!("host={host} port={port} user=postgres dbname={name}").parse().unwrap()
            },
        );
        let store = StoreConfig { connections_max: plan.connections, ..StoreConfig::new(database) };
        let config = NodeConfig {
            work: plan.work,
            lease: plan.lease,
            look_every: Duration::from_millis(100),
            head_patience: plan.head_patience,
            page_origins: plan.page_origins.clone(),
            reach: plan.reach,
            sink: plan.sink.clone(),
            crash_at: plan.crash_at.clone(),
            ledger_every: plan.ledger_every,
            peering: plan.peers.as_ref().map(|authority| Peering {
                look_every: LOOK_EVERY,
                listener: Arc::clone(&self.doors[name]),
                files: authority.of_region(name),
            }),
            journal: plan.erasures.as_deref().map(|dir| Journal::open(dir, region).unwrap()),
            callbacks: format!("http://{}", listener.local_addr().unwrap()),
            ..NodeConfig::new(region, store, keys, &self.suppliers)
        };
        let clock = plan.clock.clone().unwrap_or_else(|| self.world.clock.clone());
        let world = World { clock, ..self.world.clone() };
        Node::start(&world, config, listener).await
    }

    pub(crate) fn region(&self, name: &str) -> RegionId {
        self.registry.by_name(name).unwrap()
    }

    /// Where a region listens to nodes of others.
    pub(crate) fn door(&self, name: &str) -> SocketAddr {
        self.doors[name].local_addr().unwrap()
    }

    /// The origin of a region's API.
    pub(crate) fn url(&self, name: &str) -> String {
        self.region(name).endpoints.api.clone()
    }

    pub(crate) fn running(&self, name: &str) -> &Node {
        self.nodes.iter().find(|node| node.api.region.name == name).unwrap()
    }

    /// What the other companies really did: operation to how often.
    pub(crate) async fn journal(&self, operation: &str) -> u64 {
        self.books().await["done"][operation].as_u64().unwrap_or(0)
    }

    /// How often the other companies were asked, whatever came of it.
    pub(crate) async fn asked(&self, operation: &str) -> u64 {
        self.books().await["asked"][operation].as_u64().unwrap_or(0)
    }

    /// All that the other companies have written down.
    pub(crate) async fn books(&self) -> serde_json::Value {
        let url = format!("{}/sandbox/journal", self.suppliers);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    /// Makes the next calls of an operation fail.
    pub(crate) async fn fault(&self, operation: &str, mode: &str, times: u64) {
        self.plan_fault(json!({"operation": operation, "mode": mode, "times": times})).await;
    }

    /// Makes the next call of an operation take so long.
    pub(crate) async fn slow(&self, operation: &str, ms: u64) {
        self.plan_fault(json!({"operation": operation, "mode": "slow", "ms": ms})).await;
    }

    async fn plan_fault(&self, body: serde_json::Value) {
        let url = format!("{}/sandbox/faults", self.suppliers);
        let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// Seats that orders hold and have bought, all flights together, in one look.
    pub(crate) async fn seats(&self) -> (i64, i64) {
        let both = "SELECT coalesce(sum(held) * 1000000 + sum(sold), 0)::INT8 FROM inventory";
        let both = count(&self.database, both).await;
        (both / 1_000_000, both % 1_000_000)
    }
}

/// What the worker of the house's first region would drive its orders with, by hand.
pub(crate) fn driver(lab: &Lab) -> Driver {
    Driver {
        orders: lab.running("eu-central").api.orders.clone(),
        payments: Arc::new(HttpPayments::new(&lab.suppliers, None)),
        airline: Arc::new(HttpAirline::new(&lab.suppliers, None)),
    }
}

pub(crate) fn parse(lab: &Lab, order: &str) -> OrderId {
    OrderId::parse(&lab.registry, order).unwrap()
}

pub(crate) async fn sandbox(clock: &Clock, hold: Duration, secrets: CallbackSecrets) -> String {
    install_tls();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sandbox = Sandbox::new(clock.clone(), hold, secrets, 0);
    tokio::spawn(sandbox.serve(listener, std::future::pending()));
    url
}

/// Waits until something is so.
pub(crate) async fn until<F, Fut>(what: &str, mut so: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let deadline = Deadline::after(PATIENCE);
    while !so().await {
        assert!(!deadline.passed(), "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}
