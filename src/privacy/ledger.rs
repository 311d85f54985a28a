//! The ledger of transfers: how often requests for personal data reached this region although it is
//! at home elsewhere, and what became of them. Counts by route and home; nothing of a request
//! itself, neither its path nor who sent it.
//!
//! Counted in memory and written every second, so that a flood of wrong requests writes a few rows.
//! A node that is killed loses what it counted since.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use meridian_regions::RegionId;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::clock::Deadline;
use crate::domain::evidence::{Entry, Happening};
use crate::store::{Error, Store};

/// Pause between two writings.
pub const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Longest that a writing may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most lines that are counted apart; there are fewer routes and regions.
const LINES_MAX: usize = 512;
/// What counts together when there are more.
const OTHER_ROUTES: &str = "other";

/// What became of a request that reached the wrong region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transfer {
    /// Its sender was told the way, its body unread.
    Refused,
    /// It was passed on to a region under the same law.
    Forwarded,
}

impl Transfer {
    fn happening(self) -> Happening {
        match self {
            Self::Refused => Happening::ResidenceRefused,
            Self::Forwarded => Happening::RequestForwarded,
        }
    }

    /// How it went, for the record.
    fn mechanism(self) -> &'static str {
        match self {
            Self::Refused => "421",
            Self::Forwarded => "mutual-tls",
        }
    }
}

/// Counts of one node.
#[derive(Clone)]
pub struct Ledger {
    here: RegionId,
    pages: Arc<Mutex<Pages>>,
}

#[derive(Default)]
struct Pages {
    counted: BTreeMap<(Transfer, String, RegionId), u64>,
    /// On their way to the database. They keep their ids, so that whoever does not know whether
    /// they were written writes them again, once.
    closed: Vec<Entry>,
}

impl Ledger {
    /// An empty one of a region's node.
    pub fn new(here: RegionId) -> Self {
        Self { here, pages: Arc::default() }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request by its route's pattern.
    pub fn count(&self, transfer: Transfer, route: &str, home: RegionId) {
        let counted = &mut self.pages().counted;
        let mut line = (transfer, route.to_owned(), home);
        if counted.len() >= LINES_MAX && !counted.contains_key(&line) {
            OTHER_ROUTES.clone_into(&mut line.1);
        }
        *counted.entry(line).or_default() += 1;
    }

    /// Writes what was counted; how many entries that were. What could not be written stays for the
    /// next time.
    pub async fn write(&self, store: &Store) -> Result<usize, Error> {
        let entries = self.close();
        if entries.is_empty() {
            return Ok(0);
        }
        let (here, entries) = (self.here, &entries);
        store
            .transact("ledger_write", Deadline::after(PATIENCE), |tx| async move {
                for entry in entries {
                    tx.evidence(here, entry).await?;
                }
                Ok(())
            })
            .await?;
        self.pages().closed.clear();
        Ok(entries.len())
    }

    /// Turns counts into entries, unless there are some whose fate is not known.
    fn close(&self) -> Vec<Entry> {
        let mut pages = self.pages();
        if pages.closed.is_empty() {
            let counted = std::mem::take(&mut pages.counted);
            pages.closed = counted
                .into_iter()
                .map(|((transfer, route, home), count)| {
                    let body = json!({
                        "route": route,
                        "home": home.name,
                        "from": self.here.name,
                        "count": count,
                        "mechanism": transfer.mechanism(),
                    });
                    Entry::new(transfer.happening(), body)
                })
                .collect();
        }
        pages.closed.clone()
    }

    /// Writes now and then until told to stop, and a last time then.
    pub async fn keep(self, store: Store, every: Duration, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            self.write_or_wait(&store).await;
        }
        // What waited for an answer, and what was counted meanwhile.
        self.write_or_wait(&store).await;
        self.write_or_wait(&store).await;
    }

    async fn write_or_wait(&self, store: &Store) {
        if let Err(error) = self.write(store).await {
            tracing::warn!(sqlstate = error.sql_state(), "the ledger of transfers has to wait");
        }
    }
}
