//! The rules that hold across files. Each refusal names the file and says what to do.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use ipnet::Ipv4Net;

use crate::file::{Host, Jurisdiction, RegionFile, State};
use crate::place::{Continent, Country};

/// Fewest active regions. The cluster keeps five copies of its own records (which node lives, where
/// each range is), as far apart as it can: over three regions at most two lie in one, and whichever
/// is lost leaves a majority, so the others serve on; over two, one loss can stop both. No number
/// saves the rows of the lost region itself: they stay under its law, and CockroachDB outlives the
/// loss of a region only where a law has three.
const ACTIVE_MIN: usize = 3;

/// Fewest zones of a region: a quorum of three outlives the loss of one.
const ZONES_MIN: usize = 3;

/// A broken rule: which, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The file at fault.
    pub file: String,
    /// What is wrong and what to do, in one sentence.
    pub advice: String,
}

/// Every broken rule of a set of files.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Broken(pub Vec<Rule>);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the regions directory breaks {} rule(s)", self.0.len())?;
        for rule in &self.0 {
            write!(f, "\n  {}: {}", rule.file, rule.advice)?;
        }
        Ok(())
    }
}

/// The parsed directory, before anyone trusts it.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) regions: Vec<RegionFile>,
    pub(crate) jurisdictions: BTreeMap<String, Jurisdiction>,
    pub(crate) unhomed: BTreeMap<Country, String>,
    pub(crate) hosts: BTreeMap<String, Host>,
    /// The file that each region came in, without its ending.
    pub(crate) stems: HashMap<String, String>,
    /// Of all files as they are written.
    pub(crate) fingerprint: String,
}

struct Checker<'a> {
    draft: &'a Draft,
    broken: Vec<Rule>,
}

pub(crate) fn check(draft: &Draft) -> Vec<Rule> {
    let mut checker = Checker { draft, broken: Vec::new() };
    checker.names();
    checker.uniqueness();
    checker.primary();
    checker.active();
    checker.jurisdictions();
    checker.fallbacks();
    checker.steering();
    checker.networks();
    checker.peers();
    checker.hosts();
    checker.claims();
    checker.homes();
    checker.broken
}

