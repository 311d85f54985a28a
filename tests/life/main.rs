//! A house of four regions lives through a region's whole life under load: it is added, shifted
//! to, made a home, drained, emptied and removed, and another region is killed, while travellers
//! search, book and look. Real processes, real signals, real DNS; only other companies are played.
//!
//! `cargo test --test life` runs it for some minutes with the times that are shipped;
//! `cargo test --test life -- --short` in about two, with shorter ones. Exit code 1: a request
//! failed outside of the documented windows, or something does not hold. The last line is JSON.

#![expect(clippy::unwrap_used, reason = "a proof that cannot go on should stop loudly")]

mod client;
mod crowd;
mod figures;
mod files;
mod house;
mod phases;
mod process;
mod proof;
mod seats;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::crowd::Crowd;
use crate::figures::{Figures, Phase, seconds, tenths};
use crate::files::REGIONS;
use crate::house::House;
use crate::phases::Story;
use crate::proof::Proof;

/// How fast the house and the people live.
pub(crate) struct Pace {
    /// Travellers with a program.
    clients: usize,
    /// Pause of a traveller between two visits, give or take half of it.
    think: Duration,
    /// How long a phase goes on after what it is about.
    settle: Duration,
    /// Time between two probes of a region by the name server.
    probe_every: Duration,
    /// Time that a region has for its reply to a probe.
    probe_timeout: Duration,
    /// Bad probes after which a region is not answered with any more.
    failures: u32,
    /// How long a region that was sick has to be well.
    damping: Duration,
    /// Time to live of an answer.
    ttl: Duration,
    /// Regions that get new files at the same time.
    roll_at_once: usize,
}

impl Pace {
    /// What is shipped.
    fn shipped() -> Self {
        Self {
            clients: 26,
            think: Duration::from_millis(900),
            settle: Duration::from_secs(15),
            probe_every: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(2),
            failures: 3,
            damping: Duration::from_secs(30),
            ttl: Duration::from_secs(30),
            roll_at_once: 1,
        }
    }

    /// The same in little, for every change of the code.
    fn short() -> Self {
        Self {
            clients: 13,
            think: Duration::from_millis(700),
            settle: Duration::from_secs(3),
            probe_every: Duration::from_secs(1),
            damping: Duration::from_secs(2),
            ttl: Duration::from_secs(2),
            roll_at_once: 2,
            ..Self::shipped()
        }
    }

    /// How long newcomers may still be led to a region that drains: it is believed at its word, in
    /// the next probe's reply, and the last answer from before is old soon after.
    pub(crate) fn window_drain(&self) -> Duration {
        self.probe_every + self.probe_timeout + self.ttl
    }

    /// The same for a region that is gone: some probes have to fail first.
    pub(crate) fn window_kill(&self) -> Duration {
        self.probe_every * self.failures + self.ttl
    }
}

fn main() -> ExitCode {
    let short = std::env::args().any(|argument| argument == "--short");
    let pace = if short { Pace::short() } else { Pace::shipped() };
    // Whoever comes first wins; all of them install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (report, held) = runtime.block_on(live(&pace));
    println!("{report}");
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn live(pace: &Pace) -> (Value, bool) {
    let figures = Arc::new(Figures::new());
    let house = House::build(pace).await;
    let nodes_most = house.nodes();
    eprintln!(
        "           windows: newcomers, {} s after a drain and {} s after a kill; people at home \
         in a killed region, until its nodes are back",
        seconds(pace.window_drain()),
        seconds(pace.window_kill())
    );
    let crowd = Crowd::gather(pace.clients, pace.think, house.dns, house.port, &figures);
    let mut story = Story {
        house,
        pace,
        figures: Arc::clone(&figures),
        proof: Proof::default(),
        phases: Vec::new(),
        homes_moved: 0,
        flights_moved: 0,
        nodes_most,
        led_away: [0.0; 2],
    };
    story.tell().await;
    let last = figures.begin("everybody goes home");
    crowd.go_home().await;
    let ticketed = story.proof.balance(&story.house, &figures).await;
    story.is_as_the_files_say().await;
    story.phases.push(last.end());

    let Story { house, proof, phases, homes_moved, flights_moved, nodes_most, led_away, .. } =
        story;
    let failed = |of: fn(&Phase) -> usize| phases.iter().map(of).sum::<usize>();
    let outside = failed(|phase| phase.failed_outside);
    let held = outside == 0 && proof.holds();
    let report = json!({
        "regions": REGIONS.len(),
        "nodes": nodes_most,
        "clients": pace.clients,
        "seconds": tenths(figures.seconds()),
        "requests": Figures::read(&figures.requests),
        "searches": Figures::read(&figures.searches),
        "bookings": figures.accepted().len(),
        "log_ins": Figures::read(&figures.log_ins),
        "sent_home": Figures::read(&figures.sent_home),
        "repeated": Figures::read(&figures.repeated),
        "orders_ticketed": ticketed,
        "orders_lost": proof.orders_lost,
        "failed_outside_window": outside,
        "failed_in_window": failed(|phase| phase.failed_in_window),
        "window_seconds_drain": seconds(pace.window_drain()),
        "window_seconds_kill": seconds(pace.window_kill()),
        "led_away_seconds_drain": led_away[0],
        "led_away_seconds_kill": led_away[1],
        "homes_moved": homes_moved,
        "flights_moved": flights_moved,
        "audits": proof.audits,
        "audit_violations": proof.violations,
        "oversold": proof.oversold,
        "charged_twice": proof.charged_twice,
        "broken": proof.broken,
        "phases": phases.iter().map(Phase::json).collect::<Vec<Value>>(),
    });
    house.close(!held).await;
    (report, held)
}
