//! What happens when things die, lie, flap or flood: the real program, regions that are processes,
//! and signals.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop loudly")]

/// The server's own clock.
#[path = "../../src/clock.rs"]
#[expect(dead_code, reason = "nothing here asks for the time of day")]
mod clock;

/// Regions and the server as children, and questions to them.
mod world;

/// Floods, and what is written of those who ask.
mod flood;

/// Orders, restarts and reloads.
mod operations;

use std::time::Duration;

use world::{World, region_process, until};

/// Time between two probes of a region.
const INTERVAL: Duration = Duration::from_millis(300);
/// Bad probes that make a region sick.
const THRESHOLD: u32 = 3;
/// How long a region has to be well to come back.
const DAMPING: Duration = Duration::from_millis(1500);

const BERLIN: &str = "53.128.0.0/24";
const DUBLIN: &str = "34.248.0.0/24";
const NEW_YORK: &str = "29.128.0.0/24";

/// A region's process, when this program is started as one.
#[test]
#[ignore = "it is a process of the other tests"]
fn region() {
    region_process();
}

/// Fault row 27.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_region_is_not_answered_after_interval_times_threshold_plus_a_second() {
    let mut world = World::start().await;
    assert_eq!(world.leads("api", BERLIN).await, "eu-central");
    world.kill("eu-central");
    let promise = INTERVAL * THRESHOLD + Duration::from_secs(1);
    until(promise, "Berlin is led to Dublin", async || {
        world.leads("api", BERLIN).await == "eu-west"
    })
    .await;
    assert_eq!(world.leads("eu", BERLIN).await, "eu-west", "and inside the fence");
    world.restart("eu-central").await;
    let since = clock::instant();
    until(Duration::from_secs(20), "Berlin is led home", async || {
        world.leads("api", BERLIN).await == "eu-central"
    })
    .await;
    // The last bad probe may have been one interval before the region was back.
    assert!(clock::instant() - since + INTERVAL >= DAMPING, "it was looked at for a while");
}

/// Fault row 27, for a region that hangs.
#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_hangs_is_as_good_as_dead() {
    let world = World::start().await;
    world.signal("us-east", "STOP");
    let promise = INTERVAL * THRESHOLD + Duration::from_secs(1);
    until(promise, "New York is led elsewhere", async || {
        world.leads("api", NEW_YORK).await != "us-east"
    })
    .await;
}

/// Fault row 28.
#[tokio::test(flavor = "multi_thread")]
async fn a_flapping_region_changes_answers_at_most_once_per_damping_window() {
    let world = World::start().await;
    let mut changes = 0;
    let mut before = world.leads("api", DUBLIN).await;
    let started = clock::instant();
    let mut flips = 0_u32;
    // It is dead for a second, then well for less than the damping, again and again.
    while clock::instant() - started < DAMPING * 6 {
        let due = Duration::from_secs(1) * flips;
        if clock::instant() - started >= due {
            world.signal("eu-west", if flips.is_multiple_of(2) { "STOP" } else { "CONT" });
            flips += 1;
        }
        let now = world.leads("api", DUBLIN).await;
        changes += u32::from(now != before);
        before = now;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(flips >= 8, "{flips} flips");
    assert!((1..=6).contains(&changes), "{changes} changes in six windows");
}

/// Fault row 29.
#[tokio::test(flavor = "multi_thread")]
async fn with_all_probes_blocked_the_last_good_set_is_answered() {
    let mut world = World::start().await;
    world.kill("us-east");
    until(Duration::from_secs(10), "us-east is known to be dead", async || {
        world.leads("api", NEW_YORK).await != "us-east"
    })
    .await;
    let before = [
        world.leads("api", BERLIN).await,
        world.leads("api", DUBLIN).await,
        world.leads("api", NEW_YORK).await,
    ];
    for region in ["eu-central", "eu-west", "ap-southeast"] {
        world.signal(region, "STOP");
    }
    until(Duration::from_secs(10), "the probes are not believed", async || {
        world.metric("geo_routing_probes_disbelieved").await == 1
    })
    .await;
    let after = [
        world.leads("api", BERLIN).await,
        world.leads("api", DUBLIN).await,
        world.leads("api", NEW_YORK).await,
    ];
    assert_eq!(before, after);
    assert_eq!(world.leads("eu", BERLIN).await, "eu-central");
    for region in ["eu-central", "eu-west", "ap-southeast"] {
        world.signal(region, "CONT");
    }
    until(Duration::from_secs(10), "the probes are believed again", async || {
        world.metric("geo_routing_probes_disbelieved").await == 0
    })
    .await;
    assert_eq!(world.leads("api", BERLIN).await, "eu-central");
}
