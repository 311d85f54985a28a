//! Rows of the fault matrix that are told while people book all the time: somebody is asleep, a
//! database crashes, one node after the other is replaced.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use meridian::demo::postgres::{Keep, Postgres};
use meridian::store::migrate;
use meridian_regions::Registry;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::asker::{Person, an_offer, direct_offers, id, instant, new_key};
use crate::lab::{Lab, Plan, count, install_tls, until};
use crate::processes::{Killed, serve};
use crate::rows::{counted, house, scrape, seats_left};

/// What is done for an order that is ticketed.
const DEEDS: [&str; 4] = ["authorize", "book", "capture", "tickets"];

#[tokio::test(flavor = "multi_thread")]
async fn row_04_a_node_that_slept_beyond_its_lease_wakes_up_and_writes_nothing() {
    let lab = house().await;
    let (sleeper, sleepers) = serve(&lab, "eu-central", &[]);
    let ada = Person::berliner(&lab).await;
    lab.slow("authorize", 1000).await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.via(&sleepers).book(&new_key(), &body).await.is(202));
    until("the provider is asked", || async { lab.asked("authorize").await == 1 }).await;
    sleeper.signal(Signal::STOP);

    let (_heir, heirs) = serve(&lab, "eu-central", &[]);
    let there = ada.via(&heirs);
    there.wait(&order, "ticketed").await;
    let version = there.get(&format!("/v1/orders/{order}")).await.is(200).bytes;
    sleeper.signal(Signal::CONT);
    until("its write was stopped", || async {
        counted(&scrape(&sleepers).await, "meridian_saga_fenced_total", "") > 0
    })
    .await;
    let after = there.get(&format!("/v1/orders/{order}")).await.is(200).bytes;
    assert!(after == version, "the order is another one now");
    assert_eq!(there.events(&order).await.len(), 5);
    for operation in DEEDS {
        assert_eq!(lab.journal(operation).await, 1, "{operation}");
    }
    assert_eq!(lab.seats().await, (0, 1));
}

/// A database that survives a crash of its server, in a directory that goes with the test.
struct Durable {
    dir: PathBuf,
    server: Option<Postgres>,
}

