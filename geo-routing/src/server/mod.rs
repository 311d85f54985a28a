//! The server: its sockets, and what it is started with.
//!
//! It moves packets and counts them. What is answered is decided in [`crate::answer`]; a client's
//! address is personal data and stands in no log line here in full.

/// Datagrams by the batch.
pub mod datagram;

/// Datagrams one at a time.
mod portable;

/// What the sockets share, and the handle that changes it.
mod control;

/// How a server is.
mod status;

/// The UDP workers.
mod udp;

/// TCP.
mod stream;

/// DNS over TLS and HTTPS.
mod encrypted;

/// The operators' door.
mod admin;

/// The files, and the watch over them.
mod files;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::answer::Transport;
use crate::clock;
use crate::ground::{Ground, GroundError, Sources};
use crate::limit::RateLimit;
use crate::metrics::Metrics;
use crate::state::{StateDir, StateError};

pub use admin::{AdminConfig, AdminError};
pub use control::Control;
pub use encrypted::{TlsError, TlsFiles};
pub use files::{Files, FilesError};
pub use status::{Loads, RegionStatus, Status};

/// Ports tried until one is free for both UDP and TCP, when any port will do.
const PORT_ATTEMPTS_MAX: usize = 32;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// What a server is started with.
#[derive(Clone)]
pub struct ServerConfig {
    /// Where to listen, both UDP and TCP; port 0 takes any that is free for both.
    pub listen: Vec<SocketAddr>,
    /// What is answered.
    pub sources: Sources,
    /// The files that the sources were read from, to be watched.
    pub files: Option<Files>,
    /// Where orders and what is known of the regions are kept.
    pub state_dir: Option<PathBuf>,
    /// DNS over TLS and HTTPS.
    pub encrypted: Option<Encrypted>,
    /// The operators' door.
    pub admin: Option<AdminConfig>,
    /// UDP workers an address; each has its own socket and thread. 0 is one a core.
    pub workers: usize,
    /// How often one network is told the same over UDP.
    pub limit: RateLimit,
    /// Every how many answers one is logged, with the client's network only; 0 logs none.
    pub log_every: u32,
    /// Whether UDP answers are counted.
    pub counted: bool,
    /// Whether datagrams are received and sent by the batch, where the system can.
    pub batched: bool,
}

/// Where encrypted questions are answered.
#[derive(Clone, Debug)]
pub struct Encrypted {
    /// The certificate and its key.
    pub files: TlsFiles,
    /// Where to listen for DNS over TLS.
    pub tls: Vec<SocketAddr>,
    /// Where to listen for DNS over HTTPS.
    pub https: Vec<SocketAddr>,
}

impl ServerConfig {
    /// A server at one address, with everything else as usual.
    pub fn new(listen: SocketAddr, sources: Sources) -> Self {
        Self {
            listen: vec![listen],
            sources,
            files: None,
            state_dir: None,
            encrypted: None,
            admin: None,
            workers: 0,
            limit: RateLimit::default(),
            log_every: 0,
            counted: true,
            batched: cfg!(target_os = "linux"),
        }
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The files do not make a table.
    #[error(transparent)]
    Ground(#[from] GroundError),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The operators' door.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Nowhere to listen.
    #[error("there is no address to listen on; give at least one")]
    NoAddress,
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
    /// No thread for a worker.
    #[error("no thread could be had for a worker: {0}")]
    Thread(io::Error),
}

/// An authoritative name server.
pub struct Server;

impl Server {
    /// Binds the sockets and starts to answer. A region that nothing is known of counts as healthy.
    pub async fn start(config: ServerConfig) -> Result<Handle, ServerError> {
        let ground = Ground::new(&config.sources, clock::now())?;
        ground.geography.warn_if_old(clock::now());
        let state_dir = config.state_dir.as_deref().map(StateDir::open).transpose()?;
        let control = Control::new(ground, Metrics::new(), state_dir.clone(), &config)?;
        let mut opened = Opened { tasks: JoinSet::new(), sockets: Vec::new(), at: Vec::new() };
        for listen in &config.listen {
            opened.plain(*listen, workers(config.workers), &control).await?;
        }
        let tls = match &config.encrypted {
            Some(encrypted) => Some(opened.encrypted(encrypted, &control).await?),
            None => None,
        };
        let reload = Arc::new(Notify::new());
        let mut admin_addr = None;
        if let Some(admin) = &config.admin {
            let door = admin::Door::new(admin, control.clone(), Arc::clone(&reload))?;
            let (listener, address) = listen_tcp(admin.listen)?;
            opened.tasks.spawn(admin::serve(listener, Arc::new(door)));
            admin_addr = Some(address);
        }
        if state_dir.is_some() || config.files.is_some() || tls.is_some() {
            let watch = files::Watch {
                files: config.files.clone().unwrap_or_default(),
                geography: Arc::clone(&config.sources.geography),
                control: control.clone(),
                state_dir,
                tls,
                reload: Arc::clone(&reload),
            };
            opened.tasks.spawn(watch.run());
        }
        let of = |wanted| opened.at.iter().find(|(it, _)| *it == wanted).map(|(_, at)| *at);
        let local_addr = of(Transport::Udp).ok_or(ServerError::NoAddress)?;
        let (tls_addr, https_addr) = (of(Transport::Tls), of(Transport::Https));
        let workers =
            udp::Workers::start(opened.sockets, &control.0).map_err(ServerError::Thread)?;
        let tasks = opened.tasks;
        let addresses = Addresses { local_addr, tls_addr, https_addr, admin_addr };
        Ok(Handle { addresses, control, reload, tasks, workers })
    }
}

fn workers(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        asked => asked,
    }
}

/// What was opened so far.
struct Opened {
    tasks: JoinSet<()>,
    sockets: Vec<UdpSocket>,
    at: Vec<(Transport, SocketAddr)>,
}

impl Opened {
    async fn plain(
        &mut self,
        listen: SocketAddr,
        workers: usize,
        control: &Control,
    ) -> Result<(), ServerError> {
        let (udp, tcp, address) = bind(listen, workers)?;
        let shared = Arc::clone(&control.0);
        self.tasks.spawn(stream::accept(tcp, move |stream, client, slots| {
            stream::converse(stream, client, Transport::Tcp, Arc::clone(&shared), slots)
        }));
        self.sockets.extend(udp);
        self.at.push((Transport::Udp, address));
        tracing::info!(%address, "name server is answering");
        Ok(())
    }

