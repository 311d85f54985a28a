//! The story: a region is planned, built, shifted to, made a home, drained, emptied and removed,
//! and another one is killed, while people go on. Each phase ends with a look at everything that
//! has to hold.

use std::sync::Arc;
use std::time::{Duration, Instant};

use meridian::clock::Clock;
use meridian_geo_routing::{Subnet, ask};
use meridian_regions::Registry;

use crate::Pace;
use crate::client::PATIENCE;
use crate::crowd::network_of;
use crate::figures::{Begun, Figures, Phase, Window, seconds};
use crate::files::{AFTER, BEFORE, KILLED, NEW, region_at};
use crate::house::House;
use crate::process::until;
use crate::proof::{Proof, at_home, kept};

/// Networks near the new region that are asked for when its share is looked at.
const NETWORKS: usize = 300;
/// Longest that DNS may take to follow, beyond its own times: files are looked at four times a
/// second, and a region that came back is looked at for a while.
const FOLLOW_PATIENCE: Duration = Duration::from_secs(90);

/// Everything that the story needs, and what came of it.
pub(crate) struct Story<'a> {
    pub(crate) house: House,
    pub(crate) pace: &'a Pace,
    pub(crate) figures: Arc<Figures>,
    pub(crate) proof: Proof,
    pub(crate) phases: Vec<Phase>,
    pub(crate) homes_moved: i64,
    pub(crate) flights_moved: i64,
    pub(crate) nodes_most: usize,
    /// Seconds until nobody new was led to the drained region, and to the killed one.
    pub(crate) led_away: [f64; 2],
}

