//! The stored replies that make a repeated request harmless.

use meridian_regions::RegionId;

use super::{Error, Tx, sql};
use crate::domain::ids::{OrderId, TravellerId};

/// What makes a repeated request recognisable, and what it was answered.
#[derive(Clone)]
pub struct Reply {
    /// SHA-256 of the client's key.
    pub key_hash: Vec<u8>,
    /// SHA-256 of everything that makes it that request.
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
    /// The body, byte for byte; empty when it was let go.
    pub body: Vec<u8>,
}

impl Tx {
    /// Stores an answer that comes with no order's event; `false` when the key was used before.
    pub async fn idempotency_put(
        &self,
        traveller: TravellerId,
        status: u16,
        order: Option<OrderId>,
        reply: &Reply,
    ) -> Result<bool, Error> {
        let words: &super::read::Params<'_> = &[
            &traveller.home().locality,
            &traveller.uuid(),
            &reply.key_hash,
            &reply.request_hash,
            &i64::from(status),
            &reply.location,
            &reply.body,
            &order.map(|order| order.uuid()),
        ];
        Ok(self.run(&sql::orders::idempotency_put, words).await? > 0)
    }

    /// Lets the bytes of a batch of old answers go, as far as their orders are in none of these
    /// states; how many were looked at.
    pub async fn idempotency_blank(&self, home: RegionId, moving: &[&str]) -> Result<u64, Error> {
        self.run(&sql::orders::idempotency_blank, &[&home.locality, &moving]).await
    }

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
