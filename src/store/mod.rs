//! The database floor. Only here is SQL known, and only through the catalogue in [`sql`].
//!
//! One way to write: [`Store::tx`]. One way to read outside a transaction: [`Store::fresh`].
//! The two engines differ in [`engine`] and in [`migrate`], nowhere above.

pub mod audit;
pub mod connect;
pub mod crash;
pub mod datamap;
pub mod engine;
pub mod error;
pub mod evidence;
pub mod faults;
pub mod idempotency;
pub mod inventory;
pub mod lifecycle;
pub mod locality;
pub mod migrate;
pub mod moving;
pub mod orders;
pub mod privacy;
pub mod quotes;
pub mod read;
pub mod regions;
pub mod relay;
pub mod release;
pub mod retention;
pub mod saga;
pub mod sql;
pub mod staff;
pub mod subject;
pub mod travellers;
pub mod tx;
pub mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;

pub use connect::DatabaseUrl;
pub use engine::Engine;
pub use error::{Error, Fate};
pub use faults::Faults;
pub use read::Reader;
pub use tx::{Abort, Tx, uncut};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Which database.
    pub url: DatabaseUrl,
    /// Most connections that transactions use at once.
    pub connections_max: usize,
    /// Connections that single reads share; statements are pipelined on them.
    pub readers: usize,
    /// Longest that one read may take.
    pub read_patience: Duration,
}

impl StoreConfig {
    /// The defaults for a node beside its database: twice its cores for writing, two for reading.
    pub fn new(url: DatabaseUrl) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { url, connections_max: 2 * cores, readers: 2, read_patience: Duration::from_secs(3) }
    }
}

/// The database; clones share its connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    pool: Pool,
    readers: read::Readers,
    faults: Faults,
    counts: Counts,
}

/// What was sent to the database, for the tables of statements per request.
#[derive(Debug, Default)]
pub struct Counts {
    statements: AtomicU64,
    round_trips: AtomicU64,
    commits: AtomicU64,
}

impl Counts {
    fn statement(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.round_trip();
    }

    fn round_trip(&self) {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
    }

    fn commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    /// Statements (without BEGIN and COMMIT) and round trips (with them) so far.
    pub fn so_far(&self) -> (u64, u64) {
        (self.statements.load(Ordering::Relaxed), self.round_trips.load(Ordering::Relaxed))
    }

    /// Transactions that the database said it has committed so far.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Store {
    /// Connects, and finds out which engine answers.
    pub async fn open(config: &StoreConfig) -> Result<Self, Error> {
        let pool = connect::pool(&config.url, config.connections_max)?;
        let engine = engine::detect(&pool).await?;
        let readers = read::Readers::new(&config.url, config.readers, config.read_patience)?;
        let (faults, counts) = (Faults::default(), Counts::default());
        Ok(Self { inner: Arc::new(Inner { engine, pool, readers, faults, counts }) })
    }

    /// Which engine answers.
    pub fn engine(&self) -> Engine {
        self.inner.engine
    }

    /// Reads that see every committed write.
    pub fn fresh(&self) -> Reader<'_> {
        Reader::new(&self.inner)
    }

    /// What was sent so far.
    pub fn counts(&self) -> &Counts {
        &self.inner.counts
    }

    /// Faults that a test wants; none ever happen by themselves.
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// Whether the database answers now.
    pub async fn ping(&self) -> Result<(), Error> {
        self.fresh().one(&sql::engine::ping, &[]).await.map(drop)
    }

    /// Lets all connections go. What is under way fails as *unknown*.
    pub fn close(&self) {
        self.inner.pool.close();
        self.inner.readers.close();
    }
}
