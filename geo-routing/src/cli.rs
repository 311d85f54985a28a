//! The command line, of `geo-routing` and of `meridian geodns` alike.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use crate::answer::cookie::Secret;
use crate::clock;
use crate::dnssec::make_key;
use crate::ground::{Ground, Manners};
use crate::health::{Prober, ProberConfig};
use crate::limit::RateLimit;
use crate::location::Subnet;
use crate::policy::{Condition, Live};
use crate::server::{AdminConfig, Encrypted, Files, Handle, Server, ServerConfig, TlsFiles};
use crate::state::{Override, StateDir, check};
use crate::table::RoutingTable;

/// A check found something wrong.
const FOUND: u8 = 2;

/// Bytes of a name server's identifier that fit beside the smallest question's answer.
const NSID_BYTES_MAX: usize = 48;

/// What a command comes to; a reason says what to do.
pub type Outcome = Result<ExitCode, String>;

/// Serves, unless it is told to do something instead.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Serving.
    #[command(flatten)]
    serve: Serve,
    /// Instead of serving.
    #[command(subcommand)]
    instead: Option<Instead>,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
enum Instead {
    /// Answer DNS: every name to the nearest healthy region that the law allows.
    Serve(Box<Serve>),
    /// Say why a host leads where it leads for a network; JSON.
    Explain(Explain),
    /// Check that the files make a routing table.
    Check(FileArgs),
    /// Make the key of a signed zone and print what the parent zone is to publish.
    Keygen(Keygen),
    /// Send nobody new to a region, from now on and also after a restart.
    Drain(Order),
    /// Let a region count as something whatever its probes say.
    Force(Force),
    /// Take back what was ordered for a region.
    Clear(Clear),
}

/// Which files; what is not given is what this build carries.
#[derive(Clone, Debug, Args)]
struct FileArgs {
    /// A zone file like geo-routing/zones/meridian.toml, or a directory of them.
    #[arg(long, env = "MERIDIAN_DNS_ZONES")]
    zones: Option<PathBuf>,
    /// A directory like regions/.
    #[arg(long, env = "MERIDIAN_DNS_REGIONS")]
    regions: Option<PathBuf>,
    /// A City or Country database in MaxMind's format (.mmdb).
    #[arg(long, env = "MERIDIAN_DNS_GEO_DB")]
    geo_db: Option<PathBuf>,
    /// Percentage of addresses that a new database may move to another region while serving.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(0..=100))]
    geo_db_moved_max: u32,
    /// A directory with the keys of signed zones; see `keygen`.
    #[arg(long, env = "MERIDIAN_DNS_KEYS")]
    dnssec_keys: Option<PathBuf>,
}

/// How to serve.
#[derive(Clone, Debug, Args)]
struct Serve {
    /// Where to listen, UDP and TCP; may be given more than once: [::]:53 is IPv6 alone.
    #[arg(
        long,
        env = "MERIDIAN_DNS_LISTEN",
        value_delimiter = ',',
        default_value = "127.0.0.1:5353"
    )]
    listen: Vec<SocketAddr>,
    #[command(flatten)]
    files: FileArgs,
    /// Where orders and what is known of the regions outlive the process.
    #[arg(long, env = "MERIDIAN_DNS_STATE_DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    encrypted: EncryptedArgs,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    limit: LimitArgs,
    #[command(flatten)]
    probes: ProbeArgs,
    /// A file with the secret that cookies are made with: 32 hexadecimal digits, the same on every
    /// server of a name. Without it each start makes its own.
    #[arg(long, env = "MERIDIAN_DNS_COOKIE_SECRET_FILE")]
    cookie_secret: Option<PathBuf>,
    /// What an asker of NSID is told; 48 bytes at most.
    #[arg(long, env = "MERIDIAN_DNS_NSID", value_parser = nsid)]
    nsid: Option<String>,
    /// UDP workers an address; 0 is one a core.
    #[arg(long, env = "MERIDIAN_DNS_WORKERS", default_value_t = 0)]
    workers: usize,
    /// Log every how many UDP answers, with the client's network only; 0 logs none.
    #[arg(long, env = "MERIDIAN_DNS_LOG_EVERY", default_value_t = 0)]
    log_every: u32,
    /// Do not count UDP answers; for measuring what counting costs.
    #[arg(long, hide = true)]
    no_metrics: bool,
    /// Receive and send datagrams one at a time, as on systems without batched calls.
    #[arg(long, hide = true)]
    no_batches: bool,
}

