//! Regions and the server as children, and questions to them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use meridian_geo_routing::{Subnet, ask};
use meridian_regions::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{DAMPING, INTERVAL};

/// Where a region's process is to listen.
const REGION_AT: &str = "GEO_ROUTING_TEST_REGION_AT";

/// A child that does not outlive its test.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Killed {
    pub(crate) fn signal(&self, signal: &str) {
        let sent =
            Command::new("kill").args([&format!("-{signal}"), &self.0.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }
}

/// Answers every request with 200 until it is killed.
pub(crate) fn region_process() {
    let Ok(at) = std::env::var(REGION_AT) else { return };
    let listener = TcpListener::bind(&at).unwrap();
    println!("region at {}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut request = [0; 2048];
        let _ = stream.read(&mut request);
        let reply = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
        let _ = stream.write_all(reply.as_bytes());
    }
}

/// Starts a child and reads its output until a line that begins so; returns what follows, and the
/// rest of the output.
pub(crate) fn start(
    command: &mut Command,
    begins: &str,
) -> (Killed, String, BufReader<ChildStdout>) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let child = Killed(child);
    loop {
        let mut line = String::new();
        assert!(output.read_line(&mut line).unwrap() > 0, "the child ended before \"{begins}\"");
        if let Some(at) = line.find(begins) {
            let rest = line[at + begins.len()..].split_whitespace().next().unwrap();
            return (child, rest.to_owned(), output);
        }
    }
}

fn start_region(at: &str) -> (Killed, SocketAddr) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "region", "--nocapture"]).env(REGION_AT, at);
    let (child, address, _) = start(&mut command, "region at ");
    (child, address.parse().unwrap())
}

/// A directory of a test's own.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("geo-faults-{}-{number}", std::process::id()));
        std::fs::create_dir_all(dir.join("regions/policy")).unwrap();
        Self(dir)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Four regions, a server that probes them, and a directory.
pub(crate) struct World {
    regions: BTreeMap<String, (Killed, SocketAddr)>,
    pub(crate) server: Option<Killed>,
    pub(crate) dns: SocketAddr,
    admin: SocketAddr,
    registry: Registry,
    pub(crate) scratch: Scratch,
    extra: Vec<String>,
    /// Kept open, so that the server can go on writing.
    output: Option<BufReader<ChildStdout>>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With further options for the server.
    pub(crate) async fn start_with(extra: &[&str]) -> Self {
        let scratch = Scratch::new();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../regions");
        for policy in ["jurisdictions.json", "unhomed.json"] {
            let to = scratch.path("regions/policy").join(policy);
            std::fs::copy(here.join("policy").join(policy), to).unwrap();
        }
        let embedded = Registry::embedded().unwrap();
        let mut regions = BTreeMap::new();
        for region in embedded.all() {
            regions.insert(region.name.clone(), start_region("127.0.0.1:0"));
        }
        let registry = embedded.with_endpoints(|file| {
            file.endpoints.api = format!("http://{}", regions[&file.name].1);
        });
        for region in registry.all() {
            let text = serde_json::to_string(&*region).unwrap();
            std::fs::write(scratch.path("regions").join(format!("{region}.json")), text).unwrap();
        }
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let extra = extra.iter().map(|it| (*it).to_owned()).collect();
        let (server, output) = (None, None);
        let mut world =
            Self { regions, server, dns: any, admin: any, registry, scratch, extra, output };
        world.serve();
        world
    }

    /// The command that serves this world.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_geo-routing"));
        let millis = |time: Duration| time.as_millis().to_string();
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.arg("--regions").arg(self.scratch.path("regions"));
        command.arg("--state-dir").arg(self.scratch.path("state"));
        command.args(["--probe-interval-ms", &millis(INTERVAL), "--probe-timeout-ms", "150"]);
        command.args(["--damping-ms", &millis(DAMPING), "--workers", "2"]).args(&self.extra);
        command
    }

    /// Starts the server, again or for the first time.
    pub(crate) fn serve(&mut self) {
        self.server = None;
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.scratch.path("log"))
            .unwrap();
        let (child, dns, mut output) = start(self.command().stderr(log), "answering on ");
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        self.admin = line.trim().rsplit('/').next().unwrap().parse().unwrap();
        self.dns = dns.parse().unwrap();
        self.server = Some(child);
        self.output = Some(output);
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.path("log")).unwrap()
    }

    pub(crate) fn kill(&mut self, region: &str) {
        let (_, address) = self.regions.remove(region).unwrap();
        // Its address is kept, so that it can come back.
        let sleeper = Command::new("sleep").arg("600").spawn().unwrap();
        self.regions.insert(region.to_owned(), (Killed(sleeper), address));
    }

    pub(crate) async fn restart(&mut self, region: &str) {
        let (_, address) = self.regions.remove(region).unwrap();
        self.regions.insert(region.to_owned(), start_region(&address.to_string()));
    }

    pub(crate) fn signal(&self, region: &str, signal: &str) {
        self.regions[region].0.signal(signal);
    }

    /// The region that a host is answered with for a network.
    pub(crate) async fn leads(&self, host: &str, subnet: &str) -> String {
        let subnet: Subnet = subnet.parse().unwrap();
        let name = format!("{host}.meridian.example.");
        let addresses = ask(self.dns, &name, subnet).await.unwrap();
        let region = self.registry.all().find(|region| {
            addresses.iter().any(|it| region.endpoints.ipv4.iter().any(|ip| it == ip))
        });
        region.unwrap().name.clone()
    }

    /// A request to the operators' door; returns the whole reply.
    pub(crate) async fn door(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.admin).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: \
             {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    }

    /// The value of a metric, with its labels as they are written.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.door("GET", "/metrics", "").await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no metric {name}")).trim().parse().unwrap()
    }
}

/// Waits on a condition, with a limit.
pub(crate) async fn until(limit: Duration, what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let outcome = tokio::time::timeout(limit, waiting).await;
    assert!(outcome.is_ok(), "not within {limit:?}: {what}");
}