    async fn encrypted(
        &mut self,
        encrypted: &Encrypted,
        control: &Control,
    ) -> Result<Arc<encrypted::Tls>, ServerError> {
        let tls = Arc::new(encrypted::Tls::read(&encrypted.files)?);
        for listen in &encrypted.tls {
            let (listener, address) = listen_tcp(*listen)?;
            let (tls, shared) = (Arc::clone(&tls), Arc::clone(&control.0));
            self.tasks.spawn(encrypted::serve_tls(listener, tls, shared));
            self.at.push((Transport::Tls, address));
            tracing::info!(%address, "name server is answering over TLS");
        }
        for listen in &encrypted.https {
            let (listener, address) = listen_tcp(*listen)?;
            let (tls, shared) = (Arc::clone(&tls), Arc::clone(&control.0));
            self.tasks.spawn(encrypted::serve_https(listener, tls, shared));
            self.at.push((Transport::Https, address));
            tracing::info!(%address, "name server is answering over HTTPS");
        }
        Ok(tls)
    }
}

/// Where a server listens, with the ports it got; the first of several addresses.
#[derive(Clone, Copy, Debug)]
struct Addresses {
    local_addr: SocketAddr,
    tls_addr: Option<SocketAddr>,
    https_addr: Option<SocketAddr>,
    admin_addr: Option<SocketAddr>,
}

/// A running server. Dropping it stops it.
pub struct Handle {
    addresses: Addresses,
    control: Control,
    reload: Arc<Notify>,
    tasks: JoinSet<()>,
    workers: udp::Workers,
}

impl Handle {
    /// Where it listens, with the port it got; the first of several addresses.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses.local_addr
    }

    /// Where it listens for DNS over TLS.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.addresses.tls_addr
    }

    /// Where it listens for DNS over HTTPS.
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.addresses.https_addr
    }

    /// Where the operators' door is.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.addresses.admin_addr
    }

    /// A handle that changes and asks the server but does not keep it running; for the prober.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Has all files read again soon, whether they changed or not.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Stops answering and returns when the sockets are closed. Questions that were received are
    /// answered.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        let mut workers = self.workers;
        // Waiting for threads is not for a thread that drives tasks.
        let _ = tokio::task::spawn_blocking(move || workers.stop()).await;
    }
}

impl Deref for Handle {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

fn listen_tcp(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let refuse = |error| ServerError::Listen { listen, transport: "TCP", error };
    let listener = bind_tcp(listen).map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    Ok((listener, address))
}

/// A listener of one family.
fn bind_tcp(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(listen), Type::STREAM, Some(Protocol::TCP))?;
    if listen.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// All sockets of an address. When any port will do, one that UDP got may be taken for TCP.
fn bind(
    listen: SocketAddr,
    workers: usize,
) -> Result<(Vec<UdpSocket>, TcpListener, SocketAddr), ServerError> {
    let refuse = |transport| move |error| ServerError::Listen { listen, transport, error };
    let attempts = if listen.port() == 0 { PORT_ATTEMPTS_MAX } else { 1 };
    let mut attempt = 1;
    loop {
        let first = udp::bind(listen).map_err(refuse("UDP"))?;
        let address = first.local_addr().map_err(refuse("UDP"))?;
        // Workers share the UDP port, and so could a stranger; nobody shares the TCP port.
        match bind_tcp(address) {
            Ok(tcp) => {
                let mut sockets = vec![first];
                while sockets.len() < workers {
                    sockets.push(udp::bind(address).map_err(refuse("UDP"))?);
                }
                return Ok((sockets, tcp, address));
            }
            Err(error) if attempt >= attempts => return Err(refuse("TCP")(error)),
            Err(_) => attempt += 1,
        }
    }
}
