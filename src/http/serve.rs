//! Connections: how many, how long one may take over its head, and how they end.
//!
//! The framework's own loop sets no limit of time for a request's head, so that a client that sends
//! a byte a minute would hold its connection for ever.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::peer::PassedOn;

/// Longest that the head of a request may take to arrive, and that a kept connection may be idle;
/// longer than the 60 seconds after which load balancers give an idle connection up.
pub const HEAD_PATIENCE: Duration = Duration::from_secs(75);
/// Most connections at once; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 10_000;
/// Largest head of a request, and the unit of reading.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Pause after the system refused a connection, as when descriptors have run out.
pub(super) const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// Answers on a listener until told to stop, then until every request under way is answered. From
/// the stop on nobody gets a connection any more, so that a client goes on to the next node.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    head_patience: Duration,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
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
                // Answers are small and whole; waiting to fill a packet would only delay them.
                let _ = stream.set_nodelay(true);
                let watcher = connections.watcher();
                let answering = connection(watcher, stream, router.clone(), head_patience, None);
                spawn(answering, permit);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
        }
    }
    for stream in queued(listener) {
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { break };
        let watcher = connections.watcher();
        spawn(connection(watcher, stream, router.clone(), head_patience, None), permit);
    }
    connections.shutdown().await;
}

fn spawn(answering: impl Future<Output = ()> + Send + 'static, permit: OwnedSemaphorePermit) {
    tokio::spawn(async move {
        answering.await;
        drop(permit);
    });
}

/// Closes the door, and lets in who stands before it: their connections are made, and would be
/// broken with the request that is already on its way.
fn queued(listener: TcpListener) -> Vec<TcpStream> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let mut streams = Vec::new();
    // The listener does not block: the queue ends with an error.
    while let Ok((stream, _)) = listener.accept() {
        streams.extend(stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)));
    }
    streams
}

/// Answers what comes over one connection; each request is marked if a peer passed it on.
pub(super) fn connection<S>(
    watcher: Watcher,
    stream: S,
    router: Router,
    head_patience: Duration,
    from: Option<PassedOn>,
) -> impl Future<Output = ()> + Send + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let routes = TowerToHyperService::new(router);
    let answer = service_fn(move |mut request: Request<Incoming>| {
        if let Some(from) = from {
            request.extensions_mut().insert(from);
        }
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_patience)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), answer);
    let watched = watcher.watch(connection);
    async move {
        // What ends a connection early is the client's business: it hung up, or was too slow.
        let _ = watched.await;
    }
}
