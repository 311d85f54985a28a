//! The chains of evidence as they lie in the database: every record against the one before it,
//! every checkpoint against the records that it signs, and how long anything has been waiting.

use std::collections::BTreeMap;

use meridian_evidence::chain::{Chain, Hash};
use meridian_regions::RegionId;

use super::controls::{CHAINS, FRESHNESS, Violation};
use crate::store::{Error, Store};

/// How old a checkpoint may be while something waits for one.
const SIGNED_WITHIN_SECONDS: i64 = 3600;

/// Every chain of evidence, from its begin, against its signed checkpoints' hashes.
pub async fn hold(store: &Store) -> Result<Vec<Violation>, Error> {
    let mut found = Vec::new();
    for name in store.fresh().chains().await? {
        let mut chain = Chain::begin(&name);
        let mut wrong = None;
        let mut heads = BTreeMap::new();
        loop {
            let next = i64::try_from(chain.next).unwrap_or(i64::MAX);
            let page = store.fresh().records_page(&name, next).await?;
            let Some((last, _)) = page.last() else { break };
            let last = *last;
            for (seq, line) in page {
                if wrong.is_none()
                    && let Err(fault) = chain.check(&line)
                {
                    wrong = Some((seq, fault.to_string()));
                }
                heads.insert(chain.next, chain.head);
            }
            if wrong.is_some() || i64::try_from(chain.next).is_ok_and(|it| it <= last) {
                break;
            }
        }
        if let Some((seq, why)) = wrong {
            let what = format!("record {seq}");
            found.push(Violation::new(CHAINS, "evidence", &name, &what, why));
        }
        found.extend(checkpoints(store, &name, &heads).await?);
    }
    Ok(found)
}

/// Signed checkpoints against the heads that the chain really had; whoever has the public key holds
/// their signatures against it, too.
async fn checkpoints(
    store: &Store,
    chain: &str,
    heads: &BTreeMap<u64, Hash>,
) -> Result<Vec<Violation>, Error> {
    let mut found = Vec::new();
    let mut due = 0;
    for (signed, _) in store.fresh().checkpoints(chain).await? {
        let what = format!("checkpoint {}", signed.number);
        let records = u64::try_from(signed.records).unwrap_or(0);
        let head = heads.get(&records).map(ToString::to_string);
        let told = super::report::head_of(&signed.envelope);
        if signed.number != due {
            let why = format!("checkpoint {due} is missing before it");
            found.push(Violation::new(CHAINS, "evidence_checkpoint", chain, &what, why));
        }
        if head.is_none() || head != told {
            let why = "the records that it signs are not those that are there";
            found.push(Violation::new(CHAINS, "evidence_checkpoint", chain, &what, why));
        }
        due = signed.number + 1;
    }
    Ok(found)
}

/// Whether what happened in a region is linked, and signed not long ago.
pub async fn freshness(store: &Store, region: RegionId) -> Result<Vec<Violation>, Error> {
    let (waiting, unsigned) = store.fresh().evidence_age(region).await?;
    let mut found = Vec::new();
    if waiting > SIGNED_WITHIN_SECONDS / 12 {
        let why = format!("what happened {waiting} s ago is not linked");
        found.push(Violation::new(FRESHNESS, "evidence_intake", &region.locality, "oldest", why));
    }
    if unsigned > SIGNED_WITHIN_SECONDS {
        let why = format!("a record of {unsigned} s ago is not signed");
        found.push(Violation::new(FRESHNESS, "evidence", &region.locality, "oldest", why));
    }
    Ok(found)
}
