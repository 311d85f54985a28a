//! I5: what is answered again is what was answered. The stored reply of every key is, byte for
//! byte, what its client read. Live repetitions are compared as they come, by the same measure.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::{Evidence, Plant};
use crate::ledger::{Answer, Deed};

/// A reply as it is stored.
struct Stored {
    status: i64,
    location: String,
    body: Vec<u8>,
}

pub(super) async fn broken(evidence: &Evidence<'_>) -> Vec<String> {
    let rows =
        evidence.rows.all("SELECT key_hash, status, location, body FROM idempotency_key").await;
    let stored: HashMap<Vec<u8>, Stored> = rows
        .iter()
        .map(|row| {
            let (status, location) = (row.get("status"), row.get("location"));
            (row.get("key_hash"), Stored { status, location, body: row.get("body") })
        })
        .collect();
    let deeds = evidence.ledger.deeds();
    deeds.iter().filter_map(|deed| difference(deed, &stored)).collect()
}

fn difference(deed: &Deed, stored: &HashMap<Vec<u8>, Stored>) -> Option<String> {
    let answer = deed.yes.as_ref()?;
    let what = format!("{} {}", deed.path, deed.key);
    match stored.get(Sha256::digest(deed.key.as_bytes()).as_slice()) {
        None => Some(format!("{what} was answered and forgotten")),
        Some(stored) if differs(answer, stored) => {
            Some(format!("{what} is stored otherwise than it was answered"))
        }
        Some(_) => None,
    }
}

fn differs(answer: &Answer, stored: &Stored) -> bool {
    i64::from(answer.status) != stored.status
        || answer.headers.get("location") != Some(&stored.location)
        || answer.body != stored.body
}

/// Requests that were refused, and done under their key nevertheless: an earlier try without an
/// answer came after a later one that was refused.
pub(crate) async fn refused_yet_done(evidence: &Evidence<'_>) -> usize {
    let rows = evidence.rows.all("SELECT key_hash FROM idempotency_key WHERE status = 202").await;
    let stored: std::collections::HashSet<Vec<u8>> = rows.iter().map(|row| row.get(0)).collect();
    let deeds = evidence.ledger.deeds();
    let refused = deeds.iter().filter(|deed| deed.yes.is_none() && deed.no.is_some());
    let done = |deed: &&Deed| stored.contains(Sha256::digest(deed.key.as_bytes()).as_slice());
    refused.filter(done).count()
}

pub(super) const PLANTS: &[Plant] = &[
    Plant::Rows("UPDATE idempotency_key SET body = body || '\\x20'::bytea"),
    Plant::Rows("UPDATE idempotency_key SET status = 201"),
    Plant::Rows("UPDATE idempotency_key SET location = location || '0'"),
    Plant::Rows("DELETE FROM idempotency_key"),
];
