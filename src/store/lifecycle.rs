//! What operators said of regions, how far each is in its life, and how far a plan has got.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use meridian_regions::{RegionId, State};
use tokio_postgres::types::ToSql;

use super::tx::Words;
use super::{Error, Store, sql};
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

/// How far a region is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Life {
    /// How far.
    pub state: State,
    /// Since when; no two visits to a state are alike.
    pub since: Timestamp,
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
        self.transact("drain_set", deadline, |tx| {
            let (region, reason) = (region.to_owned(), reason.to_owned());
            async move {
                let words: [&(dyn ToSql + Sync); 3] = [&region, &reason, &ends_at];
                let row = tx.one(&sql::lifecycle::drain_set, &words).await?;
                Ok(row.get("since"))
            }
        })
        .await
    }

    /// A region takes everybody again; whether it did not before.
    pub async fn drain_clear(&self, deadline: Deadline, region: &str) -> Result<bool, Error> {
        let cleared =
            self.write(deadline, &sql::lifecycle::drain_clear, vec![Box::new(region.to_owned())]);
        Ok(cleared.await? > 0)
    }

    /// Where each region is in its life, by name.
    pub async fn lives(&self) -> Result<BTreeMap<String, Life>, Error> {
        let rows = self.fresh().all(&sql::lifecycle::lives, &[]).await?;
        let life = |row: &tokio_postgres::Row| {
            let (region, state): (String, String) = (row.get("region"), row.get("state"));
            let state = state.parse().map_err(|_| {
                Error::Unreadable(format!("region_life has the state \"{state}\" for {region}"))
            })?;
            Ok((region, Life { state, since: row.get("changed_at") }))
        };
        rows.iter().map(life).collect()
    }

    /// A region has got so far.
    pub async fn life_set(
        &self,
        deadline: Deadline,
        region: &str,
        state: State,
    ) -> Result<(), Error> {
        let words: Words = vec![Box::new(region.to_owned()), Box::new(state.to_string())];
        self.write(deadline, &sql::lifecycle::life_set, words).await.map(drop)
    }

    /// The steps of a plan that are done, and those that were begun and are not.
    pub async fn steps(&self, plan: &str) -> Result<(BTreeSet<i64>, BTreeSet<i64>), Error> {
        let rows = self.fresh().all(&sql::lifecycle::steps, &[&plan]).await?;
        let (mut done, mut begun) = (BTreeSet::new(), BTreeSet::new());
        for row in &rows {
            let ended: Option<Timestamp> = row.get("ended_at");
            if ended.is_some() { &mut done } else { &mut begun }.insert(row.get("number"));
        }
        Ok((done, begun))
    }

    /// A step is begun.
    pub async fn step_begin(
        &self,
        deadline: Deadline,
        plan: &str,
        number: i64,
        title: &str,
    ) -> Result<(), Error> {
        let words: Words =
            vec![Box::new(plan.to_owned()), Box::new(number), Box::new(title.to_owned())];
        self.write(deadline, &sql::lifecycle::step_begin, words).await.map(drop)
    }

    /// A step is done.
    pub async fn step_end(&self, deadline: Deadline, plan: &str, number: i64) -> Result<(), Error> {
        let words: Words = vec![Box::new(plan.to_owned()), Box::new(number)];
        self.write(deadline, &sql::lifecycle::step_end, words).await.map(drop)
    }

    /// The regions that a CockroachDB cluster has nodes in.
    pub async fn cluster_regions(&self) -> Result<BTreeSet<String>, Error> {
        let rows = self.fresh().all(&sql::CLUSTER_REGIONS_COCKROACH, &[]).await?;
        Ok(rows.iter().map(|row| row.get("region")).collect())
    }

    /// The primary region of a CockroachDB database, if it has regions.
    pub async fn primary_region(&self) -> Result<Option<String>, Error> {
        let row = self.fresh().opt(&sql::PRIMARY_REGION_COCKROACH, &[]).await?;
        Ok(row.map(|row| row.get("region")))
    }

    /// Orders of a region that a node is working on now.
    pub async fn orders_leased(&self, region: RegionId) -> Result<i64, Error> {
        let row = self.fresh().one(&sql::lifecycle::orders_leased, &[&region.locality]).await?;
        Ok(row.get("orders"))
    }
}
