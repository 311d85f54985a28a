//! A node: one region's API and worker in this process, from start to good-bye.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use meridian_regions::{RegionId, Registry};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::catalogue::{Catalogue, Profile, Schedule};
use crate::clock::{Clock, Deadline};
use crate::http::forward::Forwarder;
use crate::http::peer::tls::{Identity, PeerError};
use crate::http::peer::{Door, Peering};
use crate::http::serve::HEAD_PATIENCE;
use crate::http::{self, Api, Rooms};
use crate::orders::driver::Driver;
use crate::orders::quoting::Quotes;
use crate::orders::{LEASE, Orders};
use crate::places::PlaceIndex;
use crate::privacy::desk::Desk;
use crate::privacy::evidence::{CHECKPOINT_EVERY, Keeper};
use crate::privacy::keys::Keys;
use crate::privacy::ledger::{Ledger, WRITE_EVERY};
use crate::privacy::rights::Rights;
use crate::privacy::rights::erasure::{ReapplyError, forgotten};
use crate::privacy::rights::journal::Journal;
use crate::relay::{self, EventSink, Relay};
use crate::search::Finder;
use crate::store::crash::{CrashPoint, Death};
use crate::store::release::Release;
use crate::store::{Error, Store, StoreConfig, migrate};
use crate::suppliers::airline::HttpAirline;
use crate::suppliers::payments::HttpPayments;
use crate::suppliers::{AIRLINE_CALLBACK, PAYMENTS_CALLBACK};
use crate::travellers::Travellers;
use crate::web;
use crate::webhooks::Webhooks;
use crate::webhooks::deliverer::Deliverer;
use crate::webhooks::guard::Reach;
use crate::worker::{Dispatch, LOOK_EVERY, Worker};

/// Longest that a node waits for the first answer of its database.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// Longest that requests under way may take after the node has said good-bye.
const STOP_PATIENCE: Duration = Duration::from_secs(25);

/// What all nodes of a process share: read once, never changed.
#[derive(Clone)]
pub struct World {
    /// All regions.
    pub registry: Registry,
    /// Places and rates.
    pub catalogue: Arc<Catalogue>,
    /// What is flown.
    pub schedule: Arc<Schedule>,
    /// Places by name.
    pub places: Arc<PlaceIndex>,
    /// Tells the time.
    pub clock: Clock,
}

impl World {
    /// Reads the catalogue and generates the schedule.
    pub fn build(
        registry: Registry,
        profile: Profile,
        seed: u64,
        clock: Clock,
    ) -> Result<Self, crate::catalogue::Broken> {
        let catalogue = Arc::new(Catalogue::load()?);
        let schedule = Arc::new(Schedule::generate(&catalogue, profile, seed));
        let places = Arc::new(PlaceIndex::build(&catalogue));
        Ok(Self { registry, catalogue, schedule, places, clock })
    }

    fn release(&self) -> Release {
        Release {
            profile: self.schedule.profile.name().to_owned(),
            seed: i64::try_from(self.schedule.seed).unwrap_or(i64::MAX),
            fingerprint: i64::from(self.schedule.fingerprint) << 32,
        }
    }
}

/// How a node is started.
#[derive(Clone)]
pub struct NodeConfig {
    /// Which region it serves.
    pub region: RegionId,
    /// Its name, under which it holds leases.
    pub name: String,
    /// The database.
    pub store: StoreConfig,
    /// Its keys.
    pub keys: Keys,
    /// Base URL of the payment provider.
    pub payments: String,
    /// Base URL of the airlines.
    pub airline: String,
    /// Origin under which they reach this region.
    pub callbacks: String,
    /// Whether it drives orders, too.
    pub work: bool,
    /// How long it may work on an order before others take over.
    pub lease: Duration,
    /// Pause between two looks for what is due.
    pub look_every: Duration,
    /// Longest that the head of a request may take to arrive.
    pub head_patience: Duration,
    /// Where our pages are served besides regions.
    pub page_origins: Vec<String>,
    /// How far webhooks may reach.
    pub reach: Reach,
    /// The event stream, if there is one.
    pub sink: Option<Arc<dyn EventSink>>,
    /// How old the last checkpoint of the evidence may become.
    pub checkpoint_every: Duration,
    /// Pause between two writings of the ledger of transfers.
    pub ledger_every: Duration,
    /// How it speaks to nodes of other regions, if it does.
    pub peering: Option<Peering>,
    /// Where erasures are written down beside the database.
    pub journal: Option<Journal>,
    /// Where it dies, for a test.
    pub crash_at: Option<(CrashPoint, Death)>,
}

