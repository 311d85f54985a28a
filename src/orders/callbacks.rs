//! What other companies tell about orders by themselves. It is a hint and nothing more: the order
//! is looked at now instead of later, and whoever looks asks the company. So a hint may come twice,
//! late, early or in another order, and may be missing.

use std::time::Duration;

use meridian_regions::RegionId;
use uuid::Uuid;

use super::Orders;
use crate::clock::Deadline;
use crate::domain::ids::OrderId;
use crate::store;

/// Longest that a hint may take to be written.
const HINT_PATIENCE: Duration = Duration::from_secs(3);

impl Orders {
    /// Lets an order be looked at now; whether that was of use. Nothing else about it changes.
    pub async fn hint(&self, order: OrderId) -> Result<bool, store::Error> {
        self.store.order_nudge(Deadline::after(HINT_PATIENCE), order).await
    }
}

/// The order that a call was about, from the key under which it was made: `<order id>:<step>`.
pub fn order_of(key: &str, home: RegionId) -> Option<OrderId> {
    let (id, step) = key.split_once(':')?;
    let id = id.parse::<Uuid>().ok().filter(|_| !step.is_empty())?;
    Some(OrderId::from_parts(home, id))
}
