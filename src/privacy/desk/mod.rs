//! What people of the house may look at, by their role and in their region only: where rows are,
//! what was asked under the law, one traveller's rows without what is in them, and a bundle of all
//! that. Every look at a person, and every look that was refused, is written into the evidence.

pub mod view;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use meridian_evidence::bundle;
use meridian_evidence::signing::Signer;
use meridian_regions::{RegionId, Registry};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::audit::report::{ReportError, Wanted};
use super::audit::traveller::{self, Shown};
use super::audit::{self, report};
use crate::clock::Deadline;
use crate::domain::evidence::{Entry, Happening};
use crate::domain::ids::TravellerId;
use crate::domain::staff::Role;
use crate::store::locality::VerdictRow;
use crate::store::privacy::RequestRow;
use crate::store::staff::Grant;
use crate::store::{Error, Store};

/// Longest that a transaction may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Longest words for a duty.
const LABEL_CHARS_MAX: usize = 100;
/// Days of changes and transfers in a bundle that is fetched.
const WINDOW_DAYS: i64 = 30;

/// What people of the house look at in one region.
#[derive(Clone)]
pub struct Desk {
    /// The database.
    pub store: Store,
    /// The region.
    pub home: RegionId,
    /// All regions.
    pub registry: Registry,
    /// Signs bundles.
    pub signer: Signer,
}

/// Why somebody of the house sees nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The token opens nothing here.
    #[error("no open grant")]
    Unknown,
    /// Another role may.
    #[error("this needs the role {0}")]
    OtherRole(&'static str),
    /// At home in another region, whose own people may look.
    #[error("at home in {0}, whose own people may look")]
    OtherRegion(RegionId),
    /// There is no such traveller.
    #[error("there is no such traveller")]
    NotFound,
    /// Words for a duty that are none.
    #[error("say the duty in 1 to {LABEL_CHARS_MAX} plain characters, without a name")]
    Label,
    /// The bundle could not be made.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// What is stored of a token. It is random, so a plain hash is enough.
fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

impl Desk {
    /// Lets somebody look, for some days; the token is shown once.
    pub async fn grant(
        &self,
        role: Role,
        label: &str,
        days: u32,
    ) -> Result<(Uuid, String), Refusal> {
        let plain = !label.trim().is_empty() && !label.chars().any(char::is_control);
        if !plain || label.chars().count() > LABEL_CHARS_MAX || label.contains('@') {
            return Err(Refusal::Label);
        }
        let mut bytes = [0_u8; TOKEN_BYTES];
        getrandom::fill(&mut bytes).expect("the system gives randomness");
        let token = format!("msf_{}_{}", self.home.id_tag, URL_SAFE_NO_PAD.encode(bytes));
        let (id, home, seconds) = (Uuid::new_v4(), self.home, i64::from(days) * 24 * 60 * 60);
        let body = json!({ "grant": id.to_string(), "role": role.name(), "days": days });
        let entry = Entry::new(Happening::StaffGranted, body);
        let granted = self.store.transact("grant_put", Deadline::after(PATIENCE), |tx| {
            let (hash, label, entry) = (hash(&token), label.to_owned(), entry.clone());
            async move {
                tx.grant_put(home, &hash, (id, role, &label), seconds).await?;
                tx.evidence(home, &entry).await
            }
        });
        granted.await?;
        Ok((id, token))
    }

    /// Takes a role away; `false` when nobody had it.
    pub async fn revoke(&self, id: Uuid) -> Result<bool, Refusal> {
        let home = self.home;
        let body = json!({ "grant": id.to_string(), "days": 0 });
        let entry = Entry::new(Happening::StaffGranted, body);
        let revoked = self.store.transact("grant_delete", Deadline::after(PATIENCE), |tx| {
            let entry = entry.clone();
            async move {
                let there = tx.grant_delete(home, id).await?;
                if there {
                    tx.evidence(home, &entry).await?;
                }
                Ok(there)
            }
        });
        Ok(revoked.await?)
    }

    /// Who asks, if their role is one of those that may.
    pub async fn who(&self, token: &str, roles: &[Role]) -> Result<Grant, Refusal> {
        let grant = self.store.fresh().grant_get(self.home, &hash(token)).await?;
        let grant = grant.ok_or(Refusal::Unknown)?;
        if roles.contains(&grant.role) {
            return Ok(grant);
        }
        self.note(&grant, Happening::StaffRefused, json!({ "why": "role" })).await?;
        Err(Refusal::OtherRole(roles.first().map_or("none", |role| role.name())))
    }

    /// What the last look at the places of this region's rows found.
    pub async fn verdict(&self) -> Result<Option<VerdictRow>, Refusal> {
        Ok(self.store.fresh().verdict_last(self.home).await?)
    }

    /// What travellers of this region asked under the law, those that wait longest first.
    pub async fn requests(&self) -> Result<Vec<RequestRow>, Refusal> {
        Ok(self.store.fresh().requests_of_region(self.home).await?)
    }

    /// Where one traveller's rows are.
    pub async fn traveller(&self, grant: &Grant, text: &str) -> Result<Shown, Refusal> {
        let id = TravellerId::parse(&self.registry, text).ok_or(Refusal::NotFound)?;
        let here = TravellerId::from_parts(self.home, id.uuid());
        let regions: Vec<RegionId> = self.registry.with_rows().collect();
        // An id keeps the home that it was made in, so they are looked for here whatever it says.
        let shown = traveller::show(&self.store, &regions, here).await?;
        if let Some(shown) = shown {
            self.note(grant, Happening::StaffLooked, json!({ "at": "traveller" })).await?;
            return Ok(shown);
        }
        if id.home() == self.home {
            return Err(Refusal::NotFound);
        }
        let body = json!({ "why": "region", "region": id.home().name });
        self.note(grant, Happening::StaffRefused, body).await?;
        Err(Refusal::OtherRegion(id.home()))
    }

    /// A bundle of this region, packed.
    pub async fn bundle(&self, grant: &Grant) -> Result<Vec<u8>, Refusal> {
        let dir = Scratch::new();
        let wanted = Wanted {
            window_days: WINDOW_DAYS,
            samples: audit::SAMPLES_USUAL,
            canary: None,
            only: Some(self.home),
        };
        report::write(&self.store, self.registry, &wanted, &self.signer, &dir.0).await?;
        let path = dir.0.clone();
        let packing = move || bundle::zip(&path, Vec::new());
        let packed = tokio::task::spawn_blocking(packing).await.expect("packing does not panic");
        let packed = packed.map_err(|error| ReportError::Packing(error.to_string()))?;
        self.note(grant, Happening::StaffLooked, json!({ "at": "bundle" })).await?;
        Ok(packed)
    }

    async fn note(
        &self,
        grant: &Grant,
        happening: Happening,
        mut body: Value,
    ) -> Result<(), Refusal> {
        body["grant"] = json!(grant.id.to_string());
        body["role"] = json!(grant.role.name());
        let (entry, home) = (Entry::new(happening, body), self.home);
        let noted = self.store.transact("staff_note", Deadline::after(PATIENCE), |tx| {
            let entry = entry.clone();
            async move { tx.evidence(home, &entry).await }
        });
        Ok(noted.await?)
    }
}

/// A directory that goes when it is no longer needed.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("meridian-bundle-{}", Uuid::new_v4().simple());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