impl NodeConfig {
    /// The usual lease and pause.
    pub fn new(region: RegionId, store: StoreConfig, keys: Keys, suppliers: &str) -> Self {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        Self {
            region,
            name: format!("{region}-{}", &unique[..8]),
            store,
            keys,
            payments: suppliers.to_owned(),
            airline: suppliers.to_owned(),
            callbacks: region.endpoints.api.clone(),
            work: true,
            lease: LEASE,
            look_every: LOOK_EVERY,
            head_patience: HEAD_PATIENCE,
            page_origins: Vec::new(),
            reach: Reach::World,
            sink: None,
            checkpoint_every: CHECKPOINT_EVERY,
            ledger_every: WRITE_EVERY,
            peering: None,
            journal: None,
            crash_at: None,
        }
    }
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Store(#[from] Error),
    /// The journal of erasures.
    #[error(transparent)]
    Journal(#[from] ReapplyError),
    /// The certificate or the listener for other regions.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// A backup was restored that remembers people who were erased since.
    #[error(
        "this database knows nothing of {0} erasures that the journal has; before anybody opens \
         it, run `meridian privacy reapply` with the same --erasures"
    )]
    Remembers(usize),
    /// Another schedule is on sale.
    #[error(
        "the database sells the schedule {theirs:?}, this node made {mine:?}; start it with the \
         same --profile, --seed and build"
    )]
    OtherSchedule {
        /// Of this node.
        mine: Release,
        /// On sale.
        theirs: Release,
    },
}

/// A running node.
pub struct Node {
    /// Where it answers.
    pub address: SocketAddr,
    /// What it answers with.
    pub api: Api,
    stop_serving: CancellationToken,
    stop_working: CancellationToken,
    server: JoinHandle<()>,
    peers: Option<JoinHandle<()>>,
    ledger: JoinHandle<()>,
    worker: Option<JoinHandle<()>>,
}

impl Node {
    /// Starts on a bound listener. The database must be migrated; nodes never migrate.
    pub async fn start(
        world: &World,
        config: NodeConfig,
        listener: TcpListener,
    ) -> Result<Self, StartError> {
        let identity = identity(world, &config)?;
        let store = Store::open(&config.store).await?;
        migrate::check(&store).await?;
        if let Some(journal) = &config.journal {
            let regions: Vec<RegionId> = world.registry.with_rows().collect();
            let directory = &config.keys.directory;
            let missing = forgotten(&store, directory, &regions, journal.dir()).await?;
            if missing > 0 {
                return Err(StartError::Remembers(missing));
            }
        }
        let (mine, deadline) = (world.release(), Deadline::after(START_PATIENCE));
        let theirs = store.release_claim(deadline, &mine).await?;
        if mine != theirs {
            return Err(StartError::OtherSchedule { mine, theirs });
        }
        let keepers = world.catalogue.keepers(world.registry);
        store.keepers_claim(Deadline::after(START_PATIENCE), &keepers).await?;
        if let Some((point, death)) = config.crash_at.clone() {
            store.faults().crash().arm(point, death);
        }
        let address = listener.local_addr().expect("a bound listener has an address");
        let (dispatch, handed_over) = Dispatch::channel();
        let api = api(world, &config, store, dispatch, identity.clone());
        let (stop_serving, stop_working) = (CancellationToken::new(), CancellationToken::new());
        let router = http::router(&api, web::pages());
        let server = tokio::spawn(http::serve::serve(
            listener,
            router.clone(),
            config.head_patience,
            stop_serving.clone(),
        ));
        let peers = peers(&config, identity, &api, router, &stop_serving)?;
        let (ledger, every) = (api.ledger.clone(), config.ledger_every);
        let ledger = tokio::spawn(ledger.keep(api.store.clone(), every, stop_working.clone()));
        let worker = config.work.then(|| {
            let callback = format!("{}{PAYMENTS_CALLBACK}", config.callbacks);
            let driver = Driver {
                orders: api.orders.clone(),
                payments: Arc::new(HttpPayments::new(&config.payments, Some(callback))),
                airline: Arc::clone(&api.quotes.airline),
            };
            let (home, look_every) = (config.region, config.look_every);
            let (relay, deliverer) = tellers(&api, &config);
            let worker = Worker {
                driver,
                rights: api.rights.clone(),
                keeper: keeper(&api, &config),
                relay,
                deliverer,
                home,
                handed_over,
                look_every,
            };
            tokio::spawn(worker.run(stop_working.clone()))
        });
        Ok(Self { address, api, stop_serving, stop_working, server, peers, ledger, worker })
    }

    /// Answers `draining` to GeoDNS from now on, and goes on serving who is there.
    pub fn drain(&self) {
        self.api.draining.store(true, Ordering::Relaxed);
    }

