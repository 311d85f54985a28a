//! Faults on request: what a database does once a year, on demand for a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::crash::Crash;

/// How often each fault is still to happen, and what of the protocol is left out. Nothing is,
/// unless a test says so.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    aborts: Arc<AtomicU32>,
    lost_replies: Arc<AtomicU32>,
    lost_requests: Arc<AtomicU32>,
    unfenced: Arc<AtomicBool>,
    fresh_keys: Arc<AtomicBool>,
    crash: Crash,
}

impl Faults {
    /// The next so many transactions fail to serialize (40001) just before their COMMIT.
    pub fn abort_next(&self, count: u32) {
        self.aborts.store(count, Ordering::SeqCst);
    }

    /// The next so many COMMITs are carried out and their answer is lost (40003).
    pub fn lose_commit_reply_next(&self, count: u32) {
        self.lost_replies.store(count, Ordering::SeqCst);
    }

    /// The next so many COMMITs never arrive, and nobody is told.
    pub fn lose_commit_request_next(&self, count: u32) {
        self.lost_requests.store(count, Ordering::SeqCst);
    }

    /// From now on a step is written whoever holds the order: what a saga without a fence does.
    pub fn drop_fence(&self) {
        self.unfenced.store(true, Ordering::SeqCst);
    }

    /// From now on every call has a key of its own: what a saga without stable keys does.
    pub fn fresh_keys(&self) {
        self.fresh_keys.store(true, Ordering::SeqCst);
    }

    /// Where the node is to die.
    pub fn crash(&self) -> &Crash {
        &self.crash
    }

    /// The key of a call, as it is to be sent.
    pub fn key(&self, stable: String) -> String {
        match self.fresh_keys.load(Ordering::SeqCst) {
            true => format!("{stable}:{}", uuid::Uuid::new_v4().simple()),
            false => stable,
        }
    }

    pub(super) fn is_unfenced(&self) -> bool {
        self.unfenced.load(Ordering::SeqCst)
    }

    pub(super) fn abort(&self) -> bool {
        strike(&self.aborts)
    }

    pub(super) fn lose_commit_reply(&self) -> bool {
        strike(&self.lost_replies)
    }

    pub(super) fn lose_commit_request(&self) -> bool {
        strike(&self.lost_requests)
    }
}

fn strike(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1)).is_ok()
}
