//! What the last looks at the places of a region's rows found.

use jiff::Timestamp;
use meridian_regions::RegionId;
use serde_json::Value;
use uuid::Uuid;

use super::read::Params;
use super::{Error, Reader, Store, Tx, sql};
use crate::clock::Deadline;

/// What a look found.
#[derive(Clone, Debug)]
pub struct VerdictRow {
    /// How many things are where they must not be.
    pub violations: i64,
    /// Counts by table and the findings.
    pub body: Value,
    /// When it was looked.
    pub taken_at: Timestamp,
}

impl Tx {
    /// Keeps what a look found.
    pub async fn verdict_put(
        &self,
        home: RegionId,
        id: Uuid,
        violations: i64,
        body: &Value,
    ) -> Result<(), Error> {
        let params: &Params<'_> = &[&home.locality, &id, &violations, body];
        self.run(&sql::locality::verdict_put, params).await.map(drop)
    }
}

impl Reader<'_> {
    /// What the last look found.
    pub async fn verdict_last(&self, home: RegionId) -> Result<Option<VerdictRow>, Error> {
        let row = self.opt(&sql::locality::verdict_last, &[&home.locality]).await?;
        Ok(row.map(|row| VerdictRow {
            violations: row.get("violations"),
            body: row.get("body"),
            taken_at: row.get("taken_at"),
        }))
    }
}

impl Store {
    /// What a region that is given up leaves behind: its evidence is kept by another region, its
    /// grants and looks are nobody's.
    pub async fn region_let_go(
        &self,
        deadline: Deadline,
        region: RegionId,
        heir: RegionId,
    ) -> Result<(), Error> {
        self.transact("region_let_go", deadline, |tx| async move {
            for query in [&sql::evidence::evidence_rehome, &sql::evidence::intake_rehome] {
                tx.run(query, &[&region.locality, &heir.locality]).await?;
            }
            for query in [&sql::staff::grants_forget, &sql::locality::verdicts_forget] {
                tx.run(query, &[&region.locality]).await?;
            }
            Ok(())
        })
        .await
    }
}
