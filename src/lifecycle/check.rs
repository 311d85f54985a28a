//! Whether what is there is what the files say. It changes nothing.
//!
//! Three kinds of findings: a difference, with what to do; what could not be told, with why; and
//! nothing. `terraform plan -detailed-exitcode` has the same three.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meridian_geo_routing::{
    CITIES, Condition, Geography, Ground, Live, RoutingTable, Sources, Zone, ask,
};
use meridian_regions::{RegionId, Registry, State};
use serde::{Deserialize, Serialize};

use super::moving;
use crate::catalogue::Catalogue;
use crate::store::datamap::{self, Class};
use crate::store::lifecycle::Life;
use crate::store::{Error, Store};

/// Longest that a node may take to say what it is.
const NODE_PATIENCE: Duration = Duration::from_secs(5);
/// Longest description of itself that a node may send.
const VERSION_BYTES_MAX: usize = 64 * 1024;

/// What a report calls the region that GLOBAL tables are written in.
const PRIMARY: &str = "the primary region";

/// Something that is not as the files say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where: `database`, `nodes`, `dns`, `terraform`.
    pub place: &'static str,
    /// Which region, host or table.
    pub subject: String,
    /// What the files say.
    pub wanted: String,
    /// What is there.
    pub found: String,
    /// What to do.
    pub advice: String,
}

/// Something that could not be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// Where, as in [`Difference`].
    pub place: &'static str,
    /// Which region, host or table.
    pub subject: String,
    /// Why.
    pub why: String,
}

/// What a check found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Fingerprint of the files.
    pub regions: String,
    /// What was looked at: the places, with how many questions each.
    pub looked: Vec<(&'static str, usize)>,
    /// What is not as the files say.
    pub differences: Vec<Difference>,
    /// What could not be told.
    pub unknown: Vec<Unknown>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, questions) in &self.looked {
            writeln!(f, "{place}: {questions} questions")?;
        }
        for it in &self.differences {
            let Difference { place, subject, wanted, found, advice } = it;
            writeln!(f, "DIFFERS  {place} {subject}: wanted {wanted}, found {found}; {advice}")?;
        }
        for Unknown { place, subject, why } in &self.unknown {
            writeln!(f, "UNKNOWN  {place} {subject}: {why}")?;
        }
        let (differ, unknown) = (self.differences.len(), self.unknown.len());
        write!(f, "{differ} difference(s), {unknown} unknown")
    }
}

/// What to look at besides the database.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Ask each serving region's nodes what they are.
    pub nodes: bool,
    /// Ask this name server for people all over the world.
    pub dns: Option<SocketAddr>,
    /// The zone that it answers for.
    pub zone: Option<Zone>,
    /// What `terraform output -json` said of the global root.
    pub terraform: Option<String>,
}

/// Compares everything that was named with the files.
pub async fn check(store: &Store, registry: Registry, places: &Places) -> Report {
    let mut report = Report { regions: registry.fingerprint().to_owned(), ..Report::default() };
    let drains = match database(store, registry, &mut report).await {
        Ok(drains) => Some(drains),
        Err(error) => {
            report.cannot_tell("database", "all of it", &error);
            None
        }
    };
    if places.nodes {
        nodes(registry, &mut report).await;
    }
    if let (Some(server), Some(zone)) = (places.dns, &places.zone) {
        match &drains {
            Some(drains) => dns(server, zone, registry, drains, &mut report).await,
            None => report.cannot_tell("dns", "all of it", "who drains is not known"),
        }
    }
    if let Some(outputs) = &places.terraform {
        terraform(outputs, registry, &mut report);
    }
    report
}

impl Report {
    fn cannot_tell(&mut self, place: &'static str, subject: &str, why: impl fmt::Display) {
        self.unknown.push(Unknown { place, subject: subject.to_owned(), why: why.to_string() });
    }

