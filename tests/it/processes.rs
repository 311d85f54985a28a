//! The program as a person starts it: real processes, real signals.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use meridian::store::DatabaseUrl;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::asker::{Person, direct_offers, id, instant, new_key};
use crate::lab::{Lab, Plan, connect, count, server, until};

pub(crate) fn meridian() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meridian"));
    // A developer's own settings must not decide a test.
    for name in ["MERIDIAN_DATABASE_URL", "MERIDIAN_STATE_DIR", "MERIDIAN_REGIONS_DIR"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

pub(crate) fn words(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

pub(crate) fn url_text(url: &DatabaseUrl) -> String {
    let (host, user, _) = url.host_user_port();
    format!("host={host} user={user} dbname={}", url.database_name())
}

/// A child that is killed when its test fails.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Killed {
    /// Starts a program and reads its output up to a line that begins so.
    pub(crate) fn start_until(command: &mut Command, begin: &str) -> (Self, String) {
        let mut child = Self(command.stdout(Stdio::piped()).spawn().unwrap());
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let line = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with(begin));
        // The rest of the output is drained, so that the program never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        (child, line.unwrap_or_else(|| panic!("it ended without saying {begin:?}")))
    }

    /// Waits until the process has killed itself at its crash point.
    pub(crate) async fn killed_itself(&mut self) {
        let mut ended = None;
        until("the process has died", || {
            ended = self.0.try_wait().unwrap();
            std::future::ready(ended.is_some())
        })
        .await;
        let signal = ended.and_then(|status| status.signal());
        assert_eq!(signal, Some(Signal::KILL.as_raw()), "{ended:?}");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

pub(crate) fn serve(lab: &Lab, region: &str, more: &[&str]) -> (Killed, String) {
    let mut command = meridian();
    command
        .args(["serve", "--region", region, "--listen", "127.0.0.1:0", "--profile", "tiny"])
        .args(["--seed", "7", "--lease-ms", "1500", "--database-url", &url_text(&lab.database)])
        .args(["--payments-url", &lab.suppliers, "--airline-url", &lab.suppliers, "--keys"])
        .arg(&lab.keys.0)
        .args(more)
        .env("MERIDIAN_LOG", "warn");
    let (child, line) = Killed::start_until(&mut command, "listening on ");
    (child, line.trim_start_matches("listening on ").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_01_a_node_killed_between_payment_and_ticketing_loses_nothing() {
    let lab = Lab::plan(Plan { work: false, ..Plan::default() }).await;
    let (victim, url) = serve(&lab, "eu-central", &[]);
    let ada = Person { url, ..Person::berliner(&lab).await };
    let offer = direct_offers(&lab, "FRA", "JFK", 1).await[0]["id"].as_str().unwrap().to_owned();
    lab.fault("tickets", "unavailable", 100_000).await;
    let order = id(&ada.book(&new_key(), &instant(&offer, "Lovelace", "tok_visa")).await.is(202));
    ada.wait(&order, "paid").await;
    victim.signal(Signal::KILL);
    drop(victim);
    lab.fault("tickets", "unavailable", 1).await;

    let (_heir, url) = serve(&lab, "eu-central", &[]);
    let ada = Person { url, ..ada };
    let ticketed = ada.wait(&order, "ticketed").await;
    assert_eq!(ticketed["charged"], "yes");
    assert_eq!(ada.events(&order).await.len(), 5);
    for operation in ["authorize", "book", "capture", "tickets"] {
        assert_eq!(lab.journal(operation).await, 1, "{operation}");
    }
    assert_eq!(lab.seats().await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_good_bye_to_sigterm_and_refuses_what_it_must() {
    let lab = Lab::plan(Plan { work: false, ..Plan::default() }).await;
    let (mut node, url) = serve(&lab, "us-east", &[]);
    assert!(reqwest::get(format!("{url}/readyz")).await.unwrap().status().is_success());
    let busy = url.trim_start_matches("http://").to_owned();
    let taken = run(meridian().args(["sandbox", "--listen", &busy]));
    assert_eq!(taken.status.code(), Some(1));
    assert!(words(&taken).contains("--listen"), "{}", words(&taken));
    node.signal(Signal::TERM);
    assert_eq!(node.0.wait().unwrap().code(), Some(0));
    until("its connections are gone", || async {
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'meridian'
                        AND datname = current_database() AND backend_type = 'client backend'
                        AND query ILIKE '%us-east%'";
        count(&lab.database, sessions).await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaving_node_answers_what_is_under_way_and_lets_nobody_in() {
    let lab = Lab::plan(Plan { work: false, ..Plan::default() }).await;
    let (mut node, url) = serve(&lab, "us-east", &["--connections", "2"]);
    let address = url.trim_start_matches("http://");
    let mut under_way = TcpStream::connect(address).await.unwrap();
    under_way.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    // Connections are accepted in order: when a later one is answered, the first is inside.
    assert!(reqwest::get(format!("{url}/readyz")).await.unwrap().status().is_success());
    node.signal(Signal::TERM);
    until("nobody gets in", || async {
        let refused = TcpStream::connect(address).await.map_err(|error| error.kind());
        refused.is_err_and(|kind| kind == std::io::ErrorKind::ConnectionRefused)
    })
    .await;
    under_way.write_all(b"Host: us-east\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    under_way.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(node.0.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_schedule_another_schema_and_another_database_are_refused() {
    let lab = Lab::plan(Plan { work: false, ..Plan::default() }).await;
    let serve = |url: &str, seed: &str| {
        let mut command = meridian();
        command
            .args(["serve", "--region", "eu-west", "--listen", "127.0.0.1:0", "--profile", "tiny"])
            .args(["--seed", seed, "--payments-url", "http://127.0.0.1:9", "--airline-url"])
            .args(["http://127.0.0.1:9", "--database-url", url, "--keys"])
            .arg(&lab.keys.0);
        run(&mut command)
    };
    let other = serve(&url_text(&lab.database), "8");
    assert_eq!(other.status.code(), Some(1));
    assert!(words(&other).contains("--seed"), "{}", words(&other));
    let empty = serve(&url_text(&server().empty_database().await), "7");
    assert!(words(&empty).contains("meridian migrate"), "{}", words(&empty));
    let down = serve("postgresql://nobody:hunter2@127.0.0.1:9/none", "7");
    assert_eq!(down.status.code(), Some(1));
    assert!(!words(&down).contains("hunter2"), "{}", words(&down));
    let wrong = serve("mysql://root@localhost/shop", "7");
    assert_eq!(wrong.status.code(), Some(64));
    assert!(words(&wrong).contains("postgresql://"), "{}", words(&wrong));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_tells_by_its_exit_code() {
    let lab = Lab::plan(Plan { work: false, ..Plan::default() }).await;
    Person::berliner(&lab).await;
    let audit = || {
        let url = url_text(&lab.database);
        run(meridian().args(["audit", "locality", "--json", "--database-url", &url]))
    };
    let clean = audit();
    assert_eq!(clean.status.code(), Some(0), "{}", words(&clean));
    let report: Value = serde_json::from_slice(&clean.stdout).unwrap();
    assert_eq!(report["violations"], serde_json::json!([]));
    crate::lab::sql(&lab.database, "UPDATE traveller SET region = 'us-east'").await;
    let dirty = audit();
    assert_eq!(dirty.status.code(), Some(2));
    assert!(words(&dirty).contains("may not home residents of DE"));
    let nothing = run(meridian().args([
        "audit",
        "locality",
        "--database-url",
        "postgresql://x@127.0.0.1:9/none",
    ]));
    assert_eq!(nothing.status.code(), Some(1));
}

/// A demo of its own, on free ports.
fn demo(dir: &Path) -> Command {
    let mut command = meridian();
    command.args(["demo", "--profile", "tiny", "--port", "0", "--dns-port", "0", "--state-dir"]);
    command.arg(dir).stderr(Stdio::null());
    command
}

fn state_dir() -> PathBuf {
    std::env::temp_dir().join(format!("meridian-it-{}", uuid::Uuid::new_v4().simple()))
}

/// The process of the PostgreSQL that runs in a directory.
fn postgres_of(dir: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(dir.join("pg/data/postmaster.pid")).ok()?;
    text.lines().next()?.parse().ok()
}

fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_and_a_kill_leave_no_process_and_no_lock() {
    let dir = state_dir();
    for signal in [Signal::INT, Signal::KILL, Signal::TERM] {
        // The tour of the tiny schedule cannot fly everywhere; its start is what is looked at.
        let (mut house, _) = Killed::start_until(&mut demo(&dir), "The tour:");
        let postgres = postgres_of(&dir).unwrap();
        assert!(alive(postgres));
        let second = run(demo(&dir).arg("--tour").stderr(Stdio::piped()));
        assert_eq!(second.status.code(), Some(1));
        assert!(words(&second).contains("--ephemeral"), "{}", words(&second));
        house.signal(signal);
        house.0.wait().unwrap();
        until("PostgreSQL has ended", || async { !alive(postgres) }).await;
        assert_eq!(postgres_of(&dir), None, "{signal:?} left a lock behind");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ephemeral_house_is_gone_even_after_a_kill() {
    for signal in [Signal::KILL, Signal::INT] {
        let mut command = meridian();
        command.args(["demo", "--profile", "tiny", "--port", "0", "--dns-port", "0"]);
        command.arg("--ephemeral").stderr(Stdio::null());
        let (mut house, _) = Killed::start_until(&mut command, "The tour:");
        let mine = format!("meridian-{}-", house.0.id());
        let left = || {
            [Path::new("/dev/shm"), &std::env::temp_dir()]
                .into_iter()
                .filter_map(|base| std::fs::read_dir(base).ok())
                .flatten()
                .flatten()
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(&mine))
                .count()
        };
        assert_eq!(left(), 1);
        house.signal(signal);
        house.0.wait().unwrap();
        until("its directory is gone", || async { left() == 0 }).await;
    }
}

#[test]
fn without_postgresql_or_space_the_demo_says_what_to_do() {
    let dir = state_dir();
    let none =
        run(demo(&dir).arg("--tour").stderr(Stdio::piped()).env("MERIDIAN_PG_BIN", "/nowhere"));
    assert_eq!(none.status.code(), Some(1));
    assert!(words(&none).contains("MERIDIAN_PG_BIN"), "{}", words(&none));

    // A file-size limit stands in for a full disk: both end a write in the middle.
    let program = env!("CARGO_BIN_EXE_meridian");
    let mut full = Command::new("prlimit");
    full.args(["--fsize=200000", program, "demo", "--tour", "--profile", "tiny", "--port", "0"]);
    let full = run(full.args(["--dns-port", "0", "--state-dir"]).arg(&dir));
    assert_eq!(full.status.code(), Some(1), "{}", words(&full));
    assert!(words(&full).contains("--state-dir"), "{}", words(&full));
    assert!(!dir.join("pg/data").exists(), "a half-made database was left behind");
    let _ = std::fs::remove_dir_all(&dir);
}

#[test]
fn strangers_understand_the_help_and_wrong_usage_has_its_own_code() {
    let help = run(meridian().arg("--help"));
    assert_eq!(help.status.code(), Some(0));
    let text = words(&help);
    for command in [
        "demo",
        "serve",
        "work",
        "geodns",
        "migrate",
        "regions",
        "audit",
        "privacy",
        "staff",
        "seats",
        "catalogue",
        "sandbox",
        "keys",
        "openapi",
    ] {
        assert!(text.contains(command), "{command}");
        let help = run(meridian().args([command, "--help"]));
        assert_eq!(help.status.code(), Some(0), "{command}");
        assert!(words(&help).contains("Exit codes"), "{command}");
    }
    assert_eq!(run(meridian().arg("fly")).status.code(), Some(64));
    assert_eq!(run(meridian().args(["serve"])).status.code(), Some(64));
}

#[test]
fn machines_read_json() {
    let json = |arguments: &[&str]| -> Value {
        let output = run(meridian().args(arguments));
        assert_eq!(output.status.code(), Some(0), "{}", words(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let regions = json(&["regions", "list", "--json"]);
    assert_eq!(regions.as_array().unwrap().len(), 4);
    assert_eq!(json(&["openapi"])["openapi"], "3.1.0");
    assert_eq!(json(&["catalogue", "--profile", "tiny"])["synthetic"], true);
    assert_eq!(json(&["catalogue", "--place", "berl"])[0]["iata"], "BER");
    let why = json(&["geodns", "explain", "--name", "api", "--subnet", "53.128.0.0/24"]);
    assert_eq!(why["chosen"], "eu-central");
    assert_eq!(
        json(&["geodns", "explain", "--name", "eu", "--subnet", "29.128.0.0/24"])["fence"],
        "eu"
    );
    let broken = run(meridian().args(["--regions-dir", "/nowhere", "regions", "check"]));
    assert_eq!(broken.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn geodns_skips_a_region_that_drains_and_one_that_is_dead() {
    let lab = Lab::plan(Plan {
        regions: vec!["eu-central", "eu-west", "us-east", "ap-southeast"],
        work: false,
        ..Plan::default()
    })
    .await;
    let dir = state_dir();
    std::fs::create_dir_all(dir.join("policy")).unwrap();
    for region in lab.registry.all() {
        let file = serde_json::to_string(&*region).unwrap();
        std::fs::write(dir.join(format!("{region}.json")), file).unwrap();
    }
    for policy in ["jurisdictions.json", "unhomed.json"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("regions/policy").join(policy);
        std::fs::copy(from, dir.join("policy").join(policy)).unwrap();
    }
    let mut command = meridian();
    command.arg("--regions-dir").arg(&dir).args(["geodns", "--listen", "127.0.0.1:0"]);
    let (_dns, line) = Killed::start_until(&mut command, "answering on ");
    let address = line.split_whitespace().nth(2).unwrap().parse().unwrap();
    let leads_to = |host: &'static str, subnet: &'static str| async move {
        let subnet = subnet.parse().unwrap();
        let region = meridian::demo::client::nearest(address, lab.registry, host, subnet).await;
        region.unwrap().name.clone()
    };
    let berlin = "53.128.0.0/24";
    assert_eq!(leads_to("api", berlin).await, "eu-central");
    lab.running("eu-central").drain();
    until("Berlin is led to Dublin", || async { leads_to("api", berlin).await == "eu-west" }).await;
    assert_eq!(leads_to("eu", "29.128.0.0/24").await, "eu-west");
    lab.running("eu-central").undrain();
    until("Berlin is led home", || async { leads_to("api", berlin).await == "eu-central" }).await;
    std::fs::remove_dir_all(&dir).unwrap();
    drop(connect(&lab.database).await);
}
