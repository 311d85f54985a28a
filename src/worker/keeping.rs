//! When what the law wants is done: what travellers asked is carried out, and what happened is
//! linked and signed, each by one node of a region at a time.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::relays::Watch;
use super::report;
use crate::privacy::evidence::Keeper;
use crate::privacy::rights::{Refusal, Rights};
use crate::relay::Relay;
use crate::store::relay::Relayed;

/// Looks between two questions whether the chain is to be signed.
const SIGN_EVERY_LOOKS: u64 = 20;

/// Links what happened, and signs the chain every now and then, until told to stop.
pub(super) async fn evidence(
    keeper: Keeper,
    relay: Relay,
    look_every: Duration,
    stop: CancellationToken,
) {
    let mut watch = Watch::new(relay, Relayed::Evidence, look_every);
    let mut looks: u64 = 0;
    while watch.turn(&stop).await.is_some() {
        if let Err(error) = keeper.link().await {
            report("evidence", &error);
        }
        if looks.is_multiple_of(SIGN_EVERY_LOOKS)
            && let Err(error) = keeper.checkpoint().await
        {
            report("checkpoint", &error);
        }
        looks += 1;
    }
    watch.end().await;
}

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