    fn differs(&mut self, place: &'static str, subject: &str, says: [&str; 3]) {
        let [wanted, found, advice] = says.map(str::to_owned);
        let subject = subject.to_owned();
        self.differences.push(Difference { place, subject, wanted, found, advice });
    }
}

/// Rows, lives, the primary and drains. Returns who drains.
async fn database(
    store: &Store,
    registry: Registry,
    report: &mut Report,
) -> Result<BTreeSet<String>, Error> {
    let mut questions = rows(store, registry, report).await?;
    let lives = store.lives().await?;
    lived(registry, &lives, report);
    questions += 1;
    // PostgreSQL has no primary: there it is a word in a file.
    if store.engine().is_cockroach() {
        match store.primary_region().await {
            Ok(found) => primary(registry.primary(), found.as_deref(), report),
            // CockroachDB tells administrators only; the rest can be asked all the same.
            Err(error) => report.cannot_tell("database", PRIMARY, error),
        }
        questions += 1;
    }
    questions += leaving(store, registry, report).await?;
    let drained = drains(store, registry, &lives, report).await?;
    report.looked.push(("database", questions + 1));
    Ok(drained)
}

/// Rows lie in regions of the files, and each of these has a place. Returns how many questions.
async fn rows(store: &Store, registry: Registry, report: &mut Report) -> Result<usize, Error> {
    let holds: BTreeSet<String> = registry.with_rows().map(|it| it.locality.clone()).collect();
    let mut questions = 0;
    for (table, about) in datamap::tables() {
        if about.class == Class::Global {
            continue;
        }
        questions += 1;
        for (region, rows) in store.fresh().rows_per_region(table, about.class).await? {
            if rows > 0 && !holds.contains(&region) {
                let found = format!("{rows} row(s) of {region}");
                let advice = "move them before the region goes any further";
                report.differs("database", table, ["no rows there", &found, advice]);
            }
        }
        if about.class == Class::Personal {
            questions += 1;
            let places = store.placements(table).await?;
            let there: BTreeSet<String> = places.into_iter().map(|(region, _)| region).collect();
            for region in holds.difference(&there) {
                let advice = "run `meridian migrate` with these files";
                report.differs("database", table, ["a place for each region", region, advice]);
            }
        }
    }
    Ok(questions)
}

/// Nobody is at home, and no seats are kept, where the files say otherwise. Returns how many
/// questions.
async fn leaving(store: &Store, registry: Registry, report: &mut Report) -> Result<usize, Error> {
    let catalogue = Catalogue::load().map_err(|broken| Error::Unreadable(broken.to_string()))?;
    let advice = "move them: `meridian regions plan`, then `apply`";
    for (region, it) in moving::leaving(store, registry, &catalogue).await? {
        if it.travellers > 0 {
            let found = format!("{} travellers whose home is another region", it.travellers);
            report.differs("database", &region, ["only who is at home there", &found, advice]);
        }
        if it.countries > 0 {
            let found = format!("the seats of {} countries that others claim", it.countries);
            report.differs("database", &region, ["only its own seats", &found, advice]);
        }
    }
    Ok(2 * registry.with_rows().count())
}

/// Each region has got as far as its file says. What is only planned exists nowhere, so the
/// database need not have heard of it; and a removed region's file may be gone.
fn lived(registry: Registry, lives: &BTreeMap<String, Life>, report: &mut Report) {
    if lives.is_empty() {
        let says = ["a life for each region", "none", "run `meridian migrate` with these files"];
        return report.differs("database", "region_life", says);
    }
    for region in registry.all() {
        let life = lives.get(&region.name);
        let is = life.map_or(State::Planned, |life| life.state);
        if is != region.state {
            let found = life.map_or("never heard of".to_owned(), |life| {
                format!("{} since {}", life.state, life.since)
            });
            let (wanted, advice) = (region.state.to_string(), "run `meridian regions plan`");
            report.differs("database", &region.name, [&wanted, &found, advice]);
        }
    }
    for (name, Life { state, since }) in lives {
        if registry.by_name(name).is_none() && *state != State::Removed {
            let found = format!("{state} since {since}");
            let advice = "bring its file back and go on step by step";
            report.differs("database", name, ["no such region", &found, advice]);
        }
    }
}

