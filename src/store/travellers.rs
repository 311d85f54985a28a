//! Travellers, their sessions, and the directory that leads to their home.

use jiff::Timestamp;
use meridian_regions::{Country, RegionId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Error, Reader, Tx, sql};
use crate::domain::ids::TravellerId;

/// A new account, sealed and hashed: nothing in it can be read without the region's key.
#[derive(Clone)]
pub struct NewTraveller {
    /// Its id, and with it its home.
    pub id: TravellerId,
    /// Declared country of residence.
    pub residence: Country,
    /// The directory's keyed hash.
    pub subject_hash: Vec<u8>,
    /// Sealed e-mail address.
    pub email: Vec<u8>,
    /// argon2id in PHC form.
    pub password_hash: String,
    /// The data key, wrapped.
    pub data_key: Vec<u8>,
}

/// Whose password to check.
pub struct Login {
    /// Whose.
    pub traveller: TravellerId,
    /// argon2id in PHC form.
    pub password_hash: String,
    /// The data key, wrapped.
    pub data_key: Vec<u8>,
}

/// An open session and whose it is.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who asks.
    pub traveller: TravellerId,
    /// Declared country of residence.
    pub residence: String,
    /// Sealed e-mail address.
    pub email: Vec<u8>,
    /// The data key, wrapped.
    pub data_key: Vec<u8>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// Whether its processing is restricted: it may be looked at, nothing new is done with it.
    pub restricted: bool,
}

impl Tx {
    /// Claims an address for a home; `false` when it is taken anywhere in the world.
    pub async fn directory_insert(&self, hash: &[u8], home: RegionId) -> Result<bool, Error> {
        let row = self.opt(&sql::travellers::directory_insert, &[&hash, &home.locality]).await?;
        Ok(row.is_some())
    }

    /// Writes an account.
    pub async fn traveller_insert(&self, new: &NewTraveller) -> Result<Timestamp, Error> {
        let row = self
            .one(
                &sql::travellers::traveller_insert,
                &[
                    &new.id.home().locality,
                    &new.id.uuid(),
                    &new.residence.code(),
                    &new.subject_hash,
                    &new.email,
                    &new.password_hash,
                    &new.data_key,
                ],
            )
            .await?;
        Ok(row.get("created_at"))
    }

    /// Opens a session for so many seconds.
    pub async fn session_insert(
        &self,
        traveller: TravellerId,
        token_hash: &[u8],
        seconds: i64,
    ) -> Result<Timestamp, Error> {
        let row = self
            .one(
                &sql::travellers::session_insert,
                &[&traveller.home().locality, &token_hash, &traveller.uuid(), &seconds],
            )
            .await?;
        Ok(row.get("expires_at"))
    }

    /// Ends a session; `false` when there was none.
    pub async fn session_delete(&self, home: RegionId, token_hash: &[u8]) -> Result<bool, Error> {
        let changed =
            self.run(&sql::travellers::session_delete, &[&home.locality, &token_hash]).await?;
        Ok(changed == 1)
    }

    /// Forgets a batch of ended sessions; how many.
    pub async fn session_purge(&self, home: RegionId) -> Result<u64, Error> {
        self.run(&sql::travellers::session_purge, &[&home.locality]).await
    }

    /// Whether an account of this id is there: the one that this very sign-up wrote.
    pub async fn traveller_exists(&self, id: TravellerId) -> Result<bool, Error> {
        let params: &super::read::Params<'_> = &[&id.home().locality, &id.uuid()];
        Ok(self.opt(&sql::travellers::traveller_exists, params).await?.is_some())
    }
}

impl Reader<'_> {
    /// Where an account is at home, as the database calls the region.
    pub async fn directory_home(&self, hash: &[u8]) -> Result<Option<String>, Error> {
        let row = self.opt(&sql::travellers::directory_home, &[&hash]).await?;
        Ok(row.map(|row| row.get("home")))
    }

    /// Whose password to check.
    pub async fn traveller_by_subject(
        &self,
        home: RegionId,
        hash: &[u8],
    ) -> Result<Option<Login>, Error> {
        let row =
            self.opt(&sql::travellers::traveller_by_subject, &[&home.locality, &hash]).await?;
        Ok(row.map(|row| Login {
            traveller: TravellerId::from_parts(home, row.get::<_, Uuid>("id")),
            password_hash: row.get("password_hash"),
            data_key: row.get("data_key"),
        }))
    }

    /// Who asks, if the session is open.
    pub async fn session_get(
        &self,
        home: RegionId,
        token_hash: &[u8],
    ) -> Result<Option<Session>, Error> {
        let row = self.opt(&sql::travellers::session_get, &[&home.locality, &token_hash]).await?;
        Ok(row.map(|row: Row| Session {
            traveller: TravellerId::from_parts(home, row.get("id")),
            residence: row.get("residence_country"),
            email: row.get("email"),
            data_key: row.get("data_key"),
            created_at: row.get("created_at"),
            restricted: row.get("restricted"),
        }))
    }
}