impl Drop for Durable {
    fn drop(&mut self) {
        self.server = None;
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Durable {
    fn start() -> Self {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let dir = std::env::temp_dir().join(format!("meridian-durable-{unique}"));
        let server = Some(Postgres::start(Keep::Directory(dir.clone())).unwrap());
        Self { dir, server }
    }

    /// Ends the server with nothing written back, as a loss of power does.
    fn crash(&mut self) {
        let pid = std::fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap();
        let pid: i32 = pid.lines().next().unwrap().trim().parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::QUIT).unwrap();
        // Waits until it has ended.
        self.server = None;
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    fn start_again(&mut self) {
        self.server = Some(Postgres::start(Keep::Directory(self.dir.clone())).unwrap());
        let log = std::fs::read_to_string(self.dir.join("postgres.log")).unwrap();
        assert!(log.contains("automatic recovery in progress"), "it did not crash: {log}");
    }
}

/// How it goes for people who book.
#[derive(Default)]
struct Crowd {
    stop: AtomicBool,
    accepted: Mutex<Vec<String>>,
    told_to_come_back: AtomicUsize,
}

impl Crowd {
    fn accepted(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }

    /// Waits until so many more have booked.
    async fn more(&self, orders: usize) {
        let before = self.accepted();
        until("people book", || async { self.accepted() >= before + orders }).await;
    }
}

/// A booking on a flight that is never sold out here.
async fn a_roomy_booking(lab: &Lab) -> Value {
    let offer = direct_offers(lab, "FRA", "JFK", 1).await.remove(0);
    seats_left(lab, &offer, 100_000).await;
    instant(offer["id"].as_str().unwrap(), "Lovelace", "tok_visa")
}

/// Books one order after the other until told to stop; each key is asked until it is accepted.
async fn book_patiently(crowd: Arc<Crowd>, ada: Person, body: Value) {
    while !crowd.stop.load(Ordering::Relaxed) {
        let key = new_key();
        loop {
            let answer = ada.book(&key, &body).await;
            if answer.status == 202 {
                crowd.accepted.lock().unwrap().push(id(&answer));
                break;
            }
            assert_eq!(answer.status, 503, "{:?}", answer.json());
            assert!(answer.header("retry-after").is_some(), "{:?}", answer.json());
            crowd.told_to_come_back.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Every accepted order is ticketed, once, and no other is there.
async fn all_is_well(lab: &Lab, ada: &Person, crowd: &Crowd) {
    let accepted = crowd.accepted.lock().unwrap().clone();
    let orders = i64::try_from(accepted.len()).unwrap();
    for order in &accepted {
        ada.wait(order, "ticketed").await;
        assert_eq!(ada.events(order).await.len(), 5);
    }
    assert_eq!(count(&lab.database, "SELECT count(*) FROM orders").await, orders);
    assert_eq!(lab.seats().await, (0, orders));
    for operation in DEEDS {
        assert_eq!(lab.journal(operation).await, accepted.len() as u64, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_05_a_database_that_crashes_under_load_loses_nothing_it_said_yes_to() {
    install_tls();
    let mut durable = tokio::task::spawn_blocking(Durable::start).await.unwrap();
    let database = durable.server.as_ref().unwrap().url("postgres");
    migrate::migrate(&database, &Registry::embedded().unwrap()).await.unwrap();
    let (regions, database) = (vec!["eu-central"], Some(database));
    let lab = Lab::plan(Plan { regions, database, ..Plan::default() }).await;
    let ada = Person::berliner(&lab).await;
    let body = a_roomy_booking(&lab).await;
    let crowd = Arc::new(Crowd::default());
    let people: Vec<_> = (0..4)
        .map(|_| tokio::spawn(book_patiently(Arc::clone(&crowd), ada.clone(), body.clone())))
        .collect();

    for _ in 0..2 {
        crowd.more(5).await;
        durable = tokio::task::spawn_blocking(move || {
            durable.crash();
            durable
        })
        .await
        .unwrap();
        let before = crowd.told_to_come_back.load(Ordering::Relaxed);
        until("people are told to come back", || async {
            crowd.told_to_come_back.load(Ordering::Relaxed) > before
        })
        .await;
        durable = tokio::task::spawn_blocking(move || {
            durable.start_again();
            durable
        })
        .await
        .unwrap();
    }
    crowd.more(5).await;
    crowd.stop.store(true, Ordering::Relaxed);
    for person in people {
        person.await.unwrap();
    }
    all_is_well(&lab, &ada, &crowd).await;
    tokio::task::spawn_blocking(move || drop(durable)).await.unwrap();
}

/// Knows which nodes are ready by asking each of them all the time, as a load balancer does.
#[derive(Clone, Default)]
struct Balancer {
    nodes: Arc<Mutex<Vec<(String, bool)>>>,
    turn: Arc<AtomicUsize>,
}

impl Balancer {
    fn run(&self) -> JoinHandle<()> {
        let balancer = self.clone();
        tokio::spawn(async move {
            loop {
                let urls: Vec<String> = balancer.urls(|_| true);
                for url in urls {
                    let ready = is_ready(&url).await;
                    let mut nodes = balancer.nodes.lock().unwrap();
                    let node = nodes.iter_mut().find(|(known, _)| *known == url);
                    node.expect("no node is forgotten").1 = ready;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    }

    fn urls(&self, which: impl Fn(bool) -> bool) -> Vec<String> {
        let nodes = self.nodes.lock().unwrap();
        nodes.iter().filter(|(_, ready)| which(*ready)).map(|(url, _)| url.clone()).collect()
    }

    fn add(&self, url: &str) {
        self.nodes.lock().unwrap().push((url.to_owned(), false));
    }

    async fn takes(&self, url: &str) {
        until("the new node gets requests", || async {
            self.urls(|ready| ready).contains(&url.to_owned())
        })
        .await;
    }

    async fn avoids(&self, url: &str) {
        until("the leaving node gets no requests", || async {
            !self.urls(|ready| ready).contains(&url.to_owned())
        })
        .await;
    }

    /// The node whose turn it is.
    fn next(&self) -> String {
        let ready = self.urls(|ready| ready);
        assert!(!ready.is_empty(), "no node is ready");
        ready[self.turn.fetch_add(1, Ordering::Relaxed) % ready.len()].clone()
    }
}

async fn is_ready(url: &str) -> bool {
    reqwest::get(format!("{url}/readyz")).await.is_ok_and(|answer| answer.status() == 200)
}

/// Books, looks until it is ticketed, and books again; nothing is ever tried a second time.
async fn book_without_mercy(crowd: Arc<Crowd>, ada: Person, body: Value, balancer: Balancer) {
    while !crowd.stop.load(Ordering::Relaxed) {
        let accepted = ada.via(&balancer.next()).book(&new_key(), &body).await.is(202);
        let order = id(&accepted);
        until("it is ticketed", || async {
            let there = ada.via(&balancer.next());
            there.get(&format!("/v1/orders/{order}")).await.is(200).data()["state"] == "ticketed"
        })
        .await;
        crowd.accepted.lock().unwrap().push(order);
    }
}

/// A node that has a while between saying that it leaves and closing its door.
fn leaving_politely(lab: &Lab) -> (Killed, String) {
    serve(lab, "eu-central", &["--drain-seconds", "3"])
}

#[tokio::test(flavor = "multi_thread")]
async fn row_35_every_node_is_replaced_under_load_and_no_request_fails() {
    let lab = house().await;
    let ada = Person::berliner(&lab).await;
    let body = a_roomy_booking(&lab).await;
    let balancer = Balancer::default();
    let mut nodes: Vec<_> = (0..2).map(|_| leaving_politely(&lab)).collect();
    let asking = balancer.run();
    for (_, url) in &nodes {
        balancer.add(url);
        balancer.takes(url).await;
    }
    let crowd = Arc::new(Crowd::default());
    let people: Vec<_> = (0..4)
        .map(|_| {
            let (crowd, ada, body) = (Arc::clone(&crowd), ada.clone(), body.clone());
            tokio::spawn(book_without_mercy(crowd, ada, body, balancer.clone()))
        })
        .collect();

    for _ in 0..2 {
        crowd.more(8).await;
        let (mut leaving, url) = nodes.remove(0);
        leaving.signal(Signal::TERM);
        // First it says that it leaves, and still takes whoever comes; then it goes.
        balancer.avoids(&url).await;
        let late = ada.via(&url).book(&new_key(), &body).await.is(202);
        crowd.accepted.lock().unwrap().push(id(&late));
        let code = tokio::task::spawn_blocking(move || leaving.0.wait().unwrap().code());
        assert_eq!(code.await.unwrap(), Some(0));
        let (next, url) = leaving_politely(&lab);
        balancer.add(&url);
        balancer.takes(&url).await;
        nodes.push((next, url));
    }
    crowd.more(8).await;
    crowd.stop.store(true, Ordering::Relaxed);
    for person in people {
        person.await.expect("a request failed");
    }
    asking.abort();
    all_is_well(&lab, &ada.via(&nodes[0].1), &crowd).await;
}
