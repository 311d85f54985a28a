//! A broker of this machine: Tansu, one small process with its log in memory, or, where
//! `MERIDIAN_KAFKA_JARS` names the libraries that `scripts/fetch-kafka` brings, Apache Kafka, whose
//! log outlives it. Tansu is fetched when it is not there; without a broker no test passes.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Looks for a broker that starts, and the pause between two.
const LOOKS_MAX: usize = 3000;
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Apache Kafka writes ids as 22 characters.
const CLUSTER: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// A broker that ends when it is dropped.
pub(crate) struct Broker {
    kind: Kind,
    port: u16,
    advertised: u16,
    process: Child,
}

/// Which broker.
pub(crate) enum Kind {
    /// Its program.
    Tansu(PathBuf),
    /// Its libraries, and its directory.
    Apache { jars: PathBuf, dir: PathBuf },
}

impl Broker {
    /// A broker that tells clients to come to another port of this machine, or to its own.
    pub(crate) fn start(advertised: Option<u16>) -> Self {
        let port = free_port();
        let advertised = advertised.unwrap_or(port);
        let kind = match std::env::var_os("MERIDIAN_KAFKA_JARS") {
            Some(jars) => {
                let (jars, dir) = (PathBuf::from(jars), new_dir());
                format(&jars, &dir, &[("PLAINTEXT", port, advertised)], &[], &[]);
                Kind::Apache { jars, dir }
            }
            None => Kind::Tansu(tansu().to_owned()),
        };
        Self::started(kind, port, advertised)
    }

    /// Starts what was made ready.
    pub(crate) fn started(kind: Kind, port: u16, advertised: u16) -> Self {
        let process = kind.spawn(port, advertised);
        let broker = Self { kind, port, advertised, process };
        broker.until_it_listens();
        broker
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether it finds again what it acknowledged before it was killed.
    pub(crate) fn keeps_its_log(&self) -> bool {
        matches!(self.kind, Kind::Apache { .. })
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again where it was.
    pub(crate) fn start_again(&mut self) {
        self.process = self.kind.spawn(self.port, self.advertised);
        self.until_it_listens();
    }

    fn until_it_listens(&self) {
        for _ in 0..LOOKS_MAX {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        panic!("the broker never listened on port {}", self.port);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Kind::Apache { dir, .. } = &self.kind {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

impl Kind {
    fn spawn(&self, port: u16, advertised: u16) -> Child {
        let mut command = match self {
            Self::Tansu(program) => {
                let url = |port: u16| format!("tcp://127.0.0.1:{port}");
                let mut command = Command::new(program);
                command
                    .args(["broker", "--silent", "--storage-engine", "memory://tansu/"])
                    .args(["--listener-url", &url(port)])
                    .args(["--advertised-listener-url", &url(advertised)]);
                command
            }
            Self::Apache { jars, dir } => {
                let mut command = java(jars);
                command.arg("kafka.Kafka").arg(dir.join("server.properties"));
                command
            }
        };
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.spawn().unwrap()
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    free.local_addr().unwrap().port()
}

/// Where Tansu's program is; fetches it if need be.
fn tansu() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = |dir: &Path| dir.join("scripts/fetch-tansu");
        let script = manifest.ancestors().map(script).find(|it| it.exists()).unwrap();
        let fetched = Command::new(script).output().unwrap();
        let said = String::from_utf8_lossy(&fetched.stderr);
        assert!(fetched.status.success(), "the tests need a broker:\n{said}");
        if let Some(named) = std::env::var_os("MERIDIAN_TANSU") {
            return named.into();
        }
        let cache = std::env::var_os("XDG_CACHE_HOME").filter(|it| !it.is_empty());
        let home = || Path::new(&std::env::var_os("HOME").unwrap()).join(".cache");
        cache.map_or_else(home, PathBuf::from).join("meridian/tansu/tansu")
    })
}

fn java(jars: &Path) -> Command {
    let mut command = Command::new("java");
    command
        .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
        .arg(jars.join("*"));
    command
}

/// A directory that goes with its broker.
pub(crate) fn new_dir() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("meridian-kafka-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// Makes a directory one in which Apache Kafka can start, broker and controller in one, with these
/// listeners (a protocol, where it listens, where it sends clients).
pub(crate) fn format(
    jars: &Path,
    dir: &Path,
    listeners: &[(&str, u16, u16)],
    more: &[String],
    tool_more: &[&str],
) {
    let (controller, properties) = (free_port(), dir.join("server.properties"));
    let all = |f: fn(&(&str, u16, u16)) -> String| listeners.iter().map(f).collect::<Vec<_>>();
    let own = all(|(name, port, _)| format!("{name}://127.0.0.1:{port}")).join(",");
    let told = all(|(name, _, port)| format!("{name}://127.0.0.1:{port}")).join(",");
    let mut lines = vec![
        "process.roles=broker,controller".to_owned(),
        "node.id=1".to_owned(),
        format!("listeners={own},CONTROLLER://127.0.0.1:{controller}"),
        format!("advertised.listeners={told}"),
        "listener.security.protocol.map=\
         CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL"
            .to_owned(),
        "controller.listener.names=CONTROLLER".to_owned(),
        format!("controller.quorum.bootstrap.servers=127.0.0.1:{controller}"),
        format!("log.dirs={}", dir.join("log").display()),
        "offsets.topic.replication.factor=1".to_owned(),
        "offsets.topic.num.partitions=1".to_owned(),
        "transaction.state.log.replication.factor=1".to_owned(),
        "transaction.state.log.min.isr=1".to_owned(),
        "auto.create.topics.enable=false".to_owned(),
        // So that a killed broker is not waited for.
        "broker.session.timeout.ms=3000".to_owned(),
    ];
    lines.extend_from_slice(more);
    std::fs::write(&properties, lines.join("\n")).unwrap();
    let tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER, "-c"];
    let done = java(jars).args(tool).arg(&properties).args(tool_more).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "Apache Kafka made no directory for itself:\n{said}");
}
