//! When what the law wants is done: what travellers asked is carried out by one node of a region at
//! a time.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::relays::Watch;
use super::report;
use crate::privacy::rights::{Refusal, Rights};
use crate::relay::Relay;
use crate::store::relay::Relayed;

/// Carries out requests until told to stop.
pub(super) async fn rights(
    rights: Rights,
    relay: Relay,
    look_every: Duration,
    stop: CancellationToken,
) {
    let mut watch = Watch::new(relay, Relayed::Rights, look_every);
    while watch.turn(&stop).await.is_some() {
        match rights.carry_out().await {
            Ok(_) => {}
            Err(Refusal::Store(error)) => report("rights", &error),
            Err(error) => {
                tracing::error!(%error, "a request under the law could not be carried out");
            }
        }
    }
    watch.end().await;
}