/// The database writes what all regions share where the files say.
fn primary(wanted: RegionId, found: Option<&str>, report: &mut Report) {
    if found != Some(wanted.locality.as_str()) {
        let found = found.unwrap_or("no primary");
        let advice = "move it (docs/runbooks/05-move-primary-region.md), or write in the files \
                      where it is";
        report.differs("database", PRIMARY, [&wanted.locality, found, advice]);
    }
}

/// Who takes nobody new is somebody who could. Returns them.
async fn drains(
    store: &Store,
    registry: Registry,
    lives: &BTreeMap<String, Life>,
    report: &mut Report,
) -> Result<BTreeSet<String>, Error> {
    let drains = store.drains().await?;
    for drain in &drains {
        let known = registry.by_name(&drain.region);
        if !known.is_some_and(|it| matches!(it.state, State::Active | State::Draining)) {
            let advice = "`meridian regions undrain` it; its nodes are gone";
            let found = format!("drained because of \"{}\"", drain.reason);
            report.differs("database", &drain.region, ["no drain", &found, advice]);
        }
    }
    let drained: BTreeSet<String> = drains.into_iter().map(|it| it.region).collect();
    for region in registry.all().filter(|it| it.state == State::Draining) {
        // Where the step was not taken yet, the plan drains it.
        let taken = lives.get(&region.name).is_some_and(|it| it.state == State::Draining);
        if taken && !drained.contains(&region.name) {
            let advice = "`meridian regions drain` it, or set its file back to active";
            report.differs("database", &region.name, ["draining", "it takes everybody", advice]);
        }
    }
    Ok(drained)
}

#[derive(Deserialize)]
struct Version {
    region: String,
    regions: String,
}

