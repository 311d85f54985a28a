//! The server: sockets, the current table, and the handle that changes it.
//!
//! It moves packets and counts them. What is answered is decided in [`crate::respond`]; a client's
//! address is personal data and stands in no log line here.

pub mod datagram;

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use meridian_regions::{RegionId, Registry};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::location::{Geography, Subnet};
use crate::policy::{Condition, Explanation, Live};
use crate::respond::{Reply, Transport, respond};
use crate::table::{RoutingTable, explain};
use crate::zone::{Zone, ZoneError};

/// Largest question in bytes that is read; more than any honest one has.
const QUESTION_MAX: usize = 4096;

/// Open TCP connections at once; the next one waits until one of them ends.
const CONNECTIONS_MAX: usize = 256;

/// How long a TCP client may be silent, or refuse to read.
const CONNECTION_IDLE: Duration = Duration::from_secs(10);

/// Ports tried until one is free for both UDP and TCP, when any port will do.
const PORT_ATTEMPTS_MAX: usize = 32;

/// Pause after a socket error, so that a lasting one does not burn a core.
const SOCKET_ERROR_PAUSE: Duration = Duration::from_millis(50);

/// Response codes that are counted apart: the twelve-bit codes in use end at 23.
const RCODES: usize = 24;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen, both UDP and TCP; port 0 takes any that is free for both.
    pub listen: SocketAddr,
    /// The regions.
    pub registry: Registry,
    /// The zone.
    pub zone: Zone,
    /// The time now, which the age of the country table is told by; this crate has no clock.
    pub now: SystemTime,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The zone does not fit the regions.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// The address cannot be listened on.
    #[error("cannot listen on {listen} ({transport}): {error}; is another server there?")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// UDP or TCP.
        transport: &'static str,
        /// The reason.
        error: io::Error,
    },
}

/// An authoritative name server.
pub struct Server;

impl Server {
    /// Binds the sockets and starts to answer. Every region counts as healthy until told otherwise.
    pub async fn start(config: ServerConfig) -> Result<Handle, ServerError> {
        let ServerConfig { listen, registry, zone, now } = config;
        let zone = Arc::new(zone);
        let table = RoutingTable::compile(registry, Arc::clone(&zone), &Live::new())?;
        Geography::embedded().warn_if_old(now);
        let (udp, tcp, local_addr) = bind(listen).await?;
        let shared = Arc::new(Shared {
            registry,
            zone,
            table: ArcSwap::from_pointee(table),
            state: Mutex::default(),
            counters: Counters::new(registry),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&shared)));
        tasks.spawn(serve_tcp(tcp, Arc::clone(&shared)));
        tracing::info!(%local_addr, "name server is answering");
        Ok(Handle { local_addr, control: Control(shared), tasks })
    }
}

/// A running server. Dropping it stops it.
pub struct Handle {
    local_addr: SocketAddr,
    control: Control,
    tasks: JoinSet<()>,
}

impl Handle {
    /// Where it listens, with the port it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// A handle that changes and asks the server but does not keep it running; for the prober.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Stops answering and returns when the sockets are closed.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Deref for Handle {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

/// What may be changed and asked while the server answers.
#[derive(Clone)]
pub struct Control(Arc<Shared>);

struct Shared {
    registry: Registry,
    zone: Arc<Zone>,
    table: ArcSwap<RoutingTable>,
    state: Mutex<LiveState>,
    counters: Counters,
}

/// Two hands write here, and neither may undo the other: the prober's findings and the drains.
#[derive(Default)]
struct LiveState {
    found: Live,
    drained: HashSet<RegionId>,
}

impl LiveState {
    /// A drained region that is sick is sick: a drain asks for nobody new, it heals nothing.
    fn effective(&self) -> Live {
        let mut live = self.found.clone();
        for region in &self.drained {
            let condition = live.entry(*region).or_default();
            if *condition == Condition::Healthy {
                *condition = Condition::Draining;
            }
        }
        live
    }
}

impl Control {
    /// Says how a region is; answers change before this returns.
    pub fn set_condition(&self, region: RegionId, condition: Condition) {
        let mut state = self.state();
        if state.found.insert(region, condition).unwrap_or_default() != condition {
            tracing::info!(%region, ?condition, "region changed");
            self.publish(&state);
        }
    }

    /// Drains a region, or ends its drain. Probes do not lift a drain.
    pub fn set_drain(&self, region: RegionId, drain: bool) {
        let mut state = self.state();
        let changed =
            if drain { state.drained.insert(region) } else { state.drained.remove(&region) };
        if changed {
            tracing::info!(%region, drain, "region drain changed");
            self.publish(&state);
        }
    }

    /// How every region is, drains included.
    pub fn conditions(&self) -> Live {
        let known = self.state().effective();
        let all = self.0.registry.all();
        all.map(|region| (region, known.get(&region).copied().unwrap_or_default())).collect()
    }

    /// Why a host is answered as it is for a network, right now.
    pub fn explain(&self, host: &str, subnet: Subnet) -> Result<Explanation, ZoneError> {
        explain(self.0.registry, &self.0.zone, &self.conditions(), host, subnet)
    }

    /// What was answered since the start.
    pub fn counts(&self) -> Counts {
        self.0.counters.read()
    }

