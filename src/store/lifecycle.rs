//! What operators said of regions.

use jiff::Timestamp;

use super::release::Never;
use super::{Abort, Error, Store, sql};
use crate::clock::Deadline;

/// A region that takes nobody new.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Drain {
    /// Its name.
    pub region: String,
    /// Why, for other operators.
    pub reason: String,
    /// When it was said first.
    pub since: Timestamp,
    /// When it ends by itself.
    pub ends_at: Option<Timestamp>,
}

impl Store {
    /// Why a region takes nobody new, if somebody said so.
    pub async fn drain_reason(&self, region: &str) -> Result<Option<String>, Error> {
        let row = self.fresh().opt(&sql::lifecycle::drain_get, &[&region]).await?;
        Ok(row.map(|row| row.get("reason")))
    }

    /// Every region that takes nobody new.
    pub async fn drains(&self) -> Result<Vec<Drain>, Error> {
        let rows = self.fresh().all(&sql::lifecycle::drains, &[]).await?;
        let drain = |row: &tokio_postgres::Row| Drain {
            region: row.get("region"),
            reason: row.get("reason"),
            since: row.get("since"),
            ends_at: row.get("ends_at"),
        };
        Ok(rows.iter().map(drain).collect())
    }

    /// A region takes nobody new from now on; returns since when.
    pub async fn drain_set(
        &self,
        deadline: Deadline,
        region: &str,
        reason: &str,
        ends_at: Option<Timestamp>,
    ) -> Result<Timestamp, Error> {
        let outcome = self
            .tx("drain_set", deadline, |tx| {
                let (region, reason) = (region.to_owned(), reason.to_owned());
                async move {
                    let words: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                        [&region, &reason, &ends_at];
                    let row = tx.one(&sql::lifecycle::drain_set, &words).await?;
                    Ok::<_, Abort<Never>>(row.get("since"))
                }
            })
            .await;
        outcome.map_err(Abort::into_error)
    }

    /// A region takes everybody again; whether it did not before.
    pub async fn drain_clear(&self, deadline: Deadline, region: &str) -> Result<bool, Error> {
        let outcome = self
            .tx("drain_clear", deadline, |tx| {
                let region = region.to_owned();
                async move {
                    let cleared = tx.run(&sql::lifecycle::drain_clear, &[&region]).await?;
                    Ok::<_, Abort<Never>>(cleared > 0)
                }
            })
            .await;
        outcome.map_err(Abort::into_error)
    }
}
