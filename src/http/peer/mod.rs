//! Where nodes of other regions pass requests on to this one: a listener that speaks to nobody
//! else. TLS 1.3, certificates on both sides, and a name in each that says which region it is.
//!
//! Who may pass on what is decided by [`super::access`] on their side; here a node of a region that
//! the law lets pass nothing on is not listened to.

pub mod tls;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use meridian_regions::{RegionId, Registry};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use self::tls::{Files, Identity, PeerError};
use super::serve::{HEAD_PATIENCE, REFUSED_PAUSE, connection};

/// Pause between two looks at the files of certificates.
pub const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Longest that a peer may take to show who it is.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(5);
/// Longest that a connection stays: a peer shows its certificate anew after this. Ours are given up
/// long before ([`super::forward`]).
const CONNECTION_PATIENCE: Duration = Duration::from_secs(600);
/// Most connections of peers at once; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 512;

/// How a node speaks to nodes of other regions.
#[derive(Clone)]
pub struct Peering {
    /// Where it listens for them.
    pub listener: Arc<std::net::TcpListener>,
    /// What it shows and whom it trusts.
    pub files: Files,
    /// Pause between two looks at these files.
    pub look_every: Duration,
}

impl Peering {
    /// On a bound listener.
    pub fn new(listener: std::net::TcpListener, files: Files) -> Self {
        Self { listener: Arc::new(listener), files, look_every: LOOK_EVERY }
    }

    /// The listener, for a runtime.
    pub(crate) fn listener(&self) -> Result<TcpListener, PeerError> {
        let listener = self.listener.try_clone().and_then(|listener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        listener.map_err(|error| PeerError(format!("listening for other regions: {error}")))
    }
}

/// Marks a request that a node of another region passed on.
#[derive(Clone, Copy, Debug)]
pub struct PassedOn(pub RegionId);

/// Who listens to peers.
pub(crate) struct Door {
    pub(crate) here: RegionId,
    pub(crate) registry: Registry,
    pub(crate) identity: Arc<Identity>,
    pub(crate) router: Router,
}

impl Door {
    /// Answers peers until told to stop, then until every request under way is answered.
    pub(crate) async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let (door, room) = (Arc::new(self), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        let connections = GracefulShutdown::new();
        loop {
            let permit = Arc::clone(&room).acquire_owned().await.expect("never closed");
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (door, watcher) = (Arc::clone(&door), connections.watcher());
                    tokio::spawn(async move {
                        let answering = door.answer(stream, watcher);
                        let _ = timeout(CONNECTION_PATIENCE, answering).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a peer's connection could not be accepted");
                    tokio::time::sleep(REFUSED_PAUSE).await;
                }
            }
        }
        drop(listener);
        connections.shutdown().await;
    }

    async fn answer(&self, stream: TcpStream, watcher: Watcher) {
        let _ = stream.set_nodelay(true);
        let acceptor = TlsAcceptor::from(self.identity.server());
        let Ok(Ok(stream)) = timeout(HANDSHAKE_PATIENCE, acceptor.accept(stream)).await else {
            return refused("handshake");
        };
        let Some(from) = self.admitted(&stream) else { return refused("name") };
        let router = self.router.clone();
        connection(watcher, stream, router, HEAD_PATIENCE, Some(PassedOn(from))).await;
    }

    /// The region that a peer's certificate is for, if it may pass something on to here.
    fn admitted(&self, stream: &TlsStream<TcpStream>) -> Option<RegionId> {
        let certificate = stream.get_ref().1.peer_certificates()?.first()?;
        let from = tls::region_of(self.registry, certificate)?;
        self.registry.forwards(from, self.here).then_some(from)
    }
}

fn refused(reason: &'static str) {
    metrics::counter!("meridian_peers_refused_total", "reason" => reason).increment(1);
    tracing::warn!(reason, "a peer was refused");
}
