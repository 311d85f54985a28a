//! `meridian privacy …`: each only wires rooms together.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use meridian::clock::{Clock, Deadline};
use meridian::config::{Privacy, PrivacyAction, Subject, Switch};
use meridian::domain::ids::TravellerId;
use meridian::domain::privacy::{RequestKind, RequestState};
use meridian::privacy::keys::{self, Keys};
use meridian::privacy::rights::erasure::reapply;
use meridian::privacy::rights::view::{PrivacyView, RequestView};
use meridian::privacy::rights::{By, Rights};
use meridian::store::{Store, StoreConfig};
use meridian_regions::{RegionId, Registry};

use crate::{Outcome, print_json, say, text};

/// Longest that a worker may take to make a copy that somebody waits for.
const COPY_PATIENCE: Duration = Duration::from_secs(120);
/// Pause between two looks whether it is there.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A traveller where they are at home now, and their rights there.
async fn find(registry: Registry, subject: &Subject) -> Result<(Rights, TravellerId), String> {
    let id = TravellerId::parse(&registry, &subject.id)
        .ok_or("that is no id of a traveller; one looks like trv_euc1_ and 32 digits")?;
    let config = StoreConfig::new(subject.database.url.clone());
    let store = Store::open(&config).await.map_err(text)?;
    let mut regions: Vec<RegionId> = registry.with_rows().collect();
    // Who never moved is found at once.
    regions.sort_by_key(|region| *region != id.home());
    for home in regions {
        let here = TravellerId::from_parts(home, id.uuid());
        if store.fresh().account_get(here).await.map_err(text)?.is_some() {
            let keys = Keys::load(&subject.keys, registry, home).map_err(text)?;
            let clock = Clock::default();
            let rights = Rights { store, keys, home, registry, clock, journal: None };
            return Ok((rights, here));
        }
    }
    Err("no region has a traveller of this id".to_owned())
}

pub(crate) async fn run(registry: Registry, privacy: Privacy) -> Outcome {
    match privacy.action {
        PrivacyAction::Show { subject } => {
            let (rights, id) = find(registry, &subject).await?;
            let seen = rights.overview(id).await.map_err(text)?;
            print_json(&PrivacyView::from(seen))
        }
        PrivacyAction::Export { subject, out } => {
            let (rights, id) = find(registry, &subject).await?;
            export(&rights, id, out.as_deref()).await
        }
        PrivacyAction::Erase { subject, yes } => {
            let (rights, id) = find(registry, &subject).await?;
            erase(&rights, id, yes).await
        }
        PrivacyAction::Restrict { subject, switch } => {
            let (rights, id) = find(registry, &subject).await?;
            let on = Some(switch == Switch::On);
            rights.processing(id, on, None, By::Operator).await.map_err(text)?;
            Ok(ExitCode::SUCCESS)
        }
        PrivacyAction::Object { subject, switch } => {
            let (rights, id) = find(registry, &subject).await?;
            let on = Some(switch == Switch::On);
            rights.processing(id, None, on, By::Operator).await.map_err(text)?;
            Ok(ExitCode::SUCCESS)
        }
        PrivacyAction::Reapply { erasures, keys, database } => {
            let directory = keys::directory_key(&keys).map_err(text)?;
            let store = Store::open(&StoreConfig::new(database.url)).await.map_err(text)?;
            let regions: Vec<RegionId> = registry.with_rows().collect();
            let done = reapply(&store, &directory, &regions, &erasures).await.map_err(text)?;
            store.close();
            print_json(&done)
        }
    }
}

async fn export(rights: &Rights, id: TravellerId, out: Option<&std::path::Path>) -> Outcome {
    let asked = rights.ask_export(id, By::Operator).await.map_err(text)?;
    let Some(out) = out else { return print_json(&RequestView::from(asked)) };
    let deadline = Deadline::after(COPY_PATIENCE);
    loop {
        let found = rights.request(id, asked.id, RequestKind::Export).await.map_err(text)?;
        if found.state == RequestState::Done {
            break;
        }
        if deadline.passed() {
            return Err(format!(
                "{} is asked and not made yet; is a worker of {} running?",
                asked.id, rights.home
            ));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let archive = rights.fetch_by_operator(id, asked.id).await.map_err(text)?;
    let failed = |error: std::io::Error| format!("writing {} failed: {error}", out.display());
    let mut file = std::fs::File::create_new(out).map_err(failed)?;
    file.write_all(&archive).map_err(failed)?;
    say(&format!("{}: {} bytes", out.display(), archive.len()));
    Ok(ExitCode::SUCCESS)
}

async fn erase(rights: &Rights, id: TravellerId, yes: bool) -> Outcome {
    let asked = rights.ask_erasure(id, By::Operator).await.map_err(text)?;
    if !yes {
        say("nothing was done; this is what would go, `kept` what a law keeps; add --yes");
        return print_json(&RequestView::from(asked.request));
    }
    let token = asked.token.text().to_owned();
    let confirmed = rights.confirm_erasure(id, asked.request.id, &token).await.map_err(text)?;
    say(&format!("receipt {token}"));
    print_json(&RequestView::from(confirmed))
}
