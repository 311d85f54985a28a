//! Who of the house may look at what.

use jiff::Timestamp;
use meridian_regions::RegionId;
use uuid::Uuid;

use super::read::{Params, parse};
use super::{Error, Reader, Tx, sql};
use crate::domain::staff::Role;

/// Somebody of the house, by their duty.
#[derive(Clone, Debug)]
pub struct Grant {
    /// What the evidence names them by.
    pub id: Uuid,
    /// What they may look at.
    pub role: Role,
    /// Their duty, in an operator's words.
    pub label: String,
    /// Until when.
    pub expires_at: Timestamp,
}

fn grant(row: &tokio_postgres::Row) -> Result<Grant, Error> {
    Ok(Grant {
        id: row.get("id"),
        role: parse(row.get("role"))?,
        label: row.get("label"),
        expires_at: row.get("expires_at"),
    })
}

impl Tx {
    /// Lets somebody look, for so many seconds.
    pub async fn grant_put(
        &self,
        home: RegionId,
        token_hash: &[u8],
        (id, role, label): (Uuid, Role, &str),
        seconds: i64,
    ) -> Result<(), Error> {
        let params: &Params<'_> =
            &[&home.locality, &token_hash, &id, &role.name(), &label, &seconds];
        self.run(&sql::staff::grant_put, params).await.map(drop)
    }

    /// Takes a role away; `false` when nobody had it.
    pub async fn grant_delete(&self, home: RegionId, id: Uuid) -> Result<bool, Error> {
        Ok(self.run(&sql::staff::grant_delete, &[&home.locality, &id]).await? == 1)
    }
}

impl Reader<'_> {
    /// Who asks, if a token lets them.
    pub async fn grant_get(
        &self,
        home: RegionId,
        token_hash: &[u8],
    ) -> Result<Option<Grant>, Error> {
        let row = self.opt(&sql::staff::grant_get, &[&home.locality, &token_hash]).await?;
        row.as_ref().map(grant).transpose()
    }

    /// Who may look at a region.
    pub async fn grant_list(&self, home: RegionId) -> Result<Vec<Grant>, Error> {
        let rows = self.all(&sql::staff::grant_list, &[&home.locality]).await?;
        rows.iter().map(grant).collect()
    }
}
