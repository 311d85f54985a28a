//! The database of the run: a real server that syncs to disk, so that it can be crashed and what it
//! said yes to must still be there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use meridian::demo::postgres::{Keep, Postgres};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::Mutex;

use crate::process::until;
use crate::rows::Rows;

/// Longest that a crashed server may take to be gone.
const GONE_PATIENCE: Duration = Duration::from_secs(10);
/// What a server's log says that found the traces of a crash.
const RECOVERED: &str = "automatic recovery in progress";

/// A database that keeps what it has through crashes.
pub(crate) struct Database {
    dir: PathBuf,
    server: Mutex<Option<Postgres>>,
    crashes: AtomicU64,
}

impl Database {
    pub(crate) async fn start(dir: PathBuf) -> Self {
        let server = start(dir.clone()).await;
        Self { dir, server: Mutex::new(Some(server)), crashes: AtomicU64::new(0) }
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join(".s.PGSQL.5432")
    }

    /// How a program beside the links reaches it.
    pub(crate) fn url(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.dir.display())
    }

    /// Crashes that it recovered from.
    pub(crate) fn crashes(&self) -> u64 {
        self.crashes.load(Ordering::Relaxed)
    }

    /// Ends the server at once with nothing written back (SIGQUIT, the immediate shutdown), and
    /// starts it again after a while. It then recovers as after a loss of power.
    pub(crate) async fn crash(&self, away: Duration) {
        let mut server = self.server.lock().await;
        let pid = fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap();
        let pid: i32 = pid.lines().next().unwrap().trim().parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::QUIT).unwrap();
        let gone = || async { !Path::new(&format!("/proc/{pid}")).exists() };
        assert!(until(GONE_PATIENCE, gone).await, "the server does not end");
        let old = server.take();
        tokio::task::spawn_blocking(move || drop(old)).await.unwrap();
        tokio::time::sleep(away).await;
        *server = Some(start(self.dir.clone()).await);
        let log = fs::read_to_string(self.dir.join("postgres.log")).unwrap();
        assert!(log.contains(RECOVERED), "the server did not crash: {log}");
        self.crashes.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until a crash that is under way is over.
    pub(crate) async fn is_up(&self) {
        drop(self.server.lock().await);
    }

    /// A look beside the links.
    pub(crate) async fn look(&self) -> Rows {
        Rows::at(&self.url()).await
    }

    pub(crate) async fn stop(self) {
        // Stopping the server waits for it, so not on a thread that drives other tasks.
        tokio::task::spawn_blocking(move || drop(self.server)).await.unwrap();
    }
}

async fn start(dir: PathBuf) -> Postgres {
    let start = || Postgres::start(Keep::Directory(dir)).unwrap();
    tokio::task::spawn_blocking(start).await.unwrap()
}