#[derive(Clone, Debug, Args)]
struct EncryptedArgs {
    /// Where to listen for DNS over TLS (RFC 7858).
    #[arg(long, env = "MERIDIAN_DNS_TLS_LISTEN", value_delimiter = ',', requires = "tls_cert")]
    tls_listen: Vec<SocketAddr>,
    /// Where to listen for DNS over HTTPS (RFC 8484).
    #[arg(long, env = "MERIDIAN_DNS_HTTPS_LISTEN", value_delimiter = ',', requires = "tls_cert")]
    https_listen: Vec<SocketAddr>,
    /// The certificate chain, in PEM; read again when it changes.
    #[arg(long, env = "MERIDIAN_DNS_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key, in PEM.
    #[arg(long, env = "MERIDIAN_DNS_TLS_KEY")]
    tls_key: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
struct AdminArgs {
    /// Where to listen for metrics, state and orders (HTTP).
    #[arg(long, env = "MERIDIAN_DNS_ADMIN")]
    admin: Option<SocketAddr>,
    /// A file with the token that changes need; required unless on loopback.
    #[arg(long, env = "MERIDIAN_DNS_ADMIN_TOKEN_FILE")]
    admin_token: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
struct LimitArgs {
    /// Answers with the same records to one network a second, over UDP; 0 does not limit.
    #[arg(long, env = "MERIDIAN_DNS_RRL_RECORDS", default_value_t = 1000)]
    rrl_records: u32,
    /// The same absence, refusal or complaint to one network a second; 0 does not limit.
    #[arg(long, env = "MERIDIAN_DNS_RRL_NEGATIVES", default_value_t = 200)]
    rrl_negatives: u32,
    /// Every how many answers over the rate one is sent cut short; 0 drops all.
    #[arg(long, env = "MERIDIAN_DNS_RRL_SLIP", default_value_t = 2)]
    rrl_slip: u32,
    /// Networks that are never limited.
    #[arg(
        long,
        env = "MERIDIAN_DNS_RRL_EXEMPT",
        value_delimiter = ',',
        default_value = "127.0.0.0/8,::1/128"
    )]
    rrl_exempt: Vec<Subnet>,
}

#[derive(Clone, Debug, Args)]
struct ProbeArgs {
    /// Do not probe the regions: all count as they did last, or as healthy.
    #[arg(long)]
    no_probes: bool,
    /// Time between two probes of a region, in milliseconds.
    #[arg(long, env = "MERIDIAN_DNS_PROBE_INTERVAL_MS", default_value_t = 5000)]
    probe_interval_ms: u64,
    /// Time that a region has for its reply, in milliseconds.
    #[arg(long, env = "MERIDIAN_DNS_PROBE_TIMEOUT_MS", default_value_t = 2000)]
    probe_timeout_ms: u64,
    /// How many of the last probes are looked at.
    #[arg(long, env = "MERIDIAN_DNS_PROBE_WINDOW", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    probe_window: u32,
    /// How many of them are bad when a region is sick.
    #[arg(long, env = "MERIDIAN_DNS_PROBE_DOWN", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    probe_down: u32,
    /// How many of them are good when it is well again.
    #[arg(long, env = "MERIDIAN_DNS_PROBE_UP", default_value_t = 4,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    probe_up: u32,
    /// How long a sick region has to be well before it is answered again, in milliseconds; longer
    /// each time it falls back.
    #[arg(long, env = "MERIDIAN_DNS_DAMPING_MS", default_value_t = 30_000)]
    damping_ms: u64,
}

