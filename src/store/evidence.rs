//! What happened to somebody's data: written down where it happened, then linked into the chain of
//! its region.

use meridian_regions::RegionId;

use super::{Error, Tx, sql};
use crate::domain::evidence::Entry;

impl Tx {
    /// Writes down what happens in this very transaction; twice is once.
    pub async fn evidence(&self, home: RegionId, entry: &Entry) -> Result<(), Error> {
        let kind = entry.happening.name();
        let params: &super::read::Params<'_> =
            &[&home.locality, &entry.id, &kind, &entry.subject, &entry.body];
        self.run(&sql::evidence::intake_put, params).await.map(drop)
    }
}
