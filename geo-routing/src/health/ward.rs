//! What is believed of each region's probes. Pure: it is told probes and the time.
//!
//! One bad probe says little, so a region is sick only after N bad ones of the last M. A region
//! that was sick has to stay well for a while before it is believed again, and for longer each time
//! it falls back, so one that flaps is left and stays left. And most regions do not fall ill at
//! once: that is what losing one's own network looks like from inside, so the last good set stays.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use meridian_regions::RegionId;

use super::ProberConfig;
use crate::policy::Condition;

/// How often the time that a flapping region has to stay well may double.
const DOUBLINGS_MAX: u32 = 4;

/// Falling ill again within this many times the damping after a recovery is flapping.
const FLAPPING_WITHIN: u32 = 10;

/// What has been found so far, and what of it is believed.
pub(super) struct Ward {
    config: ProberConfig,
    round: u32,
    charts: BTreeMap<RegionId, Chart>,
    /// The last conditions told to the server.
    told: BTreeMap<RegionId, Condition>,
    holding: bool,
}

/// One region's recent probes.
#[derive(Default)]
struct Chart {
    believed: Condition,
    last: Condition,
    /// Whether each of the last probes was bad.
    bad: VecDeque<bool>,
    /// The round since which every probe has been bad.
    failing_since: Option<u32>,
    last_bad: Option<Instant>,
    recovered: Option<Instant>,
    flaps: u32,
}

impl Chart {
    fn of(believed: Condition) -> Self {
        Self { believed, last: believed, ..Self::default() }
    }

    fn note(&mut self, probe: Condition, round: u32, now: Instant, config: &ProberConfig) {
        let is_bad = probe == Condition::Sick;
        self.bad.push_back(is_bad);
        if self.bad.len() > config.window as usize {
            self.bad.pop_front();
        }
        self.last = probe;
        let bad = self.bad_count();
        let good = u32::try_from(self.bad.len()).unwrap_or(u32::MAX) - bad;
        if is_bad {
            self.failing_since.get_or_insert(round);
            self.last_bad = Some(now);
            if self.believed != Condition::Sick && bad >= config.down {
                self.believed = Condition::Sick;
                let soon = |at: Instant| now - at <= config.damping * FLAPPING_WITHIN;
                self.flaps = if self.recovered.is_some_and(soon) { self.flaps + 1 } else { 0 };
            }
            return;
        }
        self.failing_since = None;
        if self.believed != Condition::Sick {
            // What a region says of itself is believed at once.
            self.believed = probe;
            return;
        }
        let hold = config.damping * (1 << self.flaps.min(DOUBLINGS_MAX));
        let quiet = self.last_bad.is_none_or(|at| now - at >= hold);
        if good >= config.up && quiet {
            self.believed = probe;
            self.recovered = Some(now);
        }
    }

    fn bad_count(&self) -> u32 {
        u32::try_from(self.bad.iter().filter(|bad| **bad).count()).unwrap_or(u32::MAX)
    }

    /// Its probes say that it is sick or about to be, whether or not that is believed.
    fn unwell(&self, down: u32) -> bool {
        self.failing_since.is_some() || self.bad_count() >= down
    }
}

impl Ward {
    /// Begins with what was known before.
    pub(super) fn new(config: ProberConfig, known: BTreeMap<RegionId, Condition>) -> Self {
        let charts = known.iter().map(|(region, it)| (*region, Chart::of(*it)));
        Self { config, round: 0, charts: charts.collect(), told: known, holding: false }
    }

    /// Whether the last good set is kept against the probes.
    pub(super) fn holding(&self) -> bool {
        self.holding
    }

    /// Takes the probes of a round and returns what is new to tell. Regions that were not probed
    /// are forgotten.
    pub(super) fn round(
        &mut self,
        probes: Vec<(RegionId, Condition)>,
        now: Instant,
    ) -> Vec<(RegionId, Condition)> {
        self.round = self.round.saturating_add(1);
        self.charts.retain(|region, _| probes.iter().any(|(probed, _)| probed == region));
        self.told.retain(|region, _| probes.iter().any(|(probed, _)| probed == region));
        for (region, probe) in probes {
            self.charts.entry(region).or_default().note(probe, self.round, now, &self.config);
        }
        let news = self.news();
        if self.hold(&news) {
            return Vec::new();
        }
        self.told.extend(news.iter().copied());
        news
    }

    /// What is believed and was not told yet. A region on its way up is not reported as sick.
    fn news(&self) -> Vec<(RegionId, Condition)> {
        let told = |region| self.told.get(region).copied().unwrap_or_default();
        let changed = self.charts.iter().filter(|(region, chart)| {
            let recovering = chart.believed == Condition::Sick && chart.last != Condition::Sick;
            told(region) != chart.believed && !recovering
        });
        changed.map(|(region, chart)| (*region, chart.believed)).collect()
    }

