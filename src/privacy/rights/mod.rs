//! What a traveller can ask under the law: a copy, being forgotten, only keeping, no profiling, and
//! what they agreed to. Asking is quick and writes down that it was asked; a worker carries out
//! what takes longer ([`export`], [`erasure`]) and may stop at any line.
//!
//! Everything is written into the evidence of the region in the same transaction, about a subject
//! that is nobody once the data key is destroyed.

pub mod erasure;
pub mod export;
pub mod journal;
pub mod link;
pub mod view;

use std::time::Duration;

use meridian_regions::{RegionId, Registry};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use self::journal::Journal;
use super::keys::Keys;
use super::seal::{Broken, DataKey};
use crate::clock::{Clock, Deadline};
use crate::domain::consent::Purpose;
use crate::domain::evidence::{Entry, Happening};
use crate::domain::ids::{RequestId, TravellerId};
use crate::domain::privacy::{RequestKind, RequestState};
use crate::store::privacy::{Account, ConsentRow, NewRequest, RequestRow};
use crate::store::{self, Abort, Store, Tx};

/// Longest that a transaction of somebody who waits may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The rights of one region's travellers.
#[derive(Clone)]
pub struct Rights {
    /// The database.
    pub store: Store,
    /// The region's keys.
    pub keys: Keys,
    /// Whose travellers.
    pub home: RegionId,
    /// All regions.
    pub registry: Registry,
    /// Tells when a link ends.
    pub clock: Clock,
    /// Where erasures are written down beside the database, so that a restored backup forgets them
    /// again.
    pub journal: Option<Journal>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The traveller.
    Traveller,
    /// Somebody of the house, for a traveller who wrote to us.
    Operator,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Traveller => "traveller",
            Self::Operator => "operator",
        }
    }
}

