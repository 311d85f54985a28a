//! Route 53's documented rules for geolocation, weighted, failover and alias records with health
//! checks (Amazon Route 53 Developer Guide, "Choosing a routing policy" and "How Route 53 chooses
//! records when health checking is configured").

use std::collections::{BTreeMap, BTreeSet, HashMap};

use meridian_geo_routing::{Condition, Live};

use crate::records::{HealthCheck, Record};

/// Where Route 53 thinks somebody is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) country: Option<String>,
    pub(crate) continent: Option<&'static str>,
}

/// Which health checks say yes.
pub(crate) struct Health(BTreeSet<String>);

impl Health {
    /// A region that drains is alive and not ready; one that is sick is neither.
    pub(crate) fn new(checks: &BTreeMap<String, HealthCheck>, live: &Live) -> Self {
        let says_yes = |check: &HealthCheck| {
            let region = live.iter().find(|(region, _)| region.name == check.region);
            let condition = region.map(|(_, condition)| *condition).unwrap_or_default();
            let answers = match check.path.as_str() {
                "/edge-health" => condition == Condition::Healthy,
                "/livez" => condition != Condition::Sick,
                path => panic!("no node answers {path}"),
            };
            answers && !check.forced_sick
        };
        let yes = checks.iter().filter(|(_, check)| says_yes(check));
        Self(yes.map(|(name, _)| name.clone()).collect())
    }
}

/// A zone with health.
pub(crate) struct Route53<'a> {
    /// By name and type.
    sets: HashMap<String, Vec<&'a Record>>,
    health: &'a Health,
}

fn key(name: &str, rtype: &str) -> String {
    format!("{name} {rtype}")
}

/// Values, and the part of all answers that they are in.
type Answer = BTreeMap<Vec<String>, f64>;

impl<'a> Route53<'a> {
    pub(crate) fn new(records: &'a BTreeMap<String, Record>, health: &'a Health) -> Self {
        let mut sets: HashMap<String, Vec<&Record>> = HashMap::new();
        for record in records.values() {
            sets.entry(key(&record.name, &record.rtype)).or_default().push(record);
        }
        Self { sets, health }
    }

    /// What is answered to somebody there.
    pub(crate) fn answer(&self, name: &str, rtype: &str, place: &Place) -> Answer {
        let mut answer = Answer::new();
        self.add(name, rtype, place, 1.0, &mut answer);
        answer
    }

    fn set(&self, name: &str, rtype: &str) -> &[&'a Record] {
        self.sets.get(&key(name, rtype)).map_or(&[], Vec::as_slice)
    }

    /// A health check says so, and for an alias that looks at its target, a record of the target.
    fn is_healthy(&self, record: &Record) -> bool {
        let checked = record.health.as_ref().is_none_or(|check| self.health.0.contains(check));
        checked
            && match &record.alias {
                Some(target) if record.evaluate == Some(true) => {
                    self.set(target, &record.rtype).iter().any(|it| self.is_healthy(it))
                }
                _ => true,
            }
    }

    fn add(&self, name: &str, rtype: &str, place: &Place, part: f64, answer: &mut Answer) {
        let set = self.set(name, rtype);
        for (record, part) in self.choose(set, place, part) {
            match (&record.alias, &record.values) {
                (Some(target), _) => self.add(target, rtype, place, part, answer),
                (None, Some(values)) => *answer.entry(values.clone()).or_default() += part,
                (None, None) => panic!("{name} {rtype} leads nowhere"),
            }
        }
    }

    /// The records of a set that are answered with, and the part of each.
    fn choose(&self, set: &[&'a Record], place: &Place, part: f64) -> Vec<(&'a Record, f64)> {
        let Some(first) = set.first() else { return Vec::new() };
        if first.set_identifier.is_none() {
            assert_eq!(set.len(), 1, "a simple record is alone at {}", first.name);
            return vec![(first, part)];
        }
        if first.weight.is_some() {
            return self.weighted(set, part);
        }
        if first.failover.is_some() {
            let of = |role: &str| set.iter().find(|it| it.failover.as_deref() == Some(role));
            let primary = *of("PRIMARY").expect("a failover set has a primary");
            let secondary = of("SECONDARY").copied().filter(|it| self.is_healthy(it));
            let chosen = secondary.filter(|_| !self.is_healthy(primary)).unwrap_or(primary);
            return vec![(chosen, part)];
        }
        self.located(set, place).into_iter().map(|record| (record, part)).collect()
    }

    /// The smallest location that is healthy; with none healthy, the smallest; with none, nobody.
    fn located(&self, set: &[&'a Record], place: &Place) -> Option<&'a Record> {
        let country = |it: &&&Record| it.country.is_some() && it.country == place.country;
        let continent =
            |it: &&&Record| it.continent.is_some() && it.continent.as_deref() == place.continent;
        let default = |it: &&&Record| it.country.as_deref() == Some("*");
        let matching =
            [set.iter().find(country), set.iter().find(continent), set.iter().find(default)];
        let mut matching = matching.into_iter().flatten().copied();
        let smallest = matching.next();
        let healthy = smallest.into_iter().chain(matching).find(|it| self.is_healthy(it));
        healthy.or(smallest)
    }

    /// Those of weight 0 count only if all others are sick; if all are, all count as healthy.
    fn weighted(&self, set: &[&'a Record], part: f64) -> Vec<(&'a Record, f64)> {
        let weight = |it: &&Record| it.weight.unwrap();
        let healthy: Vec<&Record> = set.iter().copied().filter(|it| self.is_healthy(it)).collect();
        let all = if healthy.is_empty() { set.to_vec() } else { healthy };
        let weighty: Vec<&Record> = all.iter().copied().filter(|it| weight(it) > 0).collect();
        if weighty.is_empty() {
            let alike = part / all.len() as f64;
            return all.into_iter().map(|it| (it, alike)).collect();
        }
        let total: u32 = weighty.iter().map(weight).sum();
        let share = |it: &&'a Record| (*it, part * f64::from(weight(it)) / f64::from(total));
        weighty.iter().map(share).collect()
    }
}