    /// Whether to keep the last good set: entered when a region turns sick while more than half
    /// have begun to fail at once, left when at most half are unwell.
    fn hold(&mut self, news: &[(RegionId, Condition)]) -> bool {
        // A cut line is noticed by probes that were under way and by those that came after it.
        let at_once_rounds = 2 * self.config.down;
        let half = self.charts.len() / 2;
        let starts = self.charts.values().filter_map(|chart| chart.failing_since);
        let at_once = starts.filter(|since| self.round - since < at_once_rounds).count();
        let unwell = self.charts.values().filter(|it| it.unwell(self.config.down)).count();
        let turned = news.iter().any(|(_, condition)| *condition == Condition::Sick);
        let was = self.holding;
        self.holding = (turned && at_once > half) || (was && unwell > half);
        if self.holding && !was {
            tracing::warn!(
                unwell,
                regions = self.charts.len(),
                "most regions turned sick at once; keeping the last good set, check this \
                 machine's own network"
            );
        } else if was && !self.holding {
            tracing::warn!(unwell, "probes are believed again");
        }
        self.holding
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use meridian_regions::Registry;

    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    struct Story {
        ward: Ward,
        regions: Vec<RegionId>,
        now: Instant,
        changes: Vec<(String, Condition)>,
    }

    impl Story {
        fn new() -> Self {
            let registry = Registry::embedded().expect("the embedded regions are sound");
            let config = ProberConfig { damping: 30 * SECOND, ..ProberConfig::default() };
            let regions: Vec<RegionId> = registry.all().collect();
            let known = regions.iter().map(|region| (*region, Condition::Healthy)).collect();
            let (ward, now) = (Ward::new(config, known), clock::instant());
            Self { ward, regions, now, changes: Vec::new() }
        }

        /// One round in which the named regions are as said, a second after the one before.
        fn round(&mut self, unwell: &[(&str, Condition)]) {
            self.now += SECOND;
            let probes = self.regions.iter().map(|region| {
                let said = unwell.iter().find(|(name, _)| region.name == *name);
                (*region, said.map_or(Condition::Healthy, |(_, condition)| *condition))
            });
            let news = self.ward.round(probes.collect(), self.now);
            self.changes
                .extend(news.into_iter().map(|(it, condition)| (it.name.clone(), condition)));
        }

        fn rounds(&mut self, count: usize, unwell: &[(&str, Condition)]) {
            (0..count).for_each(|_| self.round(unwell));
        }
    }

    const ILL: (&str, Condition) = ("eu-west", Condition::Sick);

    #[test]
    fn three_bad_probes_of_five_make_it_sick_and_two_do_not() {
        let mut story = Story::new();
        for _ in 0..20 {
            story.rounds(2, &[ILL]);
            story.rounds(3, &[]);
        }
        assert!(story.changes.is_empty(), "{:?}", story.changes);
        for unwell in [&[ILL][..], &[], &[ILL], &[], &[ILL]] {
            story.round(unwell);
        }
        assert_eq!(story.changes, [("eu-west".to_owned(), Condition::Sick)]);
    }

    #[test]
    fn it_comes_back_only_after_it_has_been_well_for_the_damping() {
        let mut story = Story::new();
        story.rounds(3, &[ILL]);
        story.rounds(29, &[]);
        assert_eq!(story.changes.len(), 1);
        story.round(&[]);
        assert_eq!(story.changes[1], ("eu-west".to_owned(), Condition::Healthy));
    }

    #[test]
    fn a_flapping_region_changes_at_most_once_in_any_damping_window() {
        let mut story = Story::new();
        for _ in 0..200 {
            story.rounds(5, &[ILL]);
            story.rounds(5, &[]);
        }
        assert_eq!(story.changes.len(), 1, "it is left once and stays left");
        // One whose good times outlast the damping is made to wait longer each time.
        let mut story = Story::new();
        let mut at = Vec::new();
        for _ in 0..60 {
            let before = story.changes.len();
            story.rounds(5, &[ILL]);
            story.rounds(35, &[]);
            at.push(story.changes.len() - before);
        }
        assert_eq!(at[..3], [2, 1, 0], "it came back once, and then no more");
        assert!(at[3..].iter().all(|changes| *changes == 0), "{at:?}");
    }

    #[test]
    fn what_it_says_of_itself_is_believed_at_once() {
        let mut story = Story::new();
        story.round(&[("eu-west", Condition::Draining)]);
        story.round(&[]);
        let expected = [Condition::Draining, Condition::Healthy];
        assert_eq!(story.changes.iter().map(|(_, it)| *it).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn when_most_fail_at_once_nothing_is_believed_and_one_by_one_they_are() {
        let sick = |name| (name, Condition::Sick);
        let most = [sick("eu-west"), sick("eu-central"), sick("us-east")];
        let mut story = Story::new();
        story.rounds(50, &most);
        assert!(story.changes.is_empty() && story.ward.holding());
        story.rounds(5, &most[2..]);
        assert_eq!(story.changes, [("us-east".to_owned(), Condition::Sick)]);
        let mut story = Story::new();
        for fallen in 1..=3 {
            story.rounds(20, &most[..fallen]);
        }
        assert_eq!(story.changes.len(), 3, "{:?}", story.changes);
    }
}
