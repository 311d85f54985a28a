//! Starting the whole house: database, keys, other companies, four regions, GeoDNS; and stopping it
//! without leaving anything behind.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use meridian_geo_routing::{Handle, Prober, ProberConfig, Server, ServerConfig, Sources, Zone};
use meridian_regions::{RegionId, Registry};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::postgres::{Keep, Postgres, USER};
use super::progress::Progress;
use crate::clock::Clock;
use crate::config::Demo;
use crate::node::{Node, NodeConfig, World};
use crate::privacy::keys::{self, Keys};
use crate::store::{DatabaseUrl, StoreConfig, migrate};
use crate::suppliers::CallbackSecrets;
use crate::suppliers::sandbox::{HOLD, Sandbox};
use crate::webhooks::guard::Reach;

/// Connections for writing of each region's node; four nodes share one small server.
const CONNECTIONS_PER_NODE: usize = 6;
/// Time between two probes of a region: short, so that a person sees DNS change.
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// How long a region that came back is looked at: short for the same reason.
const DAMPING: Duration = Duration::from_secs(3);

/// Why the house did not start, in a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

/// The running house. The order of the fields is the order of the good-byes.
pub struct House {
    /// GeoDNS.
    pub dns: Handle,
    /// One node a region.
    pub nodes: Vec<Node>,
    /// All regions, answering at their loopback addresses.
    pub registry: Registry,
    /// The database.
    pub database: DatabaseUrl,
    /// How long each phase of the start took, in seconds.
    pub seconds: Vec<(&'static str, f64)>,
    /// What the embedded database is, when it is the embedded one.
    pub postgres: Option<Postgres>,
    prober: Prober,
    sandbox: JoinHandle<()>,
}

impl House {
    /// Starts everything, telling a person what is going on.
    pub async fn start(registry: Registry, demo: &Demo) -> Result<Self, Failed> {
        let mut progress = Progress::new(6);
        let listeners = listen(registry, demo.port).await?;
        let registry = answering_at(registry, &listeners);

        progress.phase("database", "starting PostgreSQL");
        let (postgres, database, keys_dir) = database(demo).await?;

        progress.phase("migrate", "bringing the schema up");
        migrate::migrate(&database, &registry).await.map_err(failed)?;

        progress.phase("world", "reading the catalogue, generating the schedule");
        let (profile, seed) = (demo.schedule.profile, demo.schedule.seed);
        let build = move || World::build(registry, profile, seed, Clock::default());
        let world = tokio::task::spawn_blocking(build).await.map_err(failed)?.map_err(failed)?;

        progress.phase("suppliers", "opening the other companies");
        Keys::make(&keys_dir, registry.all()).map_err(failed)?;
        let secrets = keys::callbacks(&keys_dir).map_err(failed)?;
        let (suppliers, sandbox) = sandbox(&world.clock, secrets).await?;

        progress.phase("regions", "opening the regions");
        let mut nodes = Vec::new();
        for (region, listener) in listeners {
            let region = registry.by_name(&region.name).expect("the same regions elsewhere");
            let store = StoreConfig {
                connections_max: CONNECTIONS_PER_NODE,
                ..StoreConfig::new(database.clone())
            };
            let keys = Keys::load(&keys_dir, registry, region).map_err(failed)?;
            // Whoever tries the house out listens on the same machine.
            let reach = Reach::Anywhere;
            let config = NodeConfig { reach, ..NodeConfig::new(region, store, keys, &suppliers) };
            nodes.push(Node::start(&world, config, listener).await.map_err(failed)?);
        }

        progress.phase("dns", "opening GeoDNS");
        let (dns, prober) = geodns(registry, demo.dns_port).await?;
        let seconds = progress.done();
        Ok(Self { dns, nodes, registry, database, seconds, postgres, prober, sandbox })
    }