#[derive(Clone, Debug, Args)]
struct Explain {
    /// Name of the host inside the zone (api, eu) or in full.
    #[arg(long)]
    name: String,
    /// The client's network, such as 203.0.113.0/24.
    #[arg(long)]
    subnet: Subnet,
    #[command(flatten)]
    files: FileArgs,
    /// The state directory of a server, for the health and the orders it goes by.
    #[arg(long, env = "MERIDIAN_DNS_STATE_DIR")]
    state_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
struct Keygen {
    /// The zone, such as meridian.example.
    #[arg(long)]
    zone: String,
    /// Where to put the key: DIR/ZONE.pem, readable for this user only.
    #[arg(long)]
    dir: PathBuf,
}

#[derive(Clone, Debug, Args)]
struct Order {
    /// Name of the region.
    region: String,
    /// The state directory of the server, which watches it.
    #[arg(long, env = "MERIDIAN_DNS_STATE_DIR")]
    state_dir: PathBuf,
    /// Why, for whoever finds it.
    #[arg(long, default_value = "")]
    reason: String,
    /// When it ends by itself, such as 2026-12-01T20:00:00Z.
    #[arg(long)]
    until: Option<Timestamp>,
    /// The regions, if not those of this build.
    #[arg(long, env = "MERIDIAN_DNS_REGIONS")]
    regions: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
struct Force {
    /// healthy, sick or draining.
    #[arg(long = "as", value_parser = condition)]
    condition: Condition,
    #[command(flatten)]
    order: Order,
}

#[derive(Clone, Debug, Args)]
struct Clear {
    /// Name of the region.
    region: String,
    /// The state directory of the server, which watches it.
    #[arg(long, env = "MERIDIAN_DNS_STATE_DIR")]
    state_dir: PathBuf,
}

fn nsid(text: &str) -> Result<String, String> {
    if text.len() <= NSID_BYTES_MAX {
        Ok(text.to_owned())
    } else {
        Err(format!("write {NSID_BYTES_MAX} bytes at most"))
    }
}

fn condition(text: &str) -> Result<Condition, String> {
    serde_json::from_value(text.into()).map_err(|_| "write healthy, sick or draining".to_owned())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A reader that has gone (`geo-routing … | head`) is no failure of ours.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

impl FileArgs {
    fn files(&self, manners: Manners) -> Files {
        Files {
            zones: self.zones.clone(),
            regions: self.regions.clone(),
            geo_db: self.geo_db.clone(),
            keys: self.dnssec_keys.clone(),
            manners,
            moved_max_percent: self.geo_db_moved_max,
        }
    }

    fn ground(&self) -> Result<Ground, String> {
        let sources = self.files(Manners::default()).read().map_err(text)?;
        Ground::new(&sources, clock::now()).map_err(text)
    }
}

impl Cli {
    /// Does it. `regions` is where the regions are if these arguments do not say.
    pub async fn run(self, regions: Option<&Path>) -> Outcome {
        let default = |files: &mut FileArgs| {
            files.regions = files.regions.take().or_else(|| regions.map(Path::to_owned));
        };
        match self.instead.unwrap_or_else(|| Instead::Serve(Box::new(self.serve))) {
            Instead::Serve(mut serve) => {
                default(&mut serve.files);
                serve.run().await
            }
            Instead::Explain(mut explain) => {
                default(&mut explain.files);
                explain.run()
            }
            Instead::Check(mut files) => {
                default(&mut files);
                Ok(check_files(&files))
            }
            Instead::Keygen(Keygen { zone, dir }) => {
                let published = make_key(&dir, &zone).map_err(text)?;
                say(&format!("{}\n{}", published.ds, published.dnskey));
                eprintln!("the key is in {}", published.path.display());
                Ok(ExitCode::SUCCESS)
            }
            Instead::Drain(order) => order.keep(regions, |order| order.drain = true),
            Instead::Force(Force { condition, order }) => {
                order.keep(regions, |order| order.force = Some(condition))
            }
            Instead::Clear(Clear { region, state_dir }) => {
                let state = StateDir::open(&state_dir).map_err(text)?;
                let mut overrides = state.overrides().map_err(text)?;
                if overrides.remove(&region).is_none() {
                    return Err(format!("nothing is ordered for {region}"));
                }
                state.write_overrides(&overrides).map_err(text)?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

impl Order {
    fn keep(self, regions: Option<&Path>, change: impl FnOnce(&mut Override)) -> Outcome {
        let state = StateDir::open(&self.state_dir).map_err(text)?;
        let mut overrides = state.overrides().map_err(text)?;
        let order = overrides.entry(self.region).or_default();
        order.reason = self.reason;
        order.until = self.until;
        change(order);
        let regions = self.regions.or_else(|| regions.map(Path::to_owned));
        let files = Files { regions, ..Files::default() };
        check(&overrides, files.read().map_err(text)?.registry).map_err(text)?;
        state.write_overrides(&overrides).map_err(text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn check_files(files: &FileArgs) -> ExitCode {
    match files.ground() {
        Ok(ground) => {
            say(&ground.summary());
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(FOUND)
        }
    }
}

impl Explain {
    fn run(self) -> Outcome {
        let ground = self.files.ground()?;
        let mut live = Live::new();
        if let Some(dir) = &self.state_dir {
            let state = StateDir::open(dir).map_err(text)?;
            live = state.live(ground.registry, clock::now()).map_err(text)?;
        }
        let table = RoutingTable::compile(ground.into(), live);
        let explanation = table.explain(&self.name, self.subnet).map_err(text)?;
        say(&serde_json::to_string(&explanation).map_err(text)?);
        Ok(ExitCode::SUCCESS)
    }
}

impl Serve {
    async fn run(self) -> Outcome {
        let manners = Manners {
            nsid: self.nsid.clone().map(String::into_bytes),
            cookies: Some(self.cookie_secret()?),
        };
        let files = self.files.files(manners);
        let sources = files.read().map_err(text)?;
        let EncryptedArgs { tls_listen, https_listen, tls_cert, tls_key } = self.encrypted;
        let certificate = tls_cert.zip(tls_key);
        let config = ServerConfig {
            listen: self.listen,
            files: Some(files),
            state_dir: self.state_dir,
            encrypted: certificate.map(|(certificate, key)| Encrypted {
                files: TlsFiles { certificate, key },
                tls: tls_listen,
                https: https_listen,
            }),
            admin: self
                .admin
                .admin
                .map(|listen| AdminConfig { listen, token: self.admin.admin_token.clone() }),
            workers: self.workers,
            limit: self.limit.limit(),
            log_every: self.log_every,
            counted: !self.no_metrics,
            batched: cfg!(target_os = "linux") && !self.no_batches,
            ..ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)), sources)
        };
        let server = Server::start(config).await.map_err(text)?;
        say(&format!("answering on {} (UDP and TCP)", server.local_addr()));
        if let Some(admin) = server.admin_addr() {
            say(&format!("metrics and orders on http://{admin}"));
        }
        let prober = (!self.probes.no_probes)
            .then(|| Prober::start(self.probes.config(), server.control()))
            .transpose()
            .map_err(text)?;
        until_good_bye(&server).await?;
        drop(prober);
        server.stop().await;
        Ok(ExitCode::SUCCESS)
    }

    fn cookie_secret(&self) -> Result<Secret, String> {
        match &self.cookie_secret {
            None => Ok(Secret::random()),
            Some(path) => {
                let shown = path.display();
                let digits = std::fs::read_to_string(path);
                let digits = digits.map_err(|error| format!("--cookie-secret {shown}: {error}"))?;
                digits.parse().map_err(|error| format!("--cookie-secret {shown}: {error}"))
            }
        }
    }
}

impl LimitArgs {
    fn limit(&self) -> RateLimit {
        RateLimit {
            records_per_second: self.rrl_records,
            negatives_per_second: self.rrl_negatives,
            slip: self.rrl_slip,
            exempt: self.rrl_exempt.clone(),
            ..RateLimit::default()
        }
    }
}

impl ProbeArgs {
    fn config(&self) -> ProberConfig {
        ProberConfig {
            interval: Duration::from_millis(self.probe_interval_ms),
            timeout: Duration::from_millis(self.probe_timeout_ms),
            window: self.probe_window.max(self.probe_down).max(self.probe_up),
            down: self.probe_down,
            up: self.probe_up,
            damping: Duration::from_millis(self.damping_ms),
        }
    }
}

/// Ctrl-C, or the signal that service managers send; SIGHUP has the files read again.
async fn until_good_bye(server: &Handle) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(text)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(text)?;
    loop {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => return interrupted.map_err(text),
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => server.reload(),
        }
    }
}
