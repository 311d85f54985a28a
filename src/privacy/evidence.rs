//! The chain of a region: what happened is linked, record by record, and signed every ten minutes.
//!
//! Transactions write what happens beside what they do and wait for nobody; one node of the region
//! at a time links it here. Until then, for about a second, whoever rules the database could take
//! it away unseen; from the next checkpoint on nobody can, since every region keeps the signed
//! checkpoints of all.

use std::time::Duration;

use meridian_evidence::chain::{Chain, Hash};
use meridian_evidence::checkpoint::Checkpoint;
use meridian_evidence::merkle;
use meridian_evidence::signing::Signer;
use meridian_regions::RegionId;
use serde_json::json;

use crate::clock::{Clock, Deadline};
use crate::store::evidence::{IntakeRow, Linked};
use crate::store::{Error, Store};

/// How old the last checkpoint may become while records wait for one.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(600);
/// Longest that a transaction may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps one region's chain.
#[derive(Clone)]
pub struct Keeper {
    /// The database.
    pub store: Store,
    /// Whose chain.
    pub home: RegionId,
    /// Signs checkpoints.
    pub signer: Signer,
    /// Says when a checkpoint was signed.
    pub clock: Clock,
    /// How old the last checkpoint may become.
    pub checkpoint_every: Duration,
}

/// A hash as the database has it.
fn hash(bytes: &[u8]) -> Result<Hash, Error> {
    let bytes = bytes.try_into().map_err(|_| Error::Unreadable("no hash of 32 bytes".into()))?;
    Ok(Hash(bytes))
}

fn count(number: i64) -> u64 {
    u64::try_from(number).expect("the database counts from 0")
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).expect("no chain is so long")
}

impl Keeper {
    /// Links a batch of what happened; how much it was.
    pub async fn link(&self) -> Result<usize, Error> {
        let home = self.home;
        self.store
            .transact("evidence_link", Deadline::after(PATIENCE), |tx| async move {
                let waiting = tx.intake_next(home).await?;
                if waiting.is_empty() {
                    return Ok(0);
                }
                let mut chain = match tx.chain_head(home).await? {
                    Some((seq, head)) => Chain::resume(count(seq) + 1, hash(&head)?),
                    None => Chain::begin(&home.name),
                };
                let linked: Vec<Linked> =
                    waiting.iter().map(|row| link(&mut chain, row)).collect::<Result<_, _>>()?;
                let ids: Vec<_> = waiting.iter().map(|row| row.id).collect();
                tx.chain_put(home, &linked, &ids).await?;
                Ok(linked.len())
            })
            .await
    }

    /// Signs how far the chain went, if there is something new and the last time is a while ago.
    pub async fn checkpoint(&self) -> Result<Option<Checkpoint>, Error> {
        let (home, every, at) = (self.home, self.checkpoint_every, self.clock.now().to_string());
        self.store
            .transact("evidence_checkpoint", Deadline::after(PATIENCE), |tx| {
                let (signer, at) = (self.signer.clone(), at.clone());
                async move {
                    let last = tx.checkpoint_last(home, every).await?;
                    if last.as_ref().is_some_and(|it| it.fresh) {
                        return Ok(None);
                    }
                    let first = last.as_ref().map_or(0, |it| it.records);
                    let records = tx.hashes_since(home, first).await?;
                    let Some((seq, head)) = records.last() else { return Ok(None) };
                    let leaves: Vec<Hash> =
                        records.iter().map(|(_, it)| hash(it)).collect::<Result<_, _>>()?;
                    let before = |envelope: &str| Hash::of(envelope.as_bytes());
                    let checkpoint = Checkpoint {
                        chain: home.name.clone(),
                        number: last.as_ref().map_or(0, |it| count(it.number) + 1),
                        first: count(first),
                        records: count(*seq) + 1,
                        root: merkle::root(&leaves),
                        head: hash(head)?,
                        previous: last.map_or(Hash::ZERO, |it| before(&it.envelope)),
                        at,
                    };
                    let envelope = checkpoint
                        .sign(&signer)
                        .map_err(|error| Error::Unreadable(error.to_string()))?;
                    let place = (signed(checkpoint.number), signed(checkpoint.records));
                    tx.checkpoint_put(home, place, &envelope.to_text()).await?;
                    Ok(Some(checkpoint))
                }
            })
            .await
    }
}

/// Links one entry. What cannot be spelt in one way only is replaced by what it hashes to: a chain
/// never stops.
fn link(chain: &mut Chain, row: &IntakeRow) -> Result<Linked, Error> {
    let (at, subject) = (row.at.to_string(), row.subject.as_deref());
    let seq = signed(chain.next);
    let linked = chain.append(&at, &row.kind, subject, row.body.clone()).or_else(|_| {
        let digest = Hash::of(row.body.to_string().as_bytes());
        chain.append(&at, &row.kind, subject, json!({ "body_sha256": digest }))
    });
    let (line, hash) = linked.map_err(|error| Error::Unreadable(error.to_string()))?;
    Ok(Linked { seq, line, hash: hash.0.to_vec(), at: row.at })
}
