//! Putting an account right (Art. 16 GDPR): another address, another password, another country of
//! residence. Where another region is home to that country, the account moves there in the same
//! transaction that writes the country down.

use jiff::Timestamp;
use meridian_regions::{Country, Home, RegionId};
use serde_json::json;

use super::moving::{MoveError, Mover};
use super::{PATIENCE, Refusal, Travellers, email_place, hash_token};
use crate::clock::Deadline;
use crate::domain::evidence::{Entry, Happening};
use crate::domain::ids::{RequestId, TravellerId};
use crate::domain::privacy::{RequestKind, RequestState};
use crate::domain::traveller::{Email, Password};
use crate::privacy::keys::HandoverKeys;
use crate::store::Abort;
use crate::store::privacy::{NewRequest, Rectified};
use crate::store::travellers::Session;

/// Why a traveller moves who says that they live elsewhere now.
const DECLARED: &str = "the traveller declared another country of residence";

/// What is to be put right; what is not said stays.
#[derive(Debug, Default)]
pub struct Rectification {
    /// Another address.
    pub email: Option<Email>,
    /// Another password.
    pub password: Option<Password>,
    /// Another country of residence.
    pub residence: Option<Country>,
}

impl Rectification {
    /// Whether nothing is said.
    pub fn is_nothing(&self) -> bool {
        self.email.is_none() && self.password.is_none() && self.residence.is_none()
    }

    /// What is said, by name.
    fn fields(&self) -> Vec<&'static str> {
        let said = [
            ("email", self.email.is_some()),
            ("password", self.password.is_some()),
            ("residence_country", self.residence.is_some()),
        ];
        said.into_iter().filter(|(_, said)| *said).map(|(name, _)| name).collect()
    }
}

/// An account, to the one whose it is.
pub struct OwnAccount {
    /// Who.
    pub traveller: TravellerId,
    /// E-mail address.
    pub email: String,
    /// Declared country of residence.
    pub residence: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Travellers {
    /// One's own account.
    pub fn own_account(&self, session: Session) -> Result<OwnAccount, Refusal> {
        let place = email_place(session.traveller);
        let email = self.data_key(&session)?.open(place, &session.email)?.to_string();
        let Session { traveller, residence, created_at, .. } = session;
        Ok(OwnAccount { traveller, email, residence, created_at })
    }

    /// Puts an account right. Whoever declares a country of another home moves there.
    pub async fn rectify(
        &self,
        session: &Session,
        token: &str,
        change: Rectification,
    ) -> Result<OwnAccount, Refusal> {
        let moves_to = change.residence.map(|it| self.new_home(it)).transpose()?.flatten();
        let fields = change.fields();
        let (key, traveller) = (self.data_key(session)?, session.traveller);
        let email = change.email.as_ref().map(|email| {
            let sealed = key.seal(email_place(traveller), email.expose());
            (self.keys.directory.hash(&email.subject()), sealed)
        });
        let password_hash = match change.password {
            Some(password) => Some(self.hash(password).await?),
            None => None,
        };
        // A country of another home is written down by the move.
        let stays = change.residence.filter(|_| moves_to.is_none());
        let residence = stays.map(|country| country.code().to_owned());
        let new = Rectified { email, password_hash, residence };
        let entry = Entry::about(Happening::Rectified, &key.subject(), json!({ "fields": fields }));
        self.write_down(traveller, &hash_token(token), new, entry).await?;
        let moved = match (moves_to, change.residence) {
            (Some(to), Some(country)) => self.move_there(traveller, to, country).await?,
            _ => traveller,
        };
        let email = match change.email {
            Some(email) => email.expose().to_owned(),
            None => key.open(email_place(traveller), &session.email)?.to_string(),
        };
        let said = change.residence.map(|country| country.code().to_owned());
        let residence = said.unwrap_or_else(|| session.residence.clone());
        Ok(OwnAccount { traveller: moved, email, residence, created_at: session.created_at })
    }

    /// Where residents of a country are at home, if not here.
    fn new_home(&self, country: Country) -> Result<Option<RegionId>, Refusal> {
        match self.registry.home_of(country) {
            Home::Region(home) if home == self.home => Ok(None),
            Home::Region(home) if self.keys.handover(home).is_some() => Ok(Some(home)),
            Home::Region(home) => Err(Refusal::NoWay(home)),
            Home::Nowhere(reason) => Err(Refusal::Nowhere(reason)),
        }
    }

    async fn write_down(
        &self,
        traveller: TravellerId,
        token_hash: &[u8],
        new: Rectified,
        entry: Entry,
    ) -> Result<(), Refusal> {
        let request = NewRequest {
            id: RequestId::new(self.home),
            traveller,
            kind: RequestKind::Rectification,
            state: RequestState::Done,
            asked_by: "traveller",
            receipt_hash: None,
            receipt: Some(entry.body.clone()),
        };
        let home = self.home;
        let done = self.store.tx("traveller_rectify", Deadline::after(PATIENCE), |tx| {
            let (new, entry, request) = (new.clone(), entry.clone(), request.clone());
            let token_hash = token_hash.to_vec();
            async move {
                let account = tx.account_hold(traveller).await?;
                let account = account.filter(|it| it.closed_at.is_none());
                let account = account.ok_or(Abort::Refused(Refusal::Closed))?;
                if let Some((hash, _)) = &new.email
                    && *hash != account.subject_hash
                {
                    if !tx.directory_insert(hash, home).await? {
                        return Err(Abort::Refused(Refusal::Taken));
                    }
                    tx.directory_delete(&account.subject_hash).await?;
                }
                tx.traveller_rectify(traveller, &new).await?;
                if new.password_hash.is_some() {
                    tx.sessions_delete_others(traveller, &token_hash).await?;
                }
                tx.request_put(&request).await?;
                Ok(tx.evidence(home, &entry).await?)
            }
        });
        done.await.map_err(|abort| match abort {
            Abort::Refused(refusal) => refusal,
            Abort::Failed(error) => error.into(),
        })
    }

    async fn move_there(
        &self,
        traveller: TravellerId,
        to: RegionId,
        country: Country,
    ) -> Result<TravellerId, Refusal> {
        let old = self.keys.region.clone();
        let keys = HandoverKeys { old, new: self.keys.handover.clone() };
        let mover = Mover { store: self.store.clone(), keys };
        let moved = mover.move_resident(traveller, to, DECLARED, Some(country)).await;
        moved.map_err(|error| match error {
            MoveError::NoKey(home) => Refusal::NoWay(home),
            MoveError::Sealed(broken) => broken.into(),
            MoveError::Store(error) => error.into(),
        })?;
        Ok(TravellerId::from_parts(to, traveller.uuid()))
    }
}
