//! What happened to somebody's data: written down where it happened, then linked into the chain of
//! its region, and signed.

use std::time::Duration;

use jiff::Timestamp;
use meridian_regions::RegionId;
use serde_json::Value;
use uuid::Uuid;

use super::read::Params;
use super::{Error, Reader, Tx, sql};
use crate::domain::evidence::Entry;

/// What happened and has no place in a chain yet.
#[derive(Clone, Debug)]
pub struct IntakeRow {
    /// Which.
    pub id: Uuid,
    /// What.
    pub kind: String,
    /// About whom.
    pub subject: Option<String>,
    /// Codes and counts.
    pub body: Value,
    /// When.
    pub at: Timestamp,
}

/// A record in its place.
#[derive(Clone, Debug)]
pub struct Linked {
    /// Its number.
    pub seq: i64,
    /// Its line.
    pub line: String,
    /// Its hash.
    pub hash: Vec<u8>,
    /// When it happened.
    pub at: Timestamp,
}

/// How far a chain was signed.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Number of the checkpoint.
    pub number: i64,
    /// How many records the chain had.
    pub records: i64,
    /// The signed checkpoint.
    pub envelope: String,
    /// Whether it was signed just now.
    pub fresh: bool,
}

impl Tx {
    /// Writes down what happens in this very transaction; twice is once.
    pub async fn evidence(&self, home: RegionId, entry: &Entry) -> Result<(), Error> {
        let kind = entry.happening.name();
        let params: &Params<'_> = &[&home.locality, &entry.id, &kind, &entry.subject, &entry.body];
        self.run(&sql::evidence::intake_put, params).await.map(drop)
    }

    /// How far a region's chain went: number and hash of its last record.
    pub async fn chain_head(&self, home: RegionId) -> Result<Option<(i64, Vec<u8>)>, Error> {
        let params: &Params<'_> = &[&home.locality, &home.name];
        let row = self.opt(&sql::evidence::chain_head, params).await?;
        Ok(row.map(|row| (row.get("seq"), row.get("hash"))))
    }

    /// What happened and is not linked yet, the oldest first.
    pub async fn intake_next(&self, home: RegionId) -> Result<Vec<IntakeRow>, Error> {
        let rows = self.all(&sql::evidence::intake_next, &[&home.locality]).await?;
        Ok(rows
            .iter()
            .map(|row| IntakeRow {
                id: row.get("id"),
                kind: row.get("kind"),
                subject: row.get("subject"),
                body: row.get("body"),
                at: row.get("at"),
            })
            .collect())
    }

    /// Puts records at the end of a region's chain; they wait no longer.
    pub async fn chain_put(
        &self,
        home: RegionId,
        records: &[Linked],
        linked: &[Uuid],
    ) -> Result<(), Error> {
        let numbers: Vec<i64> = records.iter().map(|it| it.seq).collect();
        let lines: Vec<&str> = records.iter().map(|it| it.line.as_str()).collect();
        let hashes: Vec<&[u8]> = records.iter().map(|it| it.hash.as_slice()).collect();
        let times: Vec<Timestamp> = records.iter().map(|it| it.at).collect();
        let params: &Params<'_> = &[&home.locality, &home.name, &numbers, &lines, &hashes, &times];
        self.run(&sql::evidence::chain_put, params).await?;
        self.run(&sql::evidence::intake_drop, &[&home.locality, &linked]).await.map(drop)
    }

    /// How far a region's chain was signed, and whether that is younger than a while.
    pub async fn checkpoint_last(
        &self,
        home: RegionId,
        a_while: Duration,
    ) -> Result<Option<Signed>, Error> {
        let seconds = i64::try_from(a_while.as_secs()).unwrap_or(i64::MAX);
        let params: &Params<'_> = &[&home.name, &seconds];
        let row = self.opt(&sql::evidence::checkpoint_last, params).await?;
        Ok(row.map(|row| Signed {
            number: row.get("number"),
            records: row.get("records"),
            envelope: row.get("envelope"),
            fresh: row.get("fresh"),
        }))
    }

    /// The hashes of a region's records from a number on.
    pub async fn hashes_since(
        &self,
        home: RegionId,
        first: i64,
    ) -> Result<Vec<(i64, Vec<u8>)>, Error> {
        let params: &Params<'_> = &[&home.locality, &home.name, &first];
        let rows = self.all(&sql::evidence::hashes_since, params).await?;
        Ok(rows.iter().map(|row| (row.get("seq"), row.get("hash"))).collect())
    }

    /// Keeps a signed checkpoint, in every region.
    pub async fn checkpoint_put(
        &self,
        home: RegionId,
        (number, records): (i64, i64),
        envelope: &str,
    ) -> Result<(), Error> {
        let params: &Params<'_> = &[&home.name, &number, &records, &envelope];
        self.run(&sql::evidence::checkpoint_put, params).await.map(drop)
    }
}

impl Reader<'_> {
    /// Seconds that the oldest unlinked and the oldest unsigned of a region wait.
    pub async fn evidence_age(&self, home: RegionId) -> Result<(i64, i64), Error> {
        let params: &Params<'_> = &[&home.locality, &home.name];
        let row = self.one(&sql::evidence::evidence_age, params).await?;
        Ok((row.get("waiting"), row.get("unsigned")))
    }

    /// The chains there are.
    pub async fn chains(&self) -> Result<Vec<String>, Error> {
        let rows = self.all(&sql::evidence::chains, &[]).await?;
        Ok(rows.iter().map(|row| row.get("chain")).collect())
    }

    /// A page of a chain from a number on: number and line.
    pub async fn records_page(&self, chain: &str, first: i64) -> Result<Vec<(i64, String)>, Error> {
        let rows = self.all(&sql::evidence::records_page, &[&chain, &first]).await?;
        Ok(rows.iter().map(|row| (row.get("seq"), row.get("record"))).collect())
    }

    /// Every signed checkpoint of a chain, in order, and when it was signed.
    pub async fn checkpoints(&self, chain: &str) -> Result<Vec<(Signed, Timestamp)>, Error> {
        let rows = self.all(&sql::evidence::checkpoints, &[&chain]).await?;
        let signed = |row: &tokio_postgres::Row| Signed {
            number: row.get("number"),
            records: row.get("records"),
            envelope: row.get("envelope"),
            fresh: false,
        };
        Ok(rows.iter().map(|row| (signed(row), row.get("created_at"))).collect())
    }
}
