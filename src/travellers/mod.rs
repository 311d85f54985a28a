//! Accounts: sign-up, log-in, log-out, who asks, putting an account right, and moving it from one
//! home to another.

pub mod moving;
pub mod rectifying;

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use meridian_regions::{Country, Home, RegionId, Registry};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::clock::Deadline;
use crate::domain::evidence::{Entry, Happening};
use crate::domain::ids::TravellerId;
use crate::domain::traveller::{Email, Password, Subject};
use crate::privacy::keys::Keys;
use crate::privacy::seal::{DataKey, Place};
use crate::store::travellers::{NewTraveller, Session};
use crate::store::{self, Abort, Store, uncut};

/// How long a session lasts whatever happens.
const SESSION_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Password hashes at once: each takes 19 MiB and a core (OWASP's argon2id parameters).
const HASHES_MAX: usize = 2;
/// Requests that may wait for their hash; more are told to come back.
const HASHES_WAITING_MAX: usize = 64;
/// Longest that an account's transaction may take: it writes a GLOBAL table once.
const PATIENCE: Duration = Duration::from_secs(5);
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// What is verified when there is no account, so that its absence takes as long as its presence.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                      Xm8CmFKRKUZL4Qd9vEYdQmHYQfsFQ6WGZKCO1Y8Jm1k";

/// Accounts of one region.
#[derive(Clone)]
pub struct Travellers {
    store: Store,
    keys: Keys,
    home: RegionId,
    registry: Registry,
    hashing: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// What becomes of a log-in, a sign-up or a token.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Another region is home to residents of this country.
    #[error("residents of this country are at home in another region")]
    NotHere(RegionId),
    /// No region may home residents of this country.
    #[error("{0}")]
    Nowhere(&'static str),
    /// The address has an account.
    #[error("this address has an account already")]
    Taken,
    /// Wrong address or password; which of them is not said.
    #[error("no account has this address and password")]
    Wrong,
    /// The account is closed.
    #[error("the account is closed")]
    Closed,
    /// The data would have to move, and the keys for that are not here.
    #[error("this region cannot hand travellers over to {0}")]
    NoWay(RegionId),
    /// Too many passwords are waiting to be hashed.
    #[error("too many log-ins at once")]
    Busy,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A seal did not open.
    #[error(transparent)]
    Sealed(#[from] crate::privacy::seal::Broken),
}

/// A new session; the token is shown once.
pub struct Opened {
    /// Whose.
    pub traveller: TravellerId,
    /// The bearer token.
    pub token: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Travellers {
    /// Accounts at home in a region.
    pub fn new(store: Store, keys: Keys, home: RegionId, registry: Registry) -> Self {
        let hashing = Arc::new(Semaphore::new(HASHES_MAX));
        let waiting = Arc::new(Semaphore::new(HASHES_WAITING_MAX));
        Self { store, keys, home, registry, hashing, waiting }
    }

    /// Opens an account and a session on it.
    pub async fn sign_up(
        &self,
        email: Email,
        password: Password,
        residence: Country,
    ) -> Result<Opened, Refusal> {
        match self.registry.home_of(residence) {
            Home::Region(home) if home == self.home => {}
            Home::Region(home) => return Err(Refusal::NotHere(home)),
            Home::Nowhere(reason) => return Err(Refusal::Nowhere(reason)),
        }
        let id = TravellerId::new(self.home);
        let (data_key, wrapped) = self.keys.region.make_data_key(id.uuid());
        let new = NewTraveller {
            id,
            residence,
            subject_hash: self.keys.directory.hash(&email.subject()),
            email: data_key.seal(email_place(id), email.expose()),
            password_hash: self.hash(password).await?,
            data_key: wrapped,
        };
        let entry = Entry::about(Happening::AccountOpened, &data_key.subject(), json!({}));
        let token = new_token(self.home);
        let token_hash = hash_token(&token);
        let (home, store) = (self.home, self.store.clone());
        let writing = async move {
            store
                .tx("traveller_sign_up", Deadline::after(PATIENCE), |tx| {
                    let (new, token_hash) = (new.clone(), token_hash.clone());
                    let entry = entry.clone();
                    async move {
                        if tx.directory_insert(&new.subject_hash, home).await? {
                            tx.traveller_insert(&new).await?;
                            tx.evidence(home, &entry).await?;
                        } else if !tx.traveller_exists(new.id).await? {
                            return Err(Abort::Refused(Refusal::Taken));
                        }
                        Ok(tx.session_insert(new.id, &token_hash, life_seconds()).await?)
                    }
                })
                .await
        };
        let outcome = uncut(writing).await;
        let expires_at = outcome.map_err(|abort| match abort {
            Abort::Refused(refusal) => refusal,
            Abort::Failed(error) => error.into(),
        })?;
        Ok(Opened { traveller: id, token, expires_at })
    }

    /// Opens a session.
    pub async fn log_in(&self, email: Email, password: Password) -> Result<Opened, Refusal> {
        let hash = self.keys.directory.hash(&email.subject());
        let account = self.store.fresh().traveller_by_subject(self.home, &hash).await?;
        let known = account.as_ref().map_or(NOBODY, |it| it.password_hash.as_str()).to_owned();
        let right = self.verify(password, known).await?;
        let Some(account) = account.filter(|_| right) else {
            return Err(Refusal::Wrong);
        };
        let traveller = account.traveller;
        let key = self.keys.region.unwrap_data_key(traveller.uuid(), &account.data_key)?;
        let entry = Entry::about(Happening::SessionOpened, &key.subject(), json!({}));
        let home = self.home;
        let token = new_token(self.home);
        let token_hash = hash_token(&token);
        let store = self.store.clone();
        let writing = async move {
            store
                .transact("session_open", Deadline::after(PATIENCE), |tx| {
                    let (token_hash, entry) = (token_hash.clone(), entry.clone());
                    async move {
                        tx.evidence(home, &entry).await?;
                        tx.session_insert(traveller, &token_hash, life_seconds()).await
                    }
                })
                .await
        };
        let expires_at = uncut(writing).await?;
        Ok(Opened { traveller, token, expires_at })
    }

    /// Ends a session; `false` when there was none here.
    pub async fn log_out(&self, token: &str) -> Result<bool, Refusal> {
        let token_hash = hash_token(token);
        let home = self.home;
        let ended = self
            .store
            .transact("session_close", Deadline::after(PATIENCE), |tx| {
                let token_hash = token_hash.clone();
                async move { tx.session_delete(home, &token_hash).await }
            })
            .await;
        Ok(ended?)
    }

    /// Who asks, or `None` when the token opens nothing.
    pub async fn session(&self, token: &str) -> Result<Option<Session>, store::Error> {
        self.store.fresh().session_get(self.home, &hash_token(token)).await
    }

    /// Where the session is that a token opened, when it moved with its traveller; `None` when it
    /// is where the token says, or nowhere.
    pub async fn moved_to(&self, token: &str) -> Result<Option<RegionId>, store::Error> {
        let home = self.store.fresh().moved_session(&hash_token(token)).await?;
        Ok(home.and_then(|locality| self.registry.by_locality(&locality)))
    }

    /// The key to one's own data.
    pub fn data_key(&self, session: &Session) -> Result<DataKey, Refusal> {
        Ok(self.keys.region.unwrap_data_key(session.traveller.uuid(), &session.data_key)?)
    }

    /// Whether this is the account's password; it is asked for again before what cannot be undone.
    pub async fn confirm_password(
        &self,
        traveller: TravellerId,
        password: Password,
    ) -> Result<(), Refusal> {
        let account = self.store.fresh().account_get(traveller).await?.ok_or(Refusal::Wrong)?;
        let right = self.verify(password, account.password_hash).await?;
        if right { Ok(()) } else { Err(Refusal::Wrong) }
    }

    /// Where an address logs in; `None` when nobody has it.
    pub async fn home_of(&self, subject: &Subject) -> Result<Option<RegionId>, store::Error> {
        let home = self.store.fresh().directory_home(&self.keys.directory.hash(subject)).await?;
        Ok(home.and_then(|locality| self.registry.by_locality(&locality)))
    }

    async fn hash(&self, password: Password) -> Result<String, Refusal> {
        self.in_turn(move || {
            let hash = Argon2::default().hash_password(password.expose().as_bytes());
            hash.expect("argon2 takes any password of our length").to_string()
        })
        .await
    }

    async fn verify(&self, password: Password, hash: String) -> Result<bool, Refusal> {
        self.in_turn(move || {
            PasswordHash::new(&hash).is_ok_and(|hash| {
                Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok()
            })
        })
        .await
    }

    /// Hashing takes cores and memory: a few at once, a few more in line, and the line moves on
    /// when somebody hangs up, since this runs on their own request.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let _place = self.waiting.try_acquire().map_err(|_| Refusal::Busy)?;
        let _permit = self.hashing.acquire().await.expect("the semaphore is never closed");
        Ok(tokio::task::spawn_blocking(work).await.expect("hashing does not panic"))
    }
}

fn life_seconds() -> i64 {
    i64::try_from(SESSION_LIFE.as_secs()).expect("a day")
}

fn email_place(id: TravellerId) -> Place {
    Place { table: "traveller", column: "email", row: id.uuid() }
}

/// A token names its home, so that any node can send its bearer there without asking anybody.
fn new_token(home: RegionId) -> String {
    let mut bytes = [0_u8; TOKEN_BYTES];
    getrandom::fill(&mut bytes).expect("the system gives randomness");
    format!("mst_{}_{}", home.id_tag, URL_SAFE_NO_PAD.encode(bytes))
}

/// What is stored of a token. It is random, so a plain hash is enough.
pub fn hash_token(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_hash_is_one_that_argon2_will_spend_time_on() {
        let hash = PasswordHash::new(NOBODY).expect("a PHC string");
        assert!(Argon2::default().verify_password(b"anything", &hash).is_err());
    }
}