    fn state(&self) -> MutexGuard<'_, LiveState> {
        // Nothing panics half-way through a change, so a poisoned state is still whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called under the lock, so that a slower writer cannot put an older table back.
    fn publish(&self, state: &LiveState) {
        let zone = Arc::clone(&self.0.zone);
        let table = RoutingTable::compile(self.0.registry, zone, &state.effective())
            .expect("it compiled at the start, and health cannot make it fail");
        self.0.table.store(Arc::new(table));
    }
}

/// What a server answered since its start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Answers that name a region, by region.
    pub regions: BTreeMap<String, u64>,
    /// All answers, by response code.
    pub rcodes: BTreeMap<u16, u64>,
    /// Answers with a region that was chosen although nothing inside the fence took newcomers.
    pub fail_static: u64,
    /// Answers cut to the asker's size.
    pub truncated: u64,
    /// Packets met with silence.
    pub silent: u64,
}

struct Counters {
    regions: BTreeMap<RegionId, AtomicU64>,
    rcodes: [AtomicU64; RCODES],
    fail_static: AtomicU64,
    truncated: AtomicU64,
    silent: AtomicU64,
}

impl Counters {
    fn new(registry: Registry) -> Self {
        Self {
            regions: registry.all().map(|region| (region, AtomicU64::default())).collect(),
            rcodes: std::array::from_fn(|_| AtomicU64::default()),
            fail_static: AtomicU64::default(),
            truncated: AtomicU64::default(),
            silent: AtomicU64::default(),
        }
    }

    fn add(&self, reply: Option<&Reply>) {
        let Some(reply) = reply else {
            self.silent.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if let Some(rcode) = self.rcodes.get(usize::from(u16::from(reply.rcode))) {
            rcode.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(region) = reply.region.and_then(|region| self.regions.get(&region)) {
            region.fetch_add(1, Ordering::Relaxed);
        }
        self.fail_static.fetch_add(u64::from(reply.fail_static), Ordering::Relaxed);
        self.truncated.fetch_add(u64::from(reply.truncated), Ordering::Relaxed);
    }

    fn read(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let rcodes = self.rcodes.iter().zip(0..).map(|(counter, rcode)| (rcode, load(counter)));
        Counts {
            regions: self.regions.iter().map(|(id, it)| (id.name.clone(), load(it))).collect(),
            rcodes: rcodes.filter(|(_, count)| *count > 0).collect(),
            fail_static: load(&self.fail_static),
            truncated: load(&self.truncated),
            silent: load(&self.silent),
        }
    }
}

impl Shared {
    fn reply(&self, packet: &[u8], source: IpAddr, transport: Transport) -> Option<Reply> {
        let reply = respond(&self.table.load(), packet, source, transport);
        self.counters.add(reply.as_ref());
        reply
    }
}

/// Both sockets on one port. When any port will do, one that UDP got may be taken for TCP.
async fn bind(listen: SocketAddr) -> Result<(UdpSocket, TcpListener, SocketAddr), ServerError> {
    let refuse = |transport| move |error| ServerError::Listen { listen, transport, error };
    let attempts = if listen.port() == 0 { PORT_ATTEMPTS_MAX } else { 1 };
    let mut attempt = 1;
    loop {
        let udp = UdpSocket::bind(listen).await.map_err(refuse("UDP"))?;
        let address = udp.local_addr().map_err(refuse("UDP"))?;
        match TcpListener::bind(address).await {
            Ok(tcp) => return Ok((udp, tcp, address)),
            Err(error) if attempt >= attempts => return Err(refuse("TCP")(error)),
            Err(_) => attempt += 1,
        }
    }
}

async fn serve_udp(socket: UdpSocket, shared: Arc<Shared>) {
    let mut packet = [0; QUESTION_MAX];
    loop {
        match socket.recv_from(&mut packet).await {
            Ok((length, client)) => {
                let reply = shared.reply(&packet[..length], client.ip(), Transport::Udp);
                if let Some(reply) = reply
                    && let Err(error) = socket.send_to(&reply.bytes, client).await
                {
                    tracing::debug!(kind = ?error.kind(), "an answer could not be sent");
                }
            }
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "the UDP socket failed to receive");
                tokio::time::sleep(SOCKET_ERROR_PAUSE).await;
            }
        }
    }
}

async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await;
        let slot = slot.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, client)) => {
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    // How a client leaves is its own business.
                    let _ = converse(stream, client.ip(), &shared).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "a TCP connection could not be accepted");
                tokio::time::sleep(SOCKET_ERROR_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Answers the questions of one connection in turn (RFC 7766), until it ends or falls silent.
async fn converse(mut stream: TcpStream, client: IpAddr, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut packet = Vec::new();
    loop {
        let read = async {
            let length = stream.read_u16().await?;
            packet.resize(usize::from(length), 0);
            stream.read_exact(&mut packet).await
        };
        timeout(CONNECTION_IDLE, read).await??;
        let Some(reply) = shared.reply(&packet, client, Transport::Tcp) else {
            return Ok(());
        };
        let length = u16::try_from(reply.bytes.len()).expect("an answer fits its length field");
        let framed = [length.to_be_bytes().as_slice(), &reply.bytes].concat();
        timeout(CONNECTION_IDLE, stream.write_all(&framed)).await??;
    }
}