impl Story<'_> {
    pub(crate) async fn tell(&mut self) {
        self.four_regions().await;
        self.add().await;
        self.shift().await;
        self.make_home().await;
        self.drain().await;
        self.kill().await;
        self.empty().await;
        self.remove().await;
    }

    /// Goes on for a while, looks at everything, and closes the phase.
    async fn settle(&mut self, phase: Begun<'_>) {
        tokio::time::sleep(self.pace.settle).await;
        self.proof.look(&self.house).await;
        self.nodes_most = self.nodes_most.max(self.house.nodes());
        let phase = phase.end();
        eprintln!("           {}", phase.json());
        self.phases.push(phase);
    }

    async fn four_regions(&mut self) {
        let figures = Arc::clone(&self.figures);
        self.settle(figures.begin("four regions")).await;
    }

    async fn step(&mut self, state: &str) -> String {
        self.house.files.set_state(NEW, state);
        self.house.carry_out(None).await
    }

    async fn add(&mut self) {
        let figures = Arc::clone(&self.figures);
        let phase = figures.begin("add");
        self.house.files.plan_new();
        self.house.carry_out(None).await;
        self.step("provisioning").await;
        self.step("joining").await;
        self.house.make_keys().await;
        self.house.roll(NEW, self.pace.roll_at_once).await;
        self.house.start_region(NEW).await;
        self.step("active").await;
        let share = self.share_becomes(|share| (1..=NETWORKS / 20).contains(&share)).await;
        self.proof.check(share.is_ok(), || format!("{share:?} of {NETWORKS} networks at 1 %"));
        self.settle(phase).await;
    }

    async fn shift(&mut self) {
        let figures = Arc::clone(&self.figures);
        let phase = figures.begin("shift");
        self.house.files.set_weight(NEW, 100);
        let share = self.share_becomes(|share| share == NETWORKS).await;
        self.proof.check(share.is_ok(), || format!("{share:?} of {NETWORKS} networks at 100 %"));
        let led = || async { figures.last_led_to(NEW).is_some() };
        let somebody = until(FOLLOW_PATIENCE, led).await;
        self.proof.check(somebody, || format!("nobody of the crowd was led to {NEW}"));
        self.settle(phase).await;
    }

    async fn make_home(&mut self) {
        let figures = Arc::clone(&self.figures);
        let phase = figures.begin("move homes there");
        self.move_homes(BEFORE, NEW).await;
        self.settle(phase).await;
    }

    /// The files first, then every node, then the people and the seats.
    async fn move_homes(&mut self, from: &'static str, to: &'static str) {
        self.house.files.move_homes(from, to);
        self.house.roll(to, self.pace.roll_at_once).await;
        let (people, flights) = (at_home(&self.house, from).await, kept(&self.house, from).await);
        let keys = self.house.handover_keys(from, to);
        let planned = self.house.carry_out(Some(&keys)).await;
        for moves in ["move its travellers home", "move its seats"] {
            self.proof.check(planned.contains(moves), || format!("no step \"{moves}\": {planned}"));
        }
        let left = (at_home(&self.house, from).await, kept(&self.house, from).await);
        self.proof.check(left == (0, 0), || format!("{left:?} people and flights stay in {from}"));
        let came = (at_home(&self.house, to).await, kept(&self.house, to).await);
        let all = people > 0 && came.0 >= people && flights > 0 && came.1 >= flights;
        self.proof.check(all, || format!("{people}, {flights} left {from}, {came:?} are in {to}"));
        self.homes_moved += people;
        self.flights_moved += flights;
    }

    async fn drain(&mut self) {
        let figures = Arc::clone(&self.figures);
        let phase = figures.begin("drain");
        self.house.must(&["regions", "drain", NEW, "--reason", "a new kernel"]).await;
        self.led_away[0] = self.nobody_comes(NEW, Clock::instant(), self.pace.window_drain()).await;
        self.settle(phase).await;
        let phase = figures.begin("undrain");
        self.house.must(&["regions", "undrain", NEW]).await;
        let share = self.share_becomes(|share| share == NETWORKS).await;
        self.proof.check(share.is_ok(), || format!("{share:?} of {NETWORKS} networks came back"));
        self.settle(phase).await;
    }

    /// Waits for a documented window, and some time more, in which nobody may be led there. Returns
    /// the seconds until the last one was.
    async fn nobody_comes(&mut self, region: &str, since: Instant, window: Duration) -> f64 {
        tokio::time::sleep((since + window).saturating_duration_since(Clock::instant())).await;
        tokio::time::sleep(self.pace.settle).await;
        let last = self.figures.last_led_to(region);
        let after = last.map_or(Duration::ZERO, |last| last.saturating_duration_since(since));
        self.proof.check(after <= window, || {
            format!("somebody was led to {region} {after:?} later; the window is {window:?}")
        });
        seconds(after)
    }

    async fn kill(&mut self) {
        let figures = Arc::clone(&self.figures);
        let phase = figures.begin("kill");
        let from = Clock::instant();
        self.house.kill_region(KILLED).await;
        let window = |at_home, to| Window { region: KILLED.to_owned(), at_home, from, to };
        figures.excuse(window(false, from + self.pace.window_kill()));
        self.led_away[1] = self.nobody_comes(KILLED, from, self.pace.window_kill()).await;
        // Longer than anybody tries: whoever is at home there was served by nobody meanwhile.
        tokio::time::sleep(PATIENCE).await;
        self.house.start_region(KILLED).await;
        figures.excuse(window(true, Clock::instant()));
        self.settle(phase).await;
        let waited = self.phases.last().is_some_and(|phase| phase.failed_in_window > 0);
        self.proof.check(waited, || format!("nobody at home in {KILLED} missed its nodes"));
    }

    async fn empty(&mut self) {
        let figures = Arc::clone(&self.figures);
        let phase = figures.begin("move homes back");
        self.move_homes(NEW, AFTER).await;
        self.settle(phase).await;
    }

    async fn remove(&mut self) {
        let figures = Arc::clone(&self.figures);
        let phase = figures.begin("remove");
        let said = Clock::instant();
        self.step("draining").await;
        let window = self.pace.window_drain();
        tokio::time::sleep((said + window).saturating_duration_since(Clock::instant())).await;
        for state in ["drained", "removing", "removed"] {
            self.step(state).await;
        }
        self.proof.is_gone(&self.house).await;
        self.settle(phase).await;
    }

    /// Waits until so many of the networks near the new region are led to it, and says how many.
    async fn share_becomes(&self, right: impl Fn(usize) -> bool) -> Result<usize, usize> {
        let networks: Vec<Subnet> = near_networks();
        let share = std::sync::atomic::AtomicUsize::new(0);
        let looked = || async {
            let mut led = 0;
            for network in &networks {
                let found = ask(self.house.dns, "api.meridian.example.", *network).await;
                led += usize::from(found.is_ok_and(|it| it.iter().any(|at| region_at(*at) == NEW)));
            }
            share.store(led, std::sync::atomic::Ordering::Relaxed);
            right(led)
        };
        let became = until(FOLLOW_PATIENCE, looked).await;
        let share = share.into_inner();
        if became { Ok(share) } else { Err(share) }
    }

    /// What the regions' own check says at the end.
    pub(crate) async fn is_as_the_files_say(&mut self) {
        let (code, said, _) = self.house.run(&["regions", "check"]).await;
        self.proof.check(code == 0, || format!("meridian regions check: {said}"));
        let files = Registry::from_dir(&self.house.files.dir);
        self.proof.check(files.is_ok(), || "the region files break a rule".to_owned());
    }
}

/// Networks of Sweden.
fn near_networks() -> Vec<Subnet> {
    let of = |at: usize| {
        let (high, low) = (u8::try_from(72 + at / 256).unwrap(), u8::try_from(at % 256).unwrap());
        network_of("SE", [78, high, low, 0], 0)
    };
    (0..NETWORKS).map(of).collect()
}
