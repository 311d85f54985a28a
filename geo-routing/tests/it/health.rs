//! The prober against regions of our own that change their mind.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use meridian_geo_routing::{Condition, Control, Handle, Prober, ProberConfig, Zone};
use meridian_regions::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::asker::*;

/// Stands for "draining" among the statuses a region can be told to give.
const DRAINING: u16 = 1;
/// Stands for a region that hangs up.
const SILENT: u16 = 0;
/// Stands for a region that answers two probes badly and three well, again and again.
const LIMPING: u16 = 2;

const INTERVAL: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(20);

/// A region's health page.
#[derive(Clone)]
struct Page {
    status: Arc<AtomicU16>,
    seen: Arc<AtomicU64>,
    address: SocketAddr,
}

impl Page {
    async fn open(tasks: &mut JoinSet<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let page = Self {
            status: Arc::new(AtomicU16::new(200)),
            seen: Arc::default(),
            address: listener.local_addr().unwrap(),
        };
        let own = page.clone();
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 2048];
                let length = stream.read(&mut request).await.unwrap_or(0);
                assert!(request[..length].starts_with(b"GET /edge-health "));
                let (status, body) = match own.status.load(Ordering::SeqCst) {
                    SILENT => (0, ""),
                    LIMPING if own.seen.load(Ordering::SeqCst) % 5 >= 2 => (200, ""),
                    LIMPING => (500, ""),
                    DRAINING => (503, "{\"state\":\"draining\"}"),
                    status => (status, "plain"),
                };
                if status != 0 {
                    let length = body.len();
                    let reply = format!(
                        "HTTP/1.1 {status} X\r\nlocation: /\r\ncontent-length: {length}\r\n\
                         connection: close\r\n\r\n{body}"
                    );
                    let _ = stream.write_all(reply.as_bytes()).await;
                }
                own.seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        page
    }

    fn says(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Returns when this many more probes have been answered.
    async fn probed(&self, times: u64) {
        let until = self.seen.load(Ordering::SeqCst) + times;
        wait(|| self.seen.load(Ordering::SeqCst) >= until).await;
    }
}

struct World {
    server: Handle,
    pages: HashMap<String, Page>,
    _prober: Prober,
    _tasks: JoinSet<()>,
}

impl World {
    async fn start() -> Self {
        let mut tasks = JoinSet::new();
        let mut pages = HashMap::new();
        for region in registry().all() {
            pages.insert(region.name.clone(), Page::open(&mut tasks).await);
        }
        let registry: Registry = registry().with_endpoints(|region| {
            region.endpoints.api = format!("http://{}", pages[&region.name].address);
        });
        let server = start_with(registry, Zone::embedded()).await;
        let config =
            ProberConfig { interval: INTERVAL, damping: 5 * INTERVAL, ..ProberConfig::default() };
        let prober = Prober::start(config, server.control()).unwrap();
        Self { server, pages, _prober: prober, _tasks: tasks }
    }

    async fn becomes(&self, name: &str, condition: Condition) {
        let control: Control = self.server.control();
        wait(|| control.conditions()[&region(name)] == condition).await;
    }
}

/// Waits on a condition, with a limit.
async fn wait(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(LIMIT, waiting).await.expect("it happens within the limit");
}

#[tokio::test]
async fn a_region_that_falls_ill_is_left_and_comes_back_when_well() {
    let world = World::start().await;
    let berlin = "53.128.0.0/24";
    assert_eq!(region_for(&world.server, "api", berlin).await, "eu-central", "unknown is healthy");
    let page = &world.pages["eu-central"];
    page.says(500);
    world.becomes("eu-central", Condition::Sick).await;
    assert_eq!(region_for(&world.server, "api", berlin).await, "eu-west");
    page.says(200);
    world.becomes("eu-central", Condition::Healthy).await;
    assert_eq!(region_for(&world.server, "api", berlin).await, "eu-central");
}

#[tokio::test]
async fn draining_silence_and_redirects_are_told_apart() {
    let world = World::start().await;
    let page = &world.pages["us-east"];
    for (status, condition) in [
        (DRAINING, Condition::Draining),
        (503, Condition::Sick),
        (200, Condition::Healthy),
        (302, Condition::Sick),
        (DRAINING, Condition::Draining),
        (SILENT, Condition::Sick),
    ] {
        page.says(status);
        world.becomes("us-east", condition).await;
    }
}

#[tokio::test]
async fn when_most_regions_turn_sick_at_once_the_last_good_set_is_kept() {
    let world = World::start().await;
    for name in ["eu-central", "eu-west", "us-east"] {
        world.pages[name].says(SILENT);
    }
    world.pages["eu-central"].probed(8).await;
    let conditions = world.server.conditions();
    assert!(conditions.values().all(|it| *it == Condition::Healthy), "{conditions:?}");
    // Two come back: most are well, so the one that is still sick is believed.
    for name in ["eu-central", "eu-west"] {
        world.pages[name].says(200);
    }
    world.becomes("us-east", Condition::Sick).await;
    assert_eq!(world.server.conditions()[&region("eu-central")], Condition::Healthy);
}

#[tokio::test]
async fn two_bad_probes_of_five_are_not_believed() {
    let world = World::start().await;
    let page = &world.pages["eu-west"];
    page.says(LIMPING);
    // Had it once been taken for sick, the lone good probes would not have brought it back.
    page.probed(20).await;
    assert_eq!(world.server.conditions()[&region("eu-west")], Condition::Healthy);
}