async fn nodes(registry: Registry, report: &mut Report) {
    let client = reqwest::Client::builder()
        .timeout(NODE_PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client without options can be built");
    let serving = serving(registry);
    for region in &serving {
        match version(&client, *region).await {
            Err(why) => report.cannot_tell("nodes", &region.name, why),
            Ok(version) => {
                if version.region != region.name {
                    let advice = "its address leads to another region; look at endpoints";
                    let says = [region.name.as_str(), &version.region, advice];
                    report.differs("nodes", &region.name, says);
                }
                if version.regions != registry.fingerprint() {
                    let advice = "deploy the build that has these files";
                    let says = [registry.fingerprint(), &version.regions, advice];
                    report.differs("nodes", &region.name, says);
                }
            }
        }
    }
    report.looked.push(("nodes", serving.len()));
}

async fn version(client: &reqwest::Client, region: RegionId) -> Result<Version, String> {
    let url = format!("{}/version", region.endpoints.api);
    let silent = |error: reqwest::Error| format!("{url} does not answer: {}", error.without_url());
    let mut answer = client.get(&url).send().await.map_err(silent)?;
    if !answer.status().is_success() {
        return Err(format!("{url} answers {}", answer.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(silent)? {
        body.extend_from_slice(&chunk);
        if body.len() > VERSION_BYTES_MAX {
            return Err(format!("{url} sends more than {VERSION_BYTES_MAX} bytes"));
        }
    }
    serde_json::from_slice(&body).map_err(|_| format!("{url} is no node of this build or newer"))
}

fn serving(registry: Registry) -> Vec<RegionId> {
    registry.all().filter(|it| matches!(it.state, State::Active | State::Draining)).collect()
}

/// People of twenty cities ask for every host, and are told what the files and the drains say.
async fn dns(
    server: SocketAddr,
    zone: &Zone,
    registry: Registry,
    drained: &BTreeSet<String>,
    report: &mut Report,
) {
    let sources = Sources::new(registry, vec![zone.clone()]);
    let ground = match Ground::new(&sources, SystemTime::UNIX_EPOCH) {
        Ok(ground) => Arc::new(ground),
        Err(error) => return report.cannot_tell("dns", "the zone", error),
    };
    let drains = |it: &RegionId| (drained.contains(&it.name)).then_some((*it, Condition::Draining));
    let live: Live = registry.all().filter_map(|it| drains(&it)).collect();
    let table = RoutingTable::compile(ground, live);
    let geography = Geography::embedded();
    let mut questions = 0;
    for host in registry.hosts().keys() {
        let name = format!("{host}.{}", zone.origin());
        for line in CITIES.lines().skip(1) {
            let Some((city, subnet)) = city(line) else { continue };
            let place = geography.locate(subnet.address());
            let wanted = table.shares(&name, &place);
            questions += 1;
            let subject = format!("{host} for {city}");
            match ask(server, &name, subnet).await {
                Err(error) => report.cannot_tell("dns", &subject, error),
                Ok(found) if !wanted.iter().any(|(region, _)| is_of(*region, &found)) => {
                    let names: Vec<&str> = wanted.iter().map(|it| it.0.name.as_str()).collect();
                    let found = named(registry, &found);
                    let advice = "a region may be sick, or the server has other files; ask it why \
                                  with `geo-routing explain`";
                    report.differs("dns", &subject, [&names.join(" or "), &found, advice]);
                }
                Ok(_) => {}
            }
        }
    }
    report.looked.push(("dns", questions));
}

fn city(line: &str) -> Option<(&str, meridian_geo_routing::Subnet)> {
    let fields: Vec<&str> = line.split(',').collect();
    Some((fields.first()?, fields.get(4)?.parse().ok()?))
}

fn is_of(region: RegionId, addresses: &[IpAddr]) -> bool {
    let is = |it: &IpAddr| matches!(it, IpAddr::V4(v4) if region.endpoints.ipv4.contains(v4));
    !addresses.is_empty() && addresses.iter().all(is)
}

fn named(registry: Registry, addresses: &[IpAddr]) -> String {
    match registry.all().find(|it| is_of(*it, addresses)) {
        Some(region) => region.name.clone(),
        None => format!("{addresses:?}"),
    }
}

#[derive(Deserialize)]
struct Outputs {
    fingerprint: Output,
}

#[derive(Deserialize)]
struct Output {
    value: String,
}

fn terraform(outputs: &str, registry: Registry, report: &mut Report) {
    report.looked.push(("terraform", 1));
    match serde_json::from_str::<Outputs>(outputs) {
        Err(error) => {
            let why = format!("not what `terraform output -json` says of live/global: {error}");
            report.cannot_tell("terraform", "the outputs", why);
        }
        Ok(it) if it.fingerprint.value != registry.fingerprint() => {
            let advice = "apply terraform/live/global with these files";
            let says = [registry.fingerprint(), it.fingerprint.value.as_str(), advice];
            report.differs("terraform", "the records", says);
        }
        Ok(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use meridian_regions::Registry;

    use super::{Report, primary};

    #[test]
    fn a_primary_that_the_files_do_not_name_is_a_difference() {
        let registry = Registry::embedded().expect("the shipped regions keep every rule");
        let wanted = registry.primary();
        let other = registry.all().find(|it| *it != wanted).expect("there are several");
        let said = |found: Option<&str>| {
            let mut report = Report::default();
            primary(wanted, found, &mut report);
            let lines = report.differences.into_iter().map(|it| (it.wanted, it.found, it.advice));
            lines.collect::<Vec<_>>()
        };
        assert_eq!(said(Some(&wanted.locality)), []);
        for (found, says) in
            [(Some(other.locality.as_str()), other.locality.as_str()), (None, "no primary")]
        {
            let [(wants, has, advice)] = &said(found)[..] else { panic!("one difference") };
            assert_eq!((wants, has.as_str()), (&wanted.locality, says));
            assert!(advice.contains("docs/runbooks/05-move-primary-region.md"), "{advice}");
        }
    }
}
