//! Wrapping a region's data keys anew after its key was rotated: one traveller at a time, while
//! they book. Ended at any line, it goes on where it was: what is wrapped anew is not touched
//! again.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::seal::RegionKey;
use crate::clock::Deadline;
use crate::domain::evidence::{Entry, Happening};
use crate::store::{Error, Store};

/// Longest that one traveller may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What it came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rewrapped {
    /// Data keys that were wrapped anew.
    pub rewrapped: u64,
    /// Those that were already.
    pub present: u64,
    /// Those that none of the region's keys opens. Until this is 0 no old key may be destroyed.
    pub failed: u64,
}

/// Wraps every data key of a region anew under its present key.
pub async fn rewrap(store: &Store, key: &RegionKey) -> Result<Rewrapped, Error> {
    let (home, mut done, mut after) = (key.region(), Rewrapped::default(), Uuid::nil());
    loop {
        let page = store.fresh().travellers_after(home, after).await?;
        let Some((last, _)) = page.last() else { break };
        after = last.uuid();
        for (traveller, _) in page {
            let Some(account) = store.fresh().account_get(traveller).await? else { continue };
            if account.data_key.is_empty() {
                continue;
            }
            let Ok(anew) = key.rewrap(traveller.uuid(), &account.data_key) else {
                done.failed += 1;
                continue;
            };
            let Some(anew) = anew else {
                done.present += 1;
                continue;
            };
            let wrapped = store.transact("data_key_rewrap", Deadline::after(PATIENCE), |tx| {
                let (old, anew) = (account.data_key.clone(), anew.clone());
                async move { tx.data_key_rewrap(traveller, &old, &anew).await }
            });
            // Whoever was erased or moved meanwhile has another key, or none.
            done.rewrapped += u64::from(wrapped.await?);
        }
    }
    let body =
        json!({ "rewrapped": done.rewrapped, "present": done.present, "failed": done.failed });
    let entry = Entry::new(Happening::KeysRotated, body);
    let noted = store.transact("rotation_note", Deadline::after(PATIENCE), |tx| {
        let entry = entry.clone();
        async move { tx.evidence(home, &entry).await }
    });
    noted.await?;
    Ok(done)
}