    /// Says good-bye in the order that loses nothing.
    pub async fn stop(self) {
        drop(self.prober);
        self.dns.stop().await;
        for node in self.nodes {
            node.stop().await;
        }
        self.sandbox.abort();
        // Stopping the server waits for it, so not on a thread that drives other tasks.
        let postgres = self.postgres;
        let _ = tokio::task::spawn_blocking(move || drop(postgres)).await;
    }
}

fn failed(error: impl std::fmt::Display) -> Failed {
    Failed(error.to_string())
}

/// A listener for each region: its own loopback address with the same port, so that the address in
/// a DNS answer is all one needs. Where only 127.0.0.1 exists, each gets a port of its own.
async fn listen(registry: Registry, port: u16) -> Result<Vec<(RegionId, TcpListener)>, Failed> {
    let regions: Vec<RegionId> = registry.with_rows().collect();
    let mut chosen = port;
    let mut listeners = Vec::new();
    for (index, region) in regions.into_iter().enumerate() {
        let last = 11 + u8::try_from(index).map_err(failed)?;
        let own = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), chosen));
        let listener = match TcpListener::bind(own).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => {
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?
            }
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                return Err(Failed(format!(
                    "{own} is in use; is another demo running? choose another with --port, or \
                     --port 0 for any that is free"
                )));
            }
            bound => bound.map_err(failed)?,
        };
        chosen = listener.local_addr().map_err(failed)?.port();
        listeners.push((region, listener));
    }
    Ok(listeners)
}

fn answering_at(registry: Registry, listeners: &[(RegionId, TcpListener)]) -> Registry {
    registry.with_endpoints(|file| {
        let listener = listeners.iter().find(|(region, _)| region.name == file.name);
        if let Some(Ok(address)) = listener.map(|(_, listener)| listener.local_addr()) {
            file.endpoints.api = format!("http://{address}");
            file.endpoints.ipv6 = Vec::new();
            file.endpoints.ipv4 = match address.ip() {
                IpAddr::V4(v4) => vec![v4],
                IpAddr::V6(_) => Vec::new(),
            };
        }
    })
}

type Opened = (Option<Postgres>, DatabaseUrl, PathBuf);

/// The embedded database, or the one that was given; and where the keys are.
async fn database(demo: &Demo) -> Result<Opened, Failed> {
    if let Some(url) = &demo.database_url {
        return Ok((None, url.clone(), state_dir(demo)?.join("keys")));
    }
    let keep = match demo.ephemeral {
        true => Keep::Ephemeral,
        false => Keep::Directory(state_dir(demo)?.join("pg")),
    };
    let started = tokio::task::spawn_blocking(move || Postgres::start(keep)).await;
    let postgres = started.map_err(failed)?.map_err(failed)?;
    // What is kept for this run only goes with its database.
    let kept = if demo.ephemeral { postgres.dir().to_owned() } else { state_dir(demo)? };
    let url = postgres.url(USER);
    Ok((Some(postgres), url, kept.join("keys")))
}

/// Where a person's state is kept. Root's own directories are closed to the user that runs
/// PostgreSQL for root, so root's state is the machine's.
fn state_dir(demo: &Demo) -> Result<PathBuf, Failed> {
    if let Some(dir) = &demo.state_dir {
        return std::path::absolute(dir).map_err(failed);
    }
    if rustix::process::geteuid().is_root() {
        return Ok(Path::new("/var/lib/meridian").to_owned());
    }
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state"));
    let base = base.or_else(home);
    let base = base.ok_or_else(|| {
        Failed("neither XDG_STATE_HOME nor HOME is set; choose a place with --state-dir".into())
    })?;
    Ok(base.join("meridian"))
}

async fn sandbox(
    clock: &Clock,
    secrets: CallbackSecrets,
) -> Result<(String, JoinHandle<()>), Failed> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let url = format!("http://{}", listener.local_addr().map_err(failed)?);
    let sandbox = Sandbox::new(clock.clone(), HOLD, secrets, 0);
    let task = tokio::spawn(async move {
        if let Err(error) = sandbox.serve(listener, std::future::pending()).await {
            tracing::error!(%error, "the sandbox failed");
        }
    });
    Ok((url, task))
}

async fn geodns(registry: Registry, port: u16) -> Result<(Handle, Prober), Failed> {
    let sources = Sources::new(registry, vec![Zone::embedded()]);
    let config = ServerConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), sources);
    let advice = "choose another with --dns-port, or --dns-port 0 for any that is free";
    let dns = Server::start(config).await.map_err(|error| Failed(format!("{error} {advice}")))?;
    let probing =
        ProberConfig { interval: PROBE_EVERY, damping: DAMPING, ..ProberConfig::default() };
    let prober = Prober::start(probing, dns.control()).map_err(failed)?;
    Ok((dns, prober))
}
