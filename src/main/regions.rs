//! `meridian regions …`: each only wires rooms together.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use meridian::catalogue::Catalogue;
use meridian::clock::Clock;
use meridian::config::{Drain, RegionsAction, RegionsCheck};
use meridian::lifecycle::apply::{self, News, Orders, Progress};
use meridian::lifecycle::check::{self, Places};
use meridian::lifecycle::drain::{self, Word};
use meridian::lifecycle::moving::{self, Tally};
use meridian::lifecycle::plan::{self, Plan, Step};
use meridian::store::lifecycle::Drain as Drained;
use meridian::store::{DatabaseUrl, Store, StoreConfig};
use meridian_geo_routing::Zone;
use meridian_regions::{RegionId, Registry};

use crate::{FOUND, Outcome, YOURS, print_json, refused, say, text};

pub(crate) async fn run(registry: Registry, dir: Option<&Path>, action: RegionsAction) -> Outcome {
    match action {
        RegionsAction::Check(check) => check_regions(registry, dir, check).await,
        RegionsAction::Show { name, database } => {
            let region = named(registry, &name)?;
            let mut json = serde_json::to_value(&*region).map_err(text)?;
            if let Some(url) = database.url {
                json["drain"] = drain_of(&drains(url).await?, region);
            }
            say(&serde_json::to_string_pretty(&json).map_err(text)?);
            Ok(ExitCode::SUCCESS)
        }
        RegionsAction::Drain(drain) => {
            let since = drain_region(registry, &drain, drain.force).await?;
            let name = &drain.name;
            say(&format!(
                "{name} takes nobody new since {since}; name servers follow within a probe and \
                 the time to live of an answer. `meridian regions undrain {name}` takes it back."
            ));
            Ok(ExitCode::SUCCESS)
        }
        RegionsAction::Undrain { name, database } => {
            let region = named(registry, &name)?;
            let store = Store::open(&StoreConfig::new(database.url)).await.map_err(text)?;
            let was = drain::undrain(&store, region).await.map_err(text)?;
            store.close();
            let said = if was { "takes everybody again" } else { "took everybody already" };
            say(&format!("{name} {said}"));
            Ok(ExitCode::SUCCESS)
        }
        RegionsAction::Evacuate { drain, wait } => {
            let since = drain_region(registry, &drain, true).await?;
            say(&format!("{} takes nobody new since {since}", drain.name));
            let region = named(registry, &drain.name)?;
            let seen =
                drain::until_closed(region, Duration::from_secs(wait)).await.map_err(text)?;
            say(&format!("{} {seen}", drain.name));
            Ok(ExitCode::SUCCESS)
        }
        RegionsAction::Plan { database, out, json } => {
            plan_regions(registry, database.url, out.as_deref(), json).await
        }
        RegionsAction::Apply { plan, done, wait, keys, database } => {
            let path = plan.display().to_string();
            let unreadable = |error| format!("{path} cannot be read: {error}; see `regions plan`");
            let whole = std::fs::read_to_string(&plan).map_err(unreadable)?;
            let plan = serde_json::from_str(&whole)
                .map_err(|error| format!("{path} is no plan: {error}"))?;
            let wait = Duration::from_secs(wait);
            let orders = Orders { done: done.into_iter().collect(), wait, keys };
            apply_regions(registry, database.url, (&plan, &path), &orders).await
        }
        RegionsAction::List { database, json } => list(registry, database.url, json).await,
    }
}

