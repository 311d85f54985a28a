//! Being forgotten, Art. 17 GDPR: shown, confirmed, carried out.
//!
//! Asking shows what would go and what a law keeps, and gives a token that shows the receipt when
//! there is no account any more. Confirming closes the account in one transaction: nothing opens
//! it, finds it or tells anybody of it. Carrying out waits until no order under way needs the names
//! in it, then destroys the data key; from then on nothing that was sealed opens again, in no copy
//! and no backup. What was paid stays for the books, and each order forgets the rest of itself
//! as soon as its journey is over (`orders/saga`).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use meridian_regions::RegionId;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::journal::{Journal, JournalError};
use super::{By, PATIENCE, Refusal, Rights};
use crate::clock::Deadline;
use crate::domain::evidence::{Entry, Happening};
use crate::domain::ids::{RequestId, TravellerId};
use crate::domain::privacy::{RequestKind, RequestState};
use crate::privacy::keys::DirectoryKey;
use crate::store::privacy::{NewRequest, RequestRow};
use crate::store::subject::Link;
use crate::store::{Abort, Error, Store, Tx, datamap};

/// How long a backup is kept: after it, no copy of an erased traveller's rows is left.
pub const BACKUPS_KEPT_DAYS: i64 = 35;
/// Random bytes of a receipt's token.
const TOKEN_BYTES: usize = 32;
/// Tables whose rows stay because a law wants the books, and what says so.
const FOR_THE_BOOKS: &str = "Art. 17(3)(b) GDPR: the books must be kept";
/// What stays to show that the law was kept.
const TO_SHOW_IT: &str = "Art. 17(3)(e) and 5(2) GDPR: showing that this was done";

/// Shows the receipt of one erasure; whoever has it needs no account.
#[derive(Clone)]
pub struct ReceiptToken(String);

