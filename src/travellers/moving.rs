//! Moving home: a traveller's rows change their region in one transaction, sealed anew for it.
//!
//! The old home opens what it sealed and seals it for the new one; the data key goes along, sealed
//! to the new home's public key. Sessions, ids and orders under way keep working: the old home
//! answers 421 with the way, the new home takes the old token, and an order's next step asks under
//! the same keys as before.

use std::time::Duration;

use meridian_regions::{Country, RegionId};
use serde_json::json;
use uuid::Uuid;

use super::email_place;
use crate::clock::Deadline;
use crate::domain::evidence::{Entry, Happening};
use crate::domain::ids::TravellerId;
use crate::privacy::keys::HandoverKeys;

use crate::privacy::seal::{Broken, Handover, Place, PublicKey};
use crate::store::moving::{Moved, Rehomed, Sealed, SealedEndpoint, SealedField};
use crate::store::{self, Abort, Store};

/// Longest that one traveller's move may take: it writes all of their rows and two GLOBAL tables.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is sealed of a passenger, in the order of `SealedField`.
const PASSENGER_FIELDS: [&str; 3] = ["given_name", "family_name", "born_on"];

/// Moves travellers out of one region.
#[derive(Clone)]
pub struct Mover {
    /// The database.
    pub store: Store,
    /// The old home's key, and the public keys of the others.
    pub keys: HandoverKeys,
}

/// Why somebody moves, and what is written down about it.
#[derive(Clone, Copy)]
struct Why<'a> {
    record: Uuid,
    reason: &'a str,
    residence: Option<Country>,
}

/// Why a traveller did not move. Nothing of them was changed.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The new home's public key is not there.
    #[error("there is no public key of {0}; copy its region-{0}.pub into the directory of --keys")]
    NoKey(RegionId),
    /// A seal did not open.
    #[error(transparent)]
    Sealed(#[from] Broken),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Mover {
    /// Moves a traveller to another home; `None` when they are not in the old one any more.
    pub async fn move_home(
        &self,
        traveller: TravellerId,
        to: RegionId,
        reason: &str,
    ) -> Result<Option<Moved>, MoveError> {
        self.move_resident(traveller, to, reason, None).await
    }

    /// The same, for a traveller who lives in another country now.
    pub async fn move_resident(
        &self,
        traveller: TravellerId,
        to: RegionId,
        reason: &str,
        residence: Option<Country>,
    ) -> Result<Option<Moved>, MoveError> {
        let public = self.keys.of(to).ok_or(MoveError::NoKey(to))?;
        // Made once: a second run of the body is the same move.
        let record = Uuid::new_v4();
        let why = Why { record, reason, residence };
        let deadline = Deadline::after(PATIENCE);
        let moved = loop {
            let moved = self.try_to_move(deadline, traveller, to, why, public).await;
            match moved {
                // The traveller's own orders may be faster many times over, and nobody waits here.
                Err(Abort::Failed(store::Error::Contended { .. })) if !deadline.passed() => {}
                other => break other,
            }
        };
        moved.map_err(|abort| match abort {
            Abort::Refused(error) => error,
            Abort::Failed(error) => error.into(),
        })
    }

    async fn try_to_move(
        &self,
        deadline: Deadline,
        traveller: TravellerId,
        to: RegionId,
        why: Why<'_>,
        public: &PublicKey,
    ) -> Result<Option<Moved>, Abort<MoveError>> {
        self.store
            .tx("traveller_rehome", deadline, |tx| {
                let (public, reason) = (public.clone(), why.reason.to_owned());
                async move {
                    let Some(leaver) = tx.traveller_sealed(traveller).await? else {
                        return Ok(None);
                    };
                    let broken = |broken: Broken| Abort::Refused(MoveError::Sealed(broken));
                    let id = traveller.uuid();
                    let old = &leaver.sealed;
                    // Whoever was erased has nothing that could be opened.
                    let anew = match old.data_key.is_empty() {
                        true => None,
                        false => {
                            let keys = self.keys.old.hand_over(id, &old.data_key, &public);
                            let keys = keys.map_err(broken)?;
                            let subject = keys.old.subject();
                            let anew = reseal(traveller, old, keys).map_err(broken)?;
                            Some((anew, subject))
                        }
                    };
                    let (anew, subject) = anew.unzip();
                    let new = Rehomed {
                        to,
                        sealed: anew.as_ref().unwrap_or(old),
                        residence: why.residence,
                        record: why.record,
                        reason: &reason,
                    };
                    let moved = tx.traveller_rehome(traveller, &leaver.subject_hash, &new).await?;
                    let body = json!({
                        "from": traveller.home().name, "to": to.name, "reason": reason,
                        "orders": moved.orders,
                    });
                    let entry =
                        Entry { id: why.record, happening: Happening::HomeMoved, subject, body };
                    tx.evidence(to, &entry).await?;
                    Ok(Some(moved))
                }
            })
            .await
    }
}

/// Everything sealed, for the new home.
fn reseal(traveller: TravellerId, sealed: &Sealed, keys: Handover) -> Result<Sealed, Broken> {
    let again = |place: Place, value: &[u8]| -> Result<Vec<u8>, Broken> {
        Ok(keys.new.seal(place, &keys.old.open(place, value)?))
    };
    // Of a closed account the address is gone already.
    let email = match sealed.email.is_empty() {
        true => Vec::new(),
        false => again(email_place(traveller), &sealed.email)?,
    };
    let token = |(order, token): &(Uuid, Vec<u8>)| {
        let place = Place { table: "orders", column: "payment_token", row: *order };
        Ok((*order, again(place, token)?))
    };
    let tokens = sealed.tokens.iter().map(token).collect::<Result<_, Broken>>()?;
    let passenger = |it: &SealedField| {
        let mut fields = it.fields.clone();
        for (column, field) in PASSENGER_FIELDS.into_iter().zip(&mut fields) {
            let place = Place { table: "order_passenger", column, row: it.order };
            *field = again(place, field)?;
        }
        Ok(SealedField { order: it.order, position: it.position, fields })
    };
    let passengers = sealed.passengers.iter().map(passenger).collect::<Result<_, Broken>>()?;
    let endpoint = |it: &SealedEndpoint| {
        let place = |column| Place { table: "webhook_endpoint", column, row: it.id };
        // The old secret was sealed when it was the secret.
        let secret = |sealed: &Vec<u8>| again(place("secret"), sealed);
        Ok(SealedEndpoint {
            id: it.id,
            url: again(place("url"), &it.url)?,
            secret: secret(&it.secret)?,
            old_secret: it.old_secret.as_ref().map(secret).transpose()?,
        })
    };
    let endpoints = sealed.endpoints.iter().map(endpoint).collect::<Result<_, Broken>>()?;
    Ok(Sealed { email, data_key: keys.wrapped, tokens, passengers, endpoints })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::datamap;

    #[test]
    fn every_sealed_column_is_sealed_anew() {
        let mut known = vec![("traveller", "email"), ("orders", "payment_token")];
        // A copy that waits to be fetched is made anew instead.
        known.push(("privacy_archive", "sealed"));
        known.extend(PASSENGER_FIELDS.map(|column| ("order_passenger", column)));
        known.extend(["url", "secret", "old_secret"].map(|column| ("webhook_endpoint", column)));
        for (table, about) in datamap::tables() {
            for (column, _) in about.columns.iter().filter(|(_, column)| column.sealed) {
                let place = (table.as_str(), column.as_str());
                assert!(known.contains(&place), "{table}.{column} would not open after a move");
            }
        }
    }
}