    /// Takes traffic again.
    pub fn undrain(&self) {
        self.api.draining.store(false, Ordering::Relaxed);
    }

    /// Says good-bye, finishes what is under way, lets the database go. The worker goes last: it
    /// still drives what the last requests handed over.
    pub async fn stop(self) {
        self.drain();
        self.stop_serving.cancel();
        let _ = tokio::time::timeout(STOP_PATIENCE, self.server).await;
        if let Some(peers) = self.peers {
            let _ = tokio::time::timeout(STOP_PATIENCE, peers).await;
        }
        self.stop_working.cancel();
        let _ = tokio::time::timeout(STOP_PATIENCE, self.ledger).await;
        if let Some(worker) = self.worker {
            let _ = tokio::time::timeout(STOP_PATIENCE, worker).await;
        }
        self.api.store.close();
    }
}

/// What this node shows to nodes of other regions, if it speaks to them.
fn identity(world: &World, config: &NodeConfig) -> Result<Option<Arc<Identity>>, PeerError> {
    let load = |peering: &Peering| {
        let files = peering.files.clone();
        Identity::load(files, config.region, world.registry).map(Arc::new)
    };
    config.peering.as_ref().map(load).transpose()
}

/// Opens the door for nodes of other regions, if this node speaks to them.
fn peers(
    config: &NodeConfig,
    identity: Option<Arc<Identity>>,
    api: &Api,
    router: Router,
    stop: &CancellationToken,
) -> Result<Option<JoinHandle<()>>, PeerError> {
    let (Some(peering), Some(identity)) = (&config.peering, identity) else { return Ok(None) };
    let listener = peering.listener()?;
    tokio::spawn(Arc::clone(&identity).follow(peering.look_every, stop.clone()));
    let door = Door { here: config.region, registry: api.registry, identity, router };
    Ok(Some(tokio::spawn(door.serve(listener, stop.clone()))))
}

/// What takes events out of the house.
fn tellers(api: &Api, config: &NodeConfig) -> (Relay, Deliverer) {
    let (store, home, node) = (api.store.clone(), config.region, config.name.clone());
    let (lease, sink) = (relay::LEASE, config.sink.clone());
    let relay = Relay { store: store.clone(), home, node: node.clone(), lease, sink };
    let (keys, clock) = (config.keys.clone(), api.finder.clock.clone());
    (relay, Deliverer::new(store, keys, clock, home, node, config.reach))
}

/// What keeps the region's chain of evidence.
fn keeper(api: &Api, config: &NodeConfig) -> Keeper {
    Keeper {
        store: api.store.clone(),
        home: config.region,
        signer: config.keys.evidence.clone(),
        clock: api.finder.clock.clone(),
        checkpoint_every: config.checkpoint_every,
    }
}

fn api(
    world: &World,
    config: &NodeConfig,
    store: Store,
    dispatch: Dispatch,
    identity: Option<Arc<Identity>>,
) -> Api {
    let (registry, keys, region) = (world.registry, config.keys.clone(), config.region);
    let finder = Finder {
        catalogue: Arc::clone(&world.catalogue),
        schedule: Arc::clone(&world.schedule),
        key: keys.offer.clone(),
        clock: world.clock.clone(),
    };
    let webhook_store = store.clone();
    let travellers = Travellers::new(store.clone(), keys.clone(), region, registry);
    let (node, lease) = (config.name.clone(), config.lease);
    let orders =
        Orders { store: store.clone(), finder: finder.clone(), keys, dispatch, node, lease };
    // Who quotes and who drives share one gate to the airlines.
    let callback = format!("{}{AIRLINE_CALLBACK}", config.callbacks);
    let airline = Arc::new(HttpAirline::new(&config.airline, Some(callback)));
    let rights = Rights {
        store: store.clone(),
        keys: config.keys.clone(),
        home: region,
        registry,
        clock: world.clock.clone(),
        journal: config.journal.clone(),
    };
    let signer = config.keys.evidence.clone();
    let desk = Desk { store: store.clone(), home: region, registry, signer };
    Api::new(Rooms {
        rights,
        desk,
        forwarder: identity.map(|identity| Forwarder::new(region, identity)),
        ledger: Ledger::new(region),
        region,
        registry,
        store,
        finder,
        places: Arc::clone(&world.places),
        travellers,
        quotes: Quotes { orders: orders.clone(), airline },
        orders,
        webhooks: Webhooks { store: webhook_store, keys: config.keys.clone(), reach: config.reach },
        draining: AtomicBool::new(false),
        page_origins: config.page_origins.clone(),
    })
}