impl ReceiptToken {
    /// A new token, which names its home as every token does.
    fn new(home: RegionId) -> Self {
        let mut bytes = [0_u8; TOKEN_BYTES];
        getrandom::fill(&mut bytes).expect("the system gives randomness");
        Self(format!("mrc_{}_{}", home.id_tag, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// As it is given out, once.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// What is stored of a receipt's token. It is random, so a plain hash is enough.
fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// An erasure that was asked for and not yet confirmed.
pub struct AskedErasure {
    /// The request; its receipt says what would go.
    pub request: RequestRow,
    /// Shows the receipt later.
    pub token: ReceiptToken,
}

/// Rows by table, of every personal table.
async fn counts(tx: &Tx, traveller: TravellerId) -> Result<Vec<(&'static str, i64)>, Error> {
    let mut counts = Vec::new();
    for (name, table) in datamap::tables() {
        if let Some(link) = Link::of(name, table) {
            let rows = tx.subject_count(name, link, traveller).await?;
            counts.push((name.as_str(), rows));
        }
    }
    Ok(counts)
}

/// What a law keeps of a table, and which; `None` when all of its rows go.
fn kept(table: &str) -> Option<&'static str> {
    match table {
        "orders" | "order_event" | "order_payment" | "order_quote" | "seat_hold" => {
            Some(FOR_THE_BOOKS)
        }
        "traveller" | "consent" | "privacy_request" | "home_move" => Some(TO_SHOW_IT),
        _ => None,
    }
}

/// What would go, before anything does.
fn preview(before: &[(&str, i64)]) -> Value {
    let tables: Vec<Value> = before
        .iter()
        .map(|(table, rows)| json!({ "table": table, "before": rows, "kept": kept(table) }))
        .collect();
    json!({ "tables": tables })
}

/// What went, what stays, why and for how long.
fn receipt(before: Option<&Value>, after: &[(&'static str, i64)], backups_end: &str) -> Value {
    let earlier = |table: &str| -> Value {
        let tables = before.and_then(|it| it["tables"].as_array());
        let found = tables.and_then(|all| all.iter().find(|it| it["table"] == table));
        found.map_or(Value::Null, |it| it["before"].clone())
    };
    let tables: Vec<Value> = after
        .iter()
        .map(|(table, rows)| json!({ "table": table, "before": earlier(table), "after": rows }))
        .collect();
    let exceptions: Vec<Value> = after
        .iter()
        .filter(|(_, rows)| *rows > 0)
        .map(|(table, rows)| {
            let until = datamap::tables().get(*table).map(|it| it.retention.as_str());
            json!({
                "table": table, "rows": rows, "until": until,
                "basis": kept(table).unwrap_or("leaves by itself: ids only, on their way out"),
            })
        })
        .collect();
    json!({
        "tables": tables,
        "exceptions": exceptions,
        "stores": [
            { "store": "login directory", "after": 0 },
            { "store": "sealed values", "after": 0, "how": "the data key was destroyed" },
            { "store": "caches and search index", "after": 0, "how": "hold nothing personal" },
            { "store": "logs, traces, metrics", "after": 0, "how": "hold nothing personal" },
            { "store": "event stream", "how": "holds ids that lead to nobody any more" },
            { "store": "backups", "gone_by": backups_end,
              "how": "a restored one is told whom to forget again" },
        ],
    })
}

impl Rights {
    /// Asks to be forgotten: what would go, what stays, and the receipt's token. Nothing goes yet.
    pub async fn ask_erasure(
        &self,
        traveller: TravellerId,
        by: By,
    ) -> Result<AskedErasure, Refusal> {
        let token = ReceiptToken::new(self.home);
        let new = NewRequest {
            receipt_hash: Some(hash(token.text())),
            ..self.new_request(traveller, RequestKind::Erasure, RequestState::Asked, by)
        };
        let asked = self.store.tx("erasure_ask", Deadline::after(PATIENCE), |tx| {
            let new = new.clone();
            async move {
                let account = tx.account_hold(traveller).await?;
                if account.is_none_or(|it| it.closed_at.is_some()) {
                    return Err(Abort::Refused(Refusal::NotFound));
                }
                tx.requests_drop_asked(traveller).await?;
                let receipt = Some(preview(&counts(&tx, traveller).await?));
                tx.request_put(&NewRequest { receipt, ..new.clone() }).await?;
                let requests = tx.request_list(traveller).await?;
                let found = requests.into_iter().find(|it| it.id == new.id);
                found.ok_or(Abort::Refused(Refusal::NotFound))
            }
        });
        Ok(AskedErasure { request: asked.await?, token })
    }

    /// Confirms it: the account is closed, and what remains is done by a worker.
    pub async fn confirm_erasure(
        &self,
        traveller: TravellerId,
        id: RequestId,
        token: &str,
    ) -> Result<RequestRow, Refusal> {
        let by_token = self.store.fresh().request_by_receipt(self.home, &hash(token)).await?;
        if by_token.is_none_or(|it| it.id != id || it.traveller != traveller) {
            return Err(Refusal::NotFound);
        }
        let body = json!({ "request": id.to_string() });
        let entry = self.entry(traveller, Happening::ErasureAsked, body).await?;
        let home = self.home;
        let confirmed = self.store.tx("erasure_confirm", Deadline::after(PATIENCE), |tx| {
            let entry = entry.clone();
            async move {
                let account = tx.account_hold(traveller).await?;
                let account = account.ok_or(Abort::Refused(Refusal::NotFound))?;
                let requests = tx.request_list(traveller).await?;
                let asked = requests.into_iter().find(|it| it.id == id);
                let asked = asked.ok_or(Abort::Refused(Refusal::NotFound))?;
                // A second run finds what the first has done.
                if asked.state != RequestState::Asked {
                    return Ok(asked);
                }
                tx.request_settle(id, RequestState::Open, asked.receipt.as_ref()).await?;
                tx.evidence(home, &entry).await?;
                tx.traveller_close(traveller, &account.subject_hash).await?;
                Ok(RequestRow { state: RequestState::Open, ..asked })
            }
        });
        Ok(confirmed.await?)
    }

    /// What became of the erasure whose receipt a token shows.
    pub async fn receipt(&self, token: &str) -> Result<RequestRow, Refusal> {
        let found = self.store.fresh().request_by_receipt(self.home, &hash(token)).await?;
        found.ok_or(Refusal::NotFound)
    }

    /// Carries out an erasure, unless an order under way still needs its names.
    pub(super) async fn erase(&self, request: &RequestRow) -> Result<RequestState, Refusal> {
        let traveller = request.traveller;
        let Some(account) = self.store.fresh().account_get(traveller).await? else {
            return Ok(RequestState::Done);
        };
        if !self.may_forget(request).await? {
            return Ok(RequestState::Waiting);
        }
        let tombstone = self.keys.directory.tombstone(traveller);
        // First beside the database: a backup that is restored in between is told, too.
        if let Some(journal) = &self.journal {
            journal.write(&tombstone).await?;
        }
        let subject = match account.data_key.is_empty() {
            true => None,
            false => Some(self.data_key(traveller, &account)?.subject()),
        };
        let entry = Entry {
            id: Uuid::new_v4(),
            happening: Happening::Erased,
            subject,
            body: json!({ "request": request.id.to_string() }),
        };
        let backups_end = self.backups_end();
        let (id, home) = (request.id, self.home);
        let erased = self.store.tx("erasure_finish", Deadline::after(PATIENCE), |tx| {
            let (entry, tombstone) = (entry.clone(), tombstone.clone());
            let (before, backups_end) = (request.receipt.clone(), backups_end.clone());
            let subject_hash = account.subject_hash.clone();
            async move {
                tx.account_hold(traveller).await?;
                if tx.orders_unfinished(traveller).await? > 0 {
                    return Ok(RequestState::Waiting);
                }
                tx.traveller_shred(traveller, &subject_hash, &tombstone).await?;
                let after = counts(&tx, traveller).await?;
                let receipt = receipt(before.as_ref(), &after, &backups_end);
                if tx.request_settle(id, RequestState::Done, Some(&receipt)).await? {
                    let body = json!({ "request": id.to_string(), "tables": receipt["tables"] });
                    tx.evidence(home, &Entry { body, ..entry }).await?;
                }
                Ok::<_, Abort<Refusal>>(RequestState::Done)
            }
        });
        Ok(erased.await?)
    }

    /// Whether no order needs the names in it; if one does, the request waits.
    async fn may_forget(&self, request: &RequestRow) -> Result<bool, Refusal> {
        let looked = self.store.transact("erasure_look", Deadline::after(PATIENCE), |tx| {
            let request = request.clone();
            async move {
                let ready = tx.orders_unfinished(request.traveller).await? == 0;
                if !ready && request.state != RequestState::Waiting {
                    let (state, receipt) = (RequestState::Waiting, request.receipt.as_ref());
                    tx.request_settle(request.id, state, receipt).await?;
                }
                Ok(ready)
            }
        });
        Ok(looked.await?)
    }

    /// The day on which the last backup is gone that knows somebody who is erased now.
    fn backups_end(&self) -> String {
        let today = self.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let days = jiff::Span::new().days(BACKUPS_KEPT_DAYS);
        today.saturating_add(days).to_string()
    }
}

/// What applying a journal again came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Reapplied {
    /// Erasures in the journal.
    pub known: usize,
    /// Travellers that a backup had brought back, and who are erased again.
    pub erased: usize,
}

/// Whoever cannot start with a database that remembers too much.
#[derive(Debug, thiserror::Error)]
pub enum ReapplyError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The database.
    #[error(transparent)]
    Store(#[from] Error),
}

/// How many erasures of a journal a database knows nothing of; those under way do not count.
pub async fn forgotten(
    store: &Store,
    keys: &DirectoryKey,
    regions: &[RegionId],
    dir: &std::path::Path,
) -> Result<usize, ReapplyError> {
    let known = store.fresh().tombstones().await?;
    let mut missing = Journal::read(dir)?;
    missing.retain(|it| known.binary_search(it).is_err());
    if missing.is_empty() {
        return Ok(0);
    }
    // Whoever died between the journal and the transaction goes on with it.
    for (traveller, closed) in everybody(store, regions).await? {
        if closed {
            let tombstone = keys.tombstone(traveller);
            missing.retain(|it| *it != tombstone);
        }
    }
    Ok(missing.len())
}

/// Erases again whom a restored backup brought back, before anybody opens it.
pub async fn reapply(
    store: &Store,
    keys: &DirectoryKey,
    regions: &[RegionId],
    dir: &std::path::Path,
) -> Result<Reapplied, ReapplyError> {
    let tombstones = Journal::read(dir)?;
    let mut found = Reapplied { known: tombstones.len(), erased: 0 };
    for (traveller, _) in everybody(store, regions).await? {
        let tombstone = keys.tombstone(traveller);
        if tombstones.binary_search(&tombstone).is_err() {
            continue;
        }
        let entry = Entry::new(Happening::ErasedAgain, json!({}));
        let erase = store.transact("erasure_repeat", Deadline::after(PATIENCE), |tx| {
            let (entry, tombstone) = (entry.clone(), tombstone.clone());
            async move {
                let Some(account) = tx.account_hold(traveller).await? else { return Ok(()) };
                tx.traveller_shred(traveller, &account.subject_hash, &tombstone).await?;
                tx.evidence(traveller.home(), &entry).await
            }
        });
        erase.await?;
        found.erased += 1;
    }
    // Also of whom the backup never knew: the next look at the journal must not miss them.
    for tombstone in tombstones {
        let put = store.transact("tombstone_put", Deadline::after(PATIENCE), |tx| {
            let tombstone = tombstone.clone();
            async move { tx.tombstone_put(&tombstone).await }
        });
        put.await?;
    }
    Ok(found)
}

/// Every account that holds anything, and whether it is closed.
async fn everybody(store: &Store, regions: &[RegionId]) -> Result<Vec<(TravellerId, bool)>, Error> {
    let mut found = Vec::new();
    for region in regions.iter().copied() {
        let mut after = Uuid::nil();
        loop {
            let page = store.fresh().travellers_after(region, after).await?;
            let Some((last, _)) = page.last() else { break };
            after = last.uuid();
            found.extend(page);
        }
    }
    Ok(found)
}
