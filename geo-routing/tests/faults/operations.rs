//! Orders, restarts and reloads of the real program.

use std::process::{Command, Output};
use std::time::Duration;

use meridian_geo_routing::ask;

use crate::world::{World, start, until};
use crate::{BERLIN, NEW_YORK};

const SECOND: Duration = Duration::from_secs(1);

fn order(world: &World, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_geo-routing"));
    command.args(arguments).arg("--state-dir").arg(world.scratch.path("state"));
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_takes_effect_within_a_second_and_survives_a_kill() {
    let mut world = World::start().await;
    assert!(order(&world, &["drain", "eu-central", "--reason", "a new kernel"]).status.success());
    until(SECOND, "Berlin is led to Dublin", async || {
        world.leads("api", BERLIN).await == "eu-west"
    })
    .await;
    world.serve();
    assert_eq!(world.leads("api", BERLIN).await, "eu-west", "the first answer knows it");
    let status = world.door("GET", "/v1/status", "").await;
    assert!(status.contains("a new kernel"), "{status}");
    assert!(order(&world, &["clear", "eu-central"]).status.success());
    until(SECOND, "Berlin is led home", async || world.leads("api", BERLIN).await == "eu-central")
        .await;
    let path = "/v1/regions/eu-central/override";
    world.door("PUT", path, "{\"force\": \"sick\"}").await;
    assert_eq!(world.leads("api", BERLIN).await, "eu-west", "at once");
    world.door("PUT", path, "{\"drain\": true, \"until\": \"2020-01-01T00:00:00Z\"}").await;
    assert_eq!(world.leads("api", BERLIN).await, "eu-central", "its time was up");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sick_is_sick_at_the_first_answer_after_a_restart() {
    let mut world = World::start().await;
    world.kill("us-east");
    until(10 * SECOND, "us-east is left", async || world.leads("api", NEW_YORK).await != "us-east")
        .await;
    world.serve();
    assert_ne!(world.leads("api", NEW_YORK).await, "us-east");
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_orders_are_refused_with_a_sentence_and_those_before_stay() {
    let world = World::start().await;
    order(&world, &["drain", "eu-central"]);
    until(SECOND, "the drain is there", async || world.leads("api", BERLIN).await == "eu-west")
        .await;
    for (text, said) in
        [("[regions.eu-central]\ndrain = 7", "overrides.toml"), ("[regions.mars]", "mars")]
    {
        std::fs::write(world.scratch.path("state/overrides.toml"), text).unwrap();
        until(20 * SECOND, said, async || world.log().contains(said)).await;
        assert_eq!(world.leads("api", BERLIN).await, "eu-west");
    }
    let unknown = order(&world, &["drain", "mars"]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_reloaded_without_a_lost_question_and_bad_ones_are_refused() {
    let scratch = std::env::temp_dir().join(format!("geo-zone-{}.toml", std::process::id()));
    let good = include_str!("../../zones/meridian.toml");
    std::fs::write(&scratch, good).unwrap();
    let world = World::start_with(&["--zones", scratch.to_str().unwrap()]).await;
    let (dns, subnet) = (world.dns, BERLIN.parse().unwrap());
    let asking = tokio::spawn(async move {
        let mut lost = 0;
        for _ in 0..2000 {
            lost += u32::from(ask(dns, "api.meridian.example.", subnet).await.is_err());
        }
        lost
    });
    std::fs::write(&scratch, good.replace("ttl_geo", "ttl_gee")).unwrap();
    world.server.as_ref().unwrap().signal("HUP");
    until(20 * SECOND, "it says why", async || world.log().contains("ttl_gee")).await;
    assert_eq!(world.metric("geo_routing_loads_total{outcome=\"taken\"}").await, 0);
    std::fs::write(&scratch, good.replace("[hosts.api]", "[hosts.next]\n\n[hosts.api]")).unwrap();
    until(20 * SECOND, "the new host is answered", async || {
        ask(dns, "next.meridian.example.", BERLIN.parse().unwrap()).await.is_ok()
    })
    .await;
    assert_eq!(asking.await.unwrap(), 0, "no question was lost");
    let _ = std::fs::remove_file(&scratch);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_with_a_good_bye() {
    let mut world = World::start().await;
    world.leads("api", BERLIN).await;
    let mut server = world.server.take().unwrap();
    server.signal("TERM");
    let ended = tokio::task::spawn_blocking(move || server.0.wait().unwrap());
    assert_eq!(tokio::time::timeout(10 * SECOND, ended).await.unwrap().unwrap().code(), Some(0));
}

/// One datagram at a time says what a batch says.
#[tokio::test(flavor = "multi_thread")]
async fn the_portable_path_answers_the_same() {
    let portable = World::start_with(&["--no-batches"]).await;
    for (host, subnet) in [("api", BERLIN), ("eu", NEW_YORK), ("api", NEW_YORK)] {
        let region = portable.leads(host, subnet).await;
        let expected = if host == "eu" { "eu-west" } else { "" };
        assert!(expected.is_empty() || region == expected);
    }
    assert_eq!(portable.leads("api", BERLIN).await, "eu-central");
}

/// Port 53 as nobody, with the one capability that a port below 1024 needs.
#[tokio::test(flavor = "multi_thread")]
async fn it_runs_without_root_with_only_the_bind_capability() {
    let may = Command::new("unshare").args(["-n", "true"]).status();
    if !may.is_ok_and(|status| status.success()) {
        println!("no network namespace of our own here: not checked");
        return;
    }
    let binary = std::env::temp_dir().join(format!("geo-routing-{}", std::process::id()));
    std::fs::copy(env!("CARGO_BIN_EXE_geo-routing"), &binary).unwrap();
    let script = format!(
        "ip link set lo up && exec setpriv --reuid 65534 --regid 65534 --clear-groups \
         --inh-caps=-all,+net_bind_service --ambient-caps=+net_bind_service \
         --bounding-set=-all,+net_bind_service {} serve --listen 127.0.0.1:53 --no-probes",
        binary.display()
    );
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", &script]);
    let (child, address, _output) = start(&mut command, "answering on ");
    assert_eq!(address, "127.0.0.1:53");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.0.id())).unwrap();
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    assert!(line("Uid:").split_whitespace().all(|uid| uid == "65534"));
    // CAP_NET_BIND_SERVICE is bit 10.
    assert_eq!(line("CapEff:").trim(), format!("{:016x}", 1 << 10));
    let _ = std::fs::remove_file(&binary);
}
