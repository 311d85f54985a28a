//! Which schedule is on sale.

use super::{Error, Store, sql};
use crate::clock::Deadline;

/// A generated schedule, told apart from every other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// How much of the world.
    pub profile: String,
    /// The generator's seed.
    pub seed: i64,
    /// Hash of the patterns, in the upper half.
    pub fingerprint: i64,
}

impl Store {
    /// Says what this node generated and returns what is on sale, which the first node decided.
    pub async fn release_claim(
        &self,
        deadline: Deadline,
        mine: &Release,
    ) -> Result<Release, Error> {
        self.transact("release_claim", deadline, |tx| {
            let mine = mine.clone();
            async move {
                let row = tx
                    .one(
                        &sql::catalogue::release_claim,
                        &[&mine.profile, &mine.seed, &mine.fingerprint],
                    )
                    .await?;
                Ok(Release {
                    profile: row.get("profile"),
                    seed: row.get("seed"),
                    fingerprint: row.get("fingerprint"),
                })
            }
        })
        .await
    }
}
