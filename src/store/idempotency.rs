//! The stored replies that make a repeated request harmless.

use meridian_regions::RegionId;

use super::{Error, Tx, sql};
use crate::domain::ids::TravellerId;

/// What makes a repeated request recognisable, and what it was answered.
#[derive(Clone)]
pub struct Reply {
    /// SHA-256 of the client's key.
    pub key_hash: Vec<u8>,
    /// SHA-256 of method, route and canonical body.
    pub request_hash: Vec<u8>,
    /// The `Location` header.
    pub location: String,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// A stored reply as it was found.
#[derive(Clone, Debug)]
pub struct StoredReply {
    /// Hash of the request that it answered.
    pub request_hash: Vec<u8>,
    /// HTTP status.
    pub status: i64,
    /// The `Location` header.
    pub location: String,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl Tx {
    /// What a key was answered; a `Tx` sees what the transaction that lost to it must see.
    pub async fn idempotency_get(
        &self,
        traveller: TravellerId,
        key_hash: &[u8],
    ) -> Result<Option<StoredReply>, Error> {
        let row = self
            .opt(
                &sql::orders::idempotency_get,
                &[&traveller.home().locality, &traveller.uuid(), &key_hash],
            )
            .await?;
        Ok(row.map(|row| StoredReply {
            request_hash: row.get("request_hash"),
            status: row.get("status"),
            location: row.get("location"),
            body: row.get("body"),
        }))
    }

    /// Forgets a batch of old answers; how many.
    pub async fn idempotency_purge(&self, home: RegionId) -> Result<u64, Error> {
        self.run(&sql::orders::idempotency_purge, &[&home.locality]).await
    }
}
