//! When what the law wants is done: what travellers asked is carried out, and what happened is
//! linked and signed, each by one node of a region at a time.

use std::time::Duration;

use meridian_regions::Registry;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::relays::Watch;
use super::report;
use crate::clock::Deadline;
use crate::domain::evidence::{Entry, Happening};
use crate::privacy::audit;
use crate::privacy::evidence::Keeper;
use crate::privacy::rights::{Refusal, Rights};
use crate::relay::Relay;
use crate::store::Error;
use crate::store::relay::Relayed;

/// Looks between two questions whether the chain is to be signed.
const SIGN_EVERY_LOOKS: u64 = 20;
/// Looks between two at the places of the region's rows: ten minutes of half seconds.
const GLANCE_EVERY_LOOKS: u64 = 1200;
/// Looks before the first one at the places of rows.
const FIRST_GLANCE: u64 = 10;
/// Travellers whose rows are looked at each time.
const SAMPLES: i64 = 5;
/// Longest that keeping what was found may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Links what happened, and signs the chain every now and then, until told to stop.
pub(super) async fn evidence(
    keeper: Keeper,
    registry: Registry,
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
        // The first look a little later: a chain that nobody kept for long is linked by then.
        if looks % GLANCE_EVERY_LOOKS == FIRST_GLANCE
            && let Err(error) = glance(&keeper, registry).await
        {
            report("locality", &error);
        }
        looks += 1;
    }
    watch.end().await;
}

/// Looks whether this region's rows are where they must be, and keeps what was found.
async fn glance(keeper: &Keeper, registry: Registry) -> Result<(), Error> {
    let home = keeper.home;
    let (violations, body) = audit::glance(&keeper.store, registry, home, SAMPLES).await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    metrics::gauge!("meridian_locality_violations", "region" => home.name.clone())
        .set(violations as f64);
    let entry = (violations > 0).then(|| {
        let controls: Vec<&Value> = body["violations"]
            .as_array()
            .map(|all| all.iter().map(|it| &it["control"]).collect())
            .unwrap_or_default();
        Entry::new(Happening::LocalityViolated, json!({ "controls": controls }))
    });
    let id = Uuid::new_v4();
    keeper
        .store
        .transact("verdict_put", Deadline::after(PATIENCE), |tx| {
            let (body, entry) = (body.clone(), entry.clone());
            async move {
                tx.verdict_put(home, id, violations, &body).await?;
                match &entry {
                    Some(entry) => tx.evidence(home, entry).await,
                    None => Ok(()),
                }
            }
        })
        .await
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
