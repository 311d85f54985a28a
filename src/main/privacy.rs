//! `meridian privacy …`: each only wires rooms together.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use meridian::clock::{Clock, Deadline};
use meridian::config::{Privacy, PrivacyAction, RecordsFormat, Subject, Switch};
use meridian::domain::ids::TravellerId;
use meridian::domain::privacy::{RequestKind, RequestState};
use meridian::privacy::keys::{self, Keys};
use meridian::privacy::records;
use meridian::privacy::rights::erasure::reapply;
use meridian::privacy::rights::view::{PrivacyView, RequestView};
use meridian::privacy::rights::{By, Rights};
use meridian::privacy::rotation;
use meridian::store::datamap::{self, Map};
use meridian::store::retention::{Rule, rules};
use meridian::store::{DatabaseUrl, Store, StoreConfig};
use meridian_regions::{RegionId, Registry};

use crate::{FOUND, Outcome, print_json, say, text};

/// Longest that a worker may take to make a copy that somebody waits for.
const COPY_PATIENCE: Duration = Duration::from_secs(120);
/// Seconds of a day.
const DAY_SECONDS: i64 = 24 * 60 * 60;
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
        PrivacyAction::Records { format, map } => records(format, map.as_deref()),
        PrivacyAction::Fides { map } => with_map(map.as_deref(), |map| {
            let dataset = serde_json::to_string_pretty(&records::fides(map)).map_err(text)?;
            say(&dataset);
            Ok(ExitCode::SUCCESS)
        }),
        PrivacyAction::Map { check } => with_map(Some(&check), |map| {
            say(&format!("{}: {} tables, no fault", check.display(), map.len()));
            Ok(ExitCode::SUCCESS)
        }),
        PrivacyAction::Retention { database, json } => retention(database.url, json).await,
        PrivacyAction::Rewrap { region, keys, database } => {
            rewrap(registry, &region, &keys, database.url).await
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

async fn export(rights: &Rights, id: TravellerId, out: Option<&Path>) -> Outcome {
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

/// Does something with the built-in data map or another; every fault of that is listed.
fn with_map(file: Option<&Path>, work: impl FnOnce(&Map) -> Outcome) -> Outcome {
    let Some(path) = file else { return work(datamap::tables()) };
    let read = std::fs::read_to_string(path);
    let words = read.map_err(|error| format!("{}: {error}", path.display()))?;
    match datamap::parse(&words) {
        Ok(map) => work(&map),
        Err(faults) => {
            for fault in &faults.0 {
                say(&format!("{}: {fault}", path.display()));
            }
            Ok(ExitCode::from(FOUND))
        }
    }
}

fn records(format: RecordsFormat, map: Option<&Path>) -> Outcome {
    with_map(map, |map| {
        let house = records::house().map_err(text)?;
        let activities = records::activities(map, &house).map_err(text)?;
        match format {
            RecordsFormat::Json => print_json(&records::as_json(&house, &activities)),
            RecordsFormat::Csv => {
                let csv = records::as_csv(&house, &activities);
                say(String::from_utf8_lossy(&csv).trim_end());
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}

/// A line of the sweeper's work list, and how it stands.
#[derive(serde::Serialize)]
struct Standing {
    rule: Rule,
    region: String,
    oldest_days: i64,
    overdue: bool,
}

async fn retention(url: DatabaseUrl, json: bool) -> Outcome {
    let store = Store::open(&StoreConfig::new(url)).await.map_err(text)?;
    let mut lines = Vec::new();
    for rule in rules(datamap::tables()) {
        for (region, age) in store.fresh().oldest(&rule).await.map_err(text)? {
            let oldest_days = age / DAY_SECONDS;
            let overdue = oldest_days > rule.days + 1;
            lines.push(Standing { rule: rule.clone(), region, oldest_days, overdue });
        }
    }
    store.close();
    if json {
        print_json(&lines)?;
    } else {
        for it in &lines {
            let stands = if it.overdue { "OVERDUE" } else { "kept" };
            let Rule { table, by, days, swept, .. } = &it.rule;
            let oldest = it.oldest_days;
            say(&format!(
                "{table:<17} {by} + {days} days by {swept}; {}: oldest {oldest} days, {stands}",
                it.region
            ));
        }
        for (table, why) in records::unswept(datamap::tables()) {
            say(&format!("{table:<17} is not swept: {why}"));
        }
    }
    let overdue = lines.iter().any(|it| it.overdue);
    Ok(if overdue { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

async fn rewrap(registry: Registry, region: &str, keys: &Path, url: DatabaseUrl) -> Outcome {
    let home = registry.by_name(region).ok_or_else(|| format!("{region} is no region"))?;
    let keys = Keys::load(keys, registry, home).map_err(text)?;
    let store = Store::open(&StoreConfig::new(url)).await.map_err(text)?;
    let done = rotation::rewrap(&store, &keys.region).await.map_err(text)?;
    store.close();
    print_json(&done)?;
    Ok(if done.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}