/// The files are shown whatever the database says: whoever lists regions may do so because it is
/// away.
async fn list(registry: Registry, url: Option<DatabaseUrl>, json: bool) -> Outcome {
    let drains = match url {
        Some(url) => Some(drains(url).await),
        None => None,
    };
    let known = drains.as_ref().and_then(|drains| drains.as_ref().ok());
    if json {
        let file = |region: RegionId| {
            let mut json = serde_json::to_value(&*region).map_err(text)?;
            if let Some(drains) = known {
                json["drain"] = drain_of(drains, region);
            }
            Ok(json)
        };
        print_json(&registry.all().map(file).collect::<Result<Vec<_>, String>>()?)?;
    } else {
        for region in registry.all() {
            let drain = known.and_then(|drains| drains.iter().find(|it| it.region == region.name));
            say(&line(region, drain));
        }
    }
    match drains {
        Some(Err(why)) => Err(format!("who drains could not be told: {why}")),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn line(region: RegionId, drain: Option<&Drained>) -> String {
    let mut line = format!(
        "{:<14} {:<5} {:<12} {:<4} homes {:>3} countries   {}",
        region.name,
        region.id_tag,
        region.state.to_string(),
        region.jurisdiction,
        region.homes.len(),
        region.endpoints.api,
    );
    if let Some(Drained { reason, since, ends_at, .. }) = drain {
        let until = ends_at.map(|it| format!(" until {it}")).unwrap_or_default();
        line.push_str(&format!("   drains since {since}{until}: {reason}"));
    }
    line
}

async fn drains(url: DatabaseUrl) -> Result<Vec<Drained>, String> {
    let store = Store::open(&StoreConfig::new(url)).await.map_err(text)?;
    let drains = store.drains().await;
    store.close();
    drains.map_err(text)
}

/// `null` for a region that takes everybody.
fn drain_of(drains: &[Drained], region: RegionId) -> serde_json::Value {
    let drain = drains.iter().find(|it| it.region == region.name);
    serde_json::to_value(drain).expect("a drain is plain data")
}

fn named(registry: Registry, name: &str) -> Result<RegionId, String> {
    let known: Vec<String> = registry.all().map(|region| region.name.clone()).collect();
    let none = || format!("there is no region \"{name}\"; there are {}", known.join(", "));
    registry.by_name(name).ok_or_else(none)
}

async fn drain_region(registry: Registry, it: &Drain, force: bool) -> Result<Timestamp, String> {
    let region = named(registry, &it.name)?;
    let store = Store::open(&StoreConfig::new(it.database.url.clone())).await.map_err(text)?;
    let word = Word { reason: it.reason.clone(), until: it.until, force };
    let since = drain::drain(&store, registry, region, &word, Clock::default().now()).await;
    store.close();
    since.map_err(text)
}

async fn plan_regions(
    registry: Registry,
    url: DatabaseUrl,
    out: Option<&Path>,
    json: bool,
) -> Outcome {
    let store = Store::open(&StoreConfig::new(url.clone())).await.map_err(text)?;
    let lives = store.lives().await.map_err(text)?;
    let catalogue = Catalogue::load().map_err(text)?;
    let leaving = moving::leaving(&store, registry, &catalogue).await.map_err(text)?;
    let database = store.engine().is_cockroach().then(|| url.database_name());
    let plan = plan::plan(&registry, &lives, &leaving, database).map_err(text)?;
    store.close();
    let whole = serde_json::to_string_pretty(&plan).map_err(text)?;
    if let Some(out) = out {
        std::fs::write(out, &whole).map_err(|error| format!("{}: {error}", out.display()))?;
    }
    say(&if json { whole } else { plan.to_string() });
    Ok(ExitCode::SUCCESS)
}

async fn apply_regions(
    registry: Registry,
    url: DatabaseUrl,
    (plan, path): (&Plan, &str),
    orders: &Orders,
) -> Outcome {
    let store = Store::open(&StoreConfig::new(url.clone())).await.map_err(text)?;
    let tell = |news: News<'_>| match news {
        News::Step(step) => say(&format!("{:>3}  {}: {}", step.number, step.region, step.title)),
        News::Moved(Tally { moved, .. }) => say(&format!("     {moved} moved")),
    };
    let progress = apply::apply(&store, &url, &registry, plan, orders, tell).await;
    store.close();
    match progress.map_err(text)? {
        Progress::Done => {
            say(&format!("plan {} is done", plan.id));
            Ok(ExitCode::SUCCESS)
        }
        Progress::Yours(step) => {
            let Step { number, region, title, act, .. } = step;
            say(&format!("step {number} is yours, {region}: {title}\n  {act}"));
            say(&format!("then: meridian regions apply {path} --done {number}"));
            Ok(ExitCode::from(YOURS))
        }
    }
}

async fn check_regions(registry: Registry, dir: Option<&Path>, it: RegionsCheck) -> Outcome {
    if let Some(before) = &it.before {
        let Some(dir) = dir else {
            return Err("--before needs --regions-dir: compare a directory with a directory".into());
        };
        if let Err(broken) = Registry::from_dir_after(before, dir) {
            return Ok(refused(&broken));
        }
    }
    let Some(url) = it.database.url else {
        say(&format!("{} regions keep every rule", registry.all().count()));
        return Ok(ExitCode::SUCCESS);
    };
    let zone = match &it.zone {
        Some(path) => Zone::from_path(path).map_err(text)?,
        None => Zone::embedded(),
    };
    let terraform = match &it.terraform {
        Some(path) => Some(std::fs::read_to_string(path).map_err(text)?),
        None => None,
    };
    let places = Places { nodes: it.nodes, dns: it.dns, zone: Some(zone), terraform };
    let store = Store::open(&StoreConfig::new(url)).await.map_err(text)?;
    let report = check::check(&store, registry, &places).await;
    store.close();
    if it.json {
        print_json(&report)?;
    } else {
        say(&report.to_string());
    }
    Ok(if !report.differences.is_empty() {
        ExitCode::from(FOUND)
    } else if !report.unknown.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