/// Why something was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nothing of that name, or not yours.
    #[error("there is no such request, traveller or receipt")]
    NotFound,
    /// Other words are shown today.
    #[error("version {current} of these words is shown today")]
    OtherWords {
        /// Which.
        current: i64,
    },
    /// The copy is not made yet, or its week is over.
    #[error("the copy is not there yet, or no longer")]
    NoArchive,
    /// The link was used, or its time is over.
    #[error("this link was used or is too old")]
    LinkSpent,
    /// The account is closed.
    #[error("the account is closed")]
    Closed,
    /// A seal did not open.
    #[error(transparent)]
    Sealed(#[from] Broken),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What was to be written beside the database could not be.
    #[error("{0}")]
    Journal(#[from] journal::JournalError),
}

impl From<Abort<Self>> for Refusal {
    fn from(abort: Abort<Self>) -> Self {
        match abort {
            Abort::Refused(refusal) => refusal,
            Abort::Failed(error) => error.into(),
        }
    }
}

/// Everything about one's rights, in one look.
pub struct Overview {
    /// The account.
    pub account: Account,
    /// What was agreed to and taken back, the newest first.
    pub consents: Vec<ConsentRow>,
    /// What was asked, the newest first.
    pub requests: Vec<RequestRow>,
}

/// SHA-256 of the words that somebody is shown.
pub fn text_hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

impl Rights {
    /// Everything about one traveller's rights.
    pub async fn overview(&self, traveller: TravellerId) -> Result<Overview, Refusal> {
        let reader = self.store.fresh();
        let account = reader.account_get(traveller).await?.ok_or(Refusal::NotFound)?;
        let consents = reader.consent_list(traveller).await?;
        let requests = reader.request_list(traveller).await?;
        Ok(Overview { account, consents, requests })
    }

    /// Writes down that somebody agreed, or took it back.
    pub async fn consent(
        &self,
        traveller: TravellerId,
        (purpose, version): (Purpose, i64),
        given: bool,
    ) -> Result<(), Refusal> {
        let wording = purpose.wording();
        // Taking back is possible whatever words were agreed to.
        if given && version != wording.version {
            return Err(Refusal::OtherWords { current: wording.version });
        }
        let happening = if given { Happening::ConsentGiven } else { Happening::ConsentWithdrawn };
        let body = json!({ "purpose": purpose.name(), "version": wording.version });
        let entry = self.entry(traveller, happening, body).await?;
        let (id, hash) = (Uuid::new_v4(), text_hash(wording.text));
        self.transact("consent_put", traveller, entry, move |tx| {
            let hash = hash.clone();
            async move {
                tx.consent_put(traveller, id, wording, &hash, given).await?;
                Ok(())
            }
        })
        .await
    }

    /// Restricts processing or takes that back, refuses profiling or takes that back; what is not
    /// said stays.
    pub async fn processing(
        &self,
        traveller: TravellerId,
        restricted: Option<bool>,
        profiling_refused: Option<bool>,
        by: By,
    ) -> Result<(), Refusal> {
        if let Some(on) = restricted {
            let kinds = [Happening::RestrictionLifted, Happening::Restricted];
            let happening = kinds[usize::from(on)];
            let change = (Some(on), None);
            self.set(traveller, RequestKind::Restriction, happening, change, by).await?;
        }
        if let Some(on) = profiling_refused {
            let kinds = [Happening::ProfilingAllowed, Happening::ProfilingRefused];
            let happening = kinds[usize::from(on)];
            let change = (None, Some(on));
            self.set(traveller, RequestKind::Objection, happening, change, by).await?;
        }
        Ok(())
    }

    async fn set(
        &self,
        traveller: TravellerId,
        kind: RequestKind,
        happening: Happening,
        (restricted, refused): (Option<bool>, Option<bool>),
        by: By,
    ) -> Result<(), Refusal> {
        let done = self.new_request(traveller, kind, RequestState::Done, by);
        let entry = self.entry(traveller, happening, json!({ "by": by.name() })).await?;
        self.transact("processing_set", traveller, entry, move |tx| {
            let done = done.clone();
            async move {
                if !tx.processing_set(traveller, restricted, refused).await? {
                    return Err(Abort::Refused(Refusal::Closed));
                }
                tx.request_put(&done).await?;
                Ok(())
            }
        })
        .await
    }

    /// Asks for a copy; the one that is being made, if there is one.
    pub async fn ask_export(&self, traveller: TravellerId, by: By) -> Result<RequestRow, Refusal> {
        let new = self.new_request(traveller, RequestKind::Export, RequestState::Open, by);
        let body = json!({ "by": by.name(), "request": new.id.to_string() });
        let entry = self.entry(traveller, Happening::ExportAsked, body).await?;
        let home = self.home;
        self.store
            .tx("export_ask", Deadline::after(PATIENCE), |tx| {
                let (new, entry) = (new.clone(), entry.clone());
                async move {
                    if tx.request_put(&new).await? {
                        tx.evidence(home, &entry).await?;
                    }
                    let requests = tx.request_list(traveller).await?;
                    let open = |it: &RequestRow| {
                        it.kind == RequestKind::Export && it.state == RequestState::Open
                    };
                    // A second run may find its own request done already.
                    let found = requests.iter().find(|it| open(it) || it.id == new.id);
                    found.cloned().ok_or(Abort::Refused(Refusal::NotFound))
                }
            })
            .await
            .map_err(Refusal::from)
    }

    /// One thing that a traveller asked.
    pub async fn request(
        &self,
        traveller: TravellerId,
        id: RequestId,
        kind: RequestKind,
    ) -> Result<RequestRow, Refusal> {
        let found = self.store.fresh().request_get(traveller, id).await?;
        found.filter(|it| it.kind == kind).ok_or(Refusal::NotFound)
    }

    /// Carries out what is open, the oldest first; how much was done.
    pub async fn carry_out(&self) -> Result<usize, Refusal> {
        let mut done = 0;
        for request in self.store.fresh().requests_to_do(self.home).await? {
            let state = match request.kind {
                RequestKind::Export => self.make_copy(&request).await?,
                RequestKind::Erasure => self.erase(&request).await?,
                // What is done at once is never open.
                RequestKind::Rectification | RequestKind::Restriction | RequestKind::Objection => {
                    continue;
                }
            };
            done += usize::from(state == RequestState::Done);
        }
        Ok(done)
    }

    /// A transaction about one account that writes its own evidence.
    async fn transact<F, Fut>(
        &self,
        name: &'static str,
        traveller: TravellerId,
        entry: Entry,
        body: F,
    ) -> Result<(), Refusal>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<(), Abort<Refusal>>>,
    {
        let home = traveller.home();
        let wrote = self.store.tx(name, Deadline::after(PATIENCE), |tx| {
            let (entry, body) = (entry.clone(), &body);
            async move {
                tx.evidence(home, &entry).await?;
                body(tx).await
            }
        });
        Ok(wrote.await?)
    }

    fn new_request(
        &self,
        traveller: TravellerId,
        kind: RequestKind,
        state: RequestState,
        by: By,
    ) -> NewRequest {
        let (id, asked_by) = (RequestId::new(traveller.home()), by.name());
        NewRequest { id, traveller, kind, state, asked_by, receipt_hash: None, receipt: None }
    }

    /// What is written into the evidence about somebody.
    async fn entry(
        &self,
        traveller: TravellerId,
        happening: Happening,
        body: Value,
    ) -> Result<Entry, Refusal> {
        let account = self.store.fresh().account_get(traveller).await?;
        let account = account.ok_or(Refusal::NotFound)?;
        if account.closed_at.is_some() {
            return Err(Refusal::Closed);
        }
        Ok(Entry::about(happening, &self.data_key(traveller, &account)?.subject(), body))
    }

    fn data_key(&self, traveller: TravellerId, account: &Account) -> Result<DataKey, Broken> {
        self.keys.region.unwrap_data_key(traveller.uuid(), &account.data_key)
    }
}