impl Checker<'_> {
    fn say(&mut self, file: impl Into<String>, advice: impl Into<String>) {
        self.broken.push(Rule { file: file.into(), advice: advice.into() });
    }

    fn names(&mut self) {
        for region in &self.draft.regions {
            if let Some(stem) = self.draft.stems.get(&region.name)
                && *stem != region.name
            {
                self.say(
                    format!("{stem}.json"),
                    format!(
                        "name is \"{}\"; rename the file or the region so both agree",
                        region.name
                    ),
                );
            }
        }
    }

    fn uniqueness(&mut self) {
        let mut seen: HashMap<(&str, &str), &str> = HashMap::new();
        let mut doubled = Vec::new();
        for region in &self.draft.regions {
            for (field, value) in
                [("name", &region.name), ("id_tag", &region.id_tag), ("locality", &region.locality)]
            {
                if let Some(other) = seen.insert((field, value), &region.name) {
                    doubled.push((region.name.clone(), field, value.clone(), other.to_owned()));
                }
            }
        }
        for (name, field, value, other) in doubled {
            self.say(
                format!("{name}.json"),
                format!("{field} \"{value}\" is taken by {other}; choose another, never reused"),
            );
        }
    }

    fn primary(&mut self) {
        let primaries: Vec<&RegionFile> =
            self.draft.regions.iter().filter(|region| region.primary).collect();
        match primaries.as_slice() {
            [only] if only.state.holds_rows() => {}
            [only] => self.say(
                format!("{}.json", only.name),
                format!(
                    "the primary region is {:?}; make a region that holds rows primary",
                    only.state
                ),
            ),
            [] => self.say("*.json", "no region is primary; set \"primary\": true in exactly one"),
            many => {
                let names: Vec<&str> = many.iter().map(|region| region.name.as_str()).collect();
                self.say(
                    "*.json",
                    format!("{} are all primary; leave \"primary\": true in one", names.join(", ")),
                );
            }
        }
    }

    fn active(&mut self) {
        let active = self.draft.regions.iter().filter(|r| r.state == State::Active).count();
        if active < ACTIVE_MIN {
            self.say(
                "*.json",
                format!(
                    "{active} region(s) active; at least {ACTIVE_MIN} are needed to leave the \
                     database cluster a majority when one is lost, so bring one up before taking \
                     another away"
                ),
            );
        }
    }

    fn jurisdictions(&mut self) {
        let mut owner: BTreeMap<Country, &str> = BTreeMap::new();
        let mut doubled = Vec::new();
        for (code, jurisdiction) in &self.draft.jurisdictions {
            for country in &jurisdiction.residents {
                if let Some(other) = owner.insert(*country, code) {
                    doubled.push((*country, code.clone(), other.to_owned()));
                }
            }
        }
        for (country, code, other) in doubled {
            self.say(
                "policy/jurisdictions.json",
                format!(
                    "{country} is a resident country of both {other} and {code}; leave it in one"
                ),
            );
        }
        for region in &self.draft.regions {
            if !self.draft.jurisdictions.contains_key(&region.jurisdiction) {
                self.say(
                    format!("{}.json", region.name),
                    format!(
                        "jurisdiction \"{}\" is not in policy/jurisdictions.json; add it first",
                        region.jurisdiction
                    ),
                );
            }
            for country in &region.homes {
                if let Some(law) = owner.get(country).filter(|law| **law != region.jurisdiction) {
                    self.say(
                        format!("{}.json", region.name),
                        format!(
                            "homes {country}, whose residents must stay under \"{law}\"; move it \
                             to a region of that jurisdiction"
                        ),
                    );
                }
            }
        }
    }

    fn steering(&mut self) {
        for region in &self.draft.regions {
            let (weight, bias) = (region.dns.weight, region.dns.bias);
            if weight > 100 {
                let advice = format!("weight {weight} is more than all; write 0 to 100 percent");
                self.say(format!("{}.json", region.name), advice);
            }
            if bias.unsigned_abs() > 99 {
                let advice = format!("bias {bias} leaves no distance; write -99 to 99 percent");
                self.say(format!("{}.json", region.name), advice);
            }
        }
    }

    /// A fence holds a region that serves, or there would be nobody to answer.
    fn hosts(&mut self) {
        let serves = |law: &str| {
            let mut inside = self.draft.regions.iter().filter(|it| it.jurisdiction == law);
            inside.any(|it| matches!(it.state, State::Active | State::Draining))
        };
        let mut advice = Vec::new();
        for (name, host) in &self.draft.hosts {
            let Some(law) = &host.fence else { continue };
            if !self.draft.jurisdictions.contains_key(law) {
                let list = "is not in policy/jurisdictions.json; add it first";
                advice.push(format!("host \"{name}\": fence \"{law}\" {list}"));
            } else if !serves(law) {
                let want = "holds no region that serves; keep one, or take the host away first";
                advice.push(format!("host \"{name}\": fence \"{law}\" {want}"));
            }
        }
        for sentence in advice {
            self.say("policy/hosts.json", sentence);
        }
    }

    /// Private networks do not overlap, also with those of regions that are to come, and a region
    /// has as many failure domains as a quorum needs.
    fn networks(&mut self) {
        let regions = &self.draft.regions;
        let mut advice = Vec::new();
        for (at, region) in regions.iter().enumerate() {
            let cidr = region.network.cidr;
            let file = format!("{}.json", region.name);
            let inside = "10.0.0.0/8".parse().is_ok_and(|all: Ipv4Net| all.contains(&cidr));
            if !inside || cidr != cidr.trunc() || !(16..=20).contains(&cidr.prefix_len()) {
                let sentence = format!("network {cidr} is no /16 to /20 inside 10.0.0.0/8");
                advice.push((file.clone(), sentence + "; write one, from its first address"));
            }
            if region.state != State::Removed {
                let before = regions[..at].iter().filter(|other| other.state != State::Removed);
                for other in before.filter(|other| {
                    other.network.cidr.contains(&cidr) || cidr.contains(&other.network.cidr)
                }) {
                    let (theirs, name) = (other.network.cidr, &other.name);
                    let sentence = format!("network {cidr} overlaps {theirs} of {name}");
                    advice.push((file.clone(), sentence + "; choose one that nobody has"));
                }
            }
            let zones: BTreeSet<&String> = region.network.zones.iter().collect();
            if zones.len() < ZONES_MIN {
                let sentence = format!("{} zone(s) named; a quorum needs {ZONES_MIN}", zones.len());
                advice.push((file.clone(), sentence + " that fail apart, so name more"));
            }
            let nodes = region.capacity.database_nodes;
            let share = u32::try_from(zones.len().max(1)).unwrap_or(u32::MAX);
            if nodes == 0 || nodes % share != 0 {
                let sentence = format!("{nodes} database nodes do not spread over {share} zones");
                advice.push((file, sentence + " alike; write a multiple"));
            }
        }
        for (file, sentence) in advice {
            self.say(file, sentence);
        }
    }

    /// What nodes pass on goes over TLS, to nodes of one region only.
    fn peers(&mut self) {
        let regions = &self.draft.regions;
        let mut advice = Vec::new();
        for (at, region) in regions.iter().enumerate() {
            let Some(peer) = &region.endpoints.peer else { continue };
            let file = format!("{}.json", region.name);
            if !is_peer_origin(peer) {
                let sentence = format!("peer {peer} is no https:// origin in small letters");
                advice.push((file.clone(), sentence + "; write a name, a port, no path"));
            }
            let before = regions[..at].iter();
            for other in before.filter(|other| other.endpoints.peer.as_ref() == Some(peer)) {
                let sentence = format!("peer {peer} is that of {}; each region", other.name);
                advice.push((file.clone(), sentence + " has its own"));
            }
        }
        for (file, sentence) in advice {
            self.say(file, sentence);
        }
    }

    fn fallbacks(&mut self) {
        for region in &self.draft.regions {
            for name in &region.dns.fallbacks {
                let advice = match self.draft.regions.iter().find(|other| other.name == *name) {
                    None => format!("fallback \"{name}\" is no region; name one that exists"),
                    Some(other) if other.name == region.name => {
                        "falls back to itself; name another region or none".to_owned()
                    }
                    Some(other) if other.jurisdiction != region.jurisdiction => format!(
                        "fallback \"{name}\" is under \"{}\"; a fallback stays inside \"{}\"",
                        other.jurisdiction, region.jurisdiction
                    ),
                    Some(_) => continue,
                };
                self.say(format!("{}.json", region.name), advice);
            }
        }
    }

    /// Each continent, each DNS country and the default are claimed once by a region with a life.
    fn claims(&mut self) {
        let alive = || self.draft.regions.iter().filter(|region| region.state.holds_rows());
        let mut advice = Vec::new();
        for continent in Continent::ALL {
            let claimants = names(alive().filter(|r| r.dns.continents.contains(&continent)));
            if let Some(sentence) =
                claimed_once(&format!("continent {}", continent.code()), &claimants)
            {
                advice.push(sentence);
            }
        }
        let defaults = names(alive().filter(|region| region.dns.default));
        advice.extend(claimed_once("the default", &defaults));
        let mut countries = BTreeSet::new();
        for country in alive().flat_map(|region| &region.dns.countries) {
            if !countries.insert(*country) {
                advice.push(format!(
                    "dns country {country} is claimed twice; leave it in one region"
                ));
            }
        }
        for sentence in advice {
            self.say("*.json", sentence);
        }
    }

    /// Every country is homed once, or is said to be homed by nobody.
    fn homes(&mut self) {
        for country in Country::all() {
            let homes = names(self.draft.regions.iter().filter(|r| r.homes.contains(&country)));
            let unhomed = self.draft.unhomed.contains_key(&country);
            let advice = match (homes.as_slice(), unhomed) {
                ([_], false) | ([], true) => continue,
                ([], false) => format!(
                    "{country} is homed by no region; add it to one, or to policy/unhomed.json \
                     with the reason"
                ),
                (some, true) => format!(
                    "{country} is homed by {} and listed in policy/unhomed.json; keep one",
                    some.join(", ")
                ),
                (some, false) => {
                    format!("{country} is homed by {}; leave it in one", some.join(", "))
                }
            };
            self.say("*.json", advice);
        }
    }
}

/// Whether this is `https://`, a name, and perhaps a port.
fn is_peer_origin(peer: &str) -> bool {
    let Some(authority) = peer.strip_prefix("https://") else { return false };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    let number = |port: &str| (1..=5).contains(&port.len()) && port.parse::<u32>().is_ok();
    !host.is_empty() && host.chars().all(plain) && port.is_none_or(number)
}

fn names<'a>(regions: impl Iterator<Item = &'a RegionFile>) -> Vec<String> {
    regions.map(|region| region.name.clone()).collect()
}

fn claimed_once(what: &str, claimants: &[String]) -> Option<String> {
    match claimants {
        [_] => None,
        [] => Some(format!("{what} is claimed by no region; give it to exactly one")),
        many => Some(format!("{what} is claimed by {}; leave it in one", many.join(", "))),
    }
}
