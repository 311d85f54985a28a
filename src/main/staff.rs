//! `meridian staff …`: each only wires rooms together.

use std::process::ExitCode;

use meridian::config::{Staff, StaffAction, StaffPlace};
use meridian::privacy::desk::Desk;
use meridian::privacy::keys;
use meridian::store::{Store, StoreConfig};
use meridian_regions::Registry;

use crate::{Outcome, say, text};

async fn desk(registry: Registry, place: &StaffPlace) -> Result<Desk, String> {
    let home = registry.by_name(&place.region);
    let home = home.ok_or_else(|| format!("{} is no region", place.region))?;
    let signer = keys::evidence_key(&place.keys, home).map_err(text)?;
    let config = StoreConfig::new(place.database.url.clone());
    let store = Store::open(&config).await.map_err(text)?;
    Ok(Desk { store, home, registry, signer })
}

pub(crate) async fn run(registry: Registry, staff: Staff) -> Outcome {
    let (StaffAction::Grant { place, .. }
    | StaffAction::List { place }
    | StaffAction::Revoke { place, .. }) = &staff.action;
    let desk = desk(registry, place).await?;
    match staff.action {
        StaffAction::Grant { role, label, days, .. } => {
            let (id, token) = desk.grant(role, &label, days).await.map_err(text)?;
            say(&format!("grant {id}\ntoken {token}"));
        }
        StaffAction::List { .. } => {
            for it in desk.store.fresh().grant_list(desk.home).await.map_err(text)? {
                say(&format!(
                    "{} {:<10} until {} {}",
                    it.id,
                    it.role.name(),
                    it.expires_at,
                    it.label
                ));
            }
        }
        StaffAction::Revoke { id, .. } => {
            if !desk.revoke(id).await.map_err(text)? {
                return Err(format!("{} has no grant {id}; see `meridian staff list`", desk.home));
            }
        }
    }
    desk.store.close();
    Ok(ExitCode::SUCCESS)
}
