//! Passing a request on to its home, over mutual TLS: streamed through, never read, never twice.
//!
//! Whether that may happen is decided in [`super::access`]. What cannot be passed on is answered
//! 421, as long as nothing can have been done: the client then goes there itself.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use http::header::{CONNECTION, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VARY};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use meridian_regions::RegionId;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use self::streams::{Answer, Passing};
use super::BODY_BYTES_MAX;
use super::peer::tls::{Identity, name_of};
use super::request_id::{REQUEST_ID, RequestId};
use crate::clock::{Clock, Deadline};
use crate::telemetry::trace::TraceContext;

mod streams;

/// Says that a request was passed on, and by whom; nobody passes it on again.
pub const PASSED_ON: HeaderName = HeaderName::from_static("meridian-passed-on-by");
/// Longest that a connection may take until the other side has shown that it takes us.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Longest that the home may take to begin its answer; shorter than any request's patience, so that
/// the client is told what is known.
const ANSWER_PATIENCE: Duration = Duration::from_secs(8);
/// Most requests that are being passed on at once; more are answered 421.
const PASSED_MAX: usize = 256;
/// Most connections that are kept.
const KEPT_MAX: usize = 64;
/// Longest that a connection is used: certificates are shown anew after this.
const LINE_AGE_MAX: Duration = Duration::from_secs(300);
/// Longest that a kept connection may be idle; the other side waits longer, so that it does not
/// close one just when it is used.
const LINE_IDLE_MAX: Duration = Duration::from_secs(30);
/// What a new connection is asked first: whether it is one.
const TRIAL: &str = "/livez";
/// The port of an origin that names none.
const USUAL_PORT: u16 = 443;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Nothing was done: it did not get there, or it only reads.
    Untouched,
    /// It may have been done.
    Unknown,
    /// Its body turned out to be larger than any may be.
    TooLarge,
}

/// A connection to a node of another region.
struct Line {
    home: RegionId,
    sender: SendRequest<Passing>,
    shown: Arc<ClientConfig>,
    made: Instant,
    idle_since: Instant,
}

impl Line {
    /// Whether something may be sent over it, to whom it leads and as whom.
    fn fits(&self, home: RegionId, shown: &Arc<ClientConfig>) -> bool {
        self.home == home && Arc::ptr_eq(&self.shown, shown) && self.sender.is_ready()
    }

    fn old(&self) -> bool {
        self.sender.is_closed()
            || self.made.elapsed() > LINE_AGE_MAX
            || self.idle_since.elapsed() > LINE_IDLE_MAX
    }
}

/// Passes requests on.
pub struct Forwarder {
    here: RegionId,
    identity: Arc<Identity>,
    room: Arc<Semaphore>,
    kept: Mutex<Vec<Line>>,
}

impl Forwarder {
    /// For a region's node, with what it shows to others.
    pub fn new(here: RegionId, identity: Arc<Identity>) -> Self {
        let room = Arc::new(Semaphore::new(PASSED_MAX));
        Self { here, identity, room, kept: Mutex::default() }
    }

    /// Passes a request on to its home, and the answer back. Its body is not touched before there
    /// is a connection that takes it.
    pub(super) async fn pass(
        &self,
        home: RegionId,
        request: Request<Body>,
    ) -> Result<Response<Body>, Failed> {
        if declared_length(request.headers()).is_some_and(|length| length > BODY_BYTES_MAX as u64) {
            return Err(Failed::Untouched);
        }
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            tracing::warn!(%home, "too many requests are being passed on");
            return Err(Failed::Untouched);
        };
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let too_large = Arc::new(AtomicBool::new(false));
        let request = self.head(request, &too_large);
        let deadline = Deadline::after(ANSWER_PATIENCE);
        let failed = match self.send(home, request, deadline, permit).await {
            Ok(response) => return Ok(response),
            Err(Failed::Unknown) if too_large.load(Ordering::Relaxed) => Failed::TooLarge,
            Err(Failed::Unknown) if reads => Failed::Untouched,
            Err(failed) => failed,
        };
        tracing::warn!(%home, ?failed, "a request could not be passed on");
        Err(failed)
    }

    /// The same request, as it is sent on: by us, in the same trace, under the same id.
    fn head(&self, request: Request<Body>, too_large: &Arc<AtomicBool>) -> Request<Passing> {
        let (mut parts, body) = request.into_parts();
        end_to_end(&mut parts.headers);
        // It was answered here already, by reading on.
        parts.headers.remove(EXPECT);
        let text = |text: String| HeaderValue::from_str(&text).expect("it is plain ASCII");
        parts.headers.insert(PASSED_ON, text(self.here.name.clone()));
        parts.headers.insert(REQUEST_ID, text(RequestId::current()));
        let trace = TraceContext::current().child().to_string();
        parts.headers.insert("traceparent", text(trace));
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = path.parse::<Uri>().expect("a path of a request is one");
        let mut passed = Request::new(Passing::new(body, Arc::clone(too_large)));
        *passed.method_mut() = parts.method;
        *passed.uri_mut() = uri;
        *passed.version_mut() = Version::HTTP_11;
        *passed.headers_mut() = parts.headers;
        passed
    }

    /// Sends it over a kept connection, or over a new one if that has just ended.
    async fn send(
        &self,
        home: RegionId,
        mut request: Request<Passing>,
        deadline: Deadline,
        permit: OwnedSemaphorePermit,
    ) -> Result<Response<Body>, Failed> {
        let shown = self.identity.client();
        let mut kept = self.kept(home, &shown);
        loop {
            let fresh = kept.is_none();
            let mut line = match kept.take() {
                Some(line) => line,
                None => connect(home, &shown).await.ok_or(Failed::Untouched)?,
            };
            let sending = line.sender.try_send_request(request);
            match timeout(deadline.left(), sending).await {
                Ok(Ok(response)) => {
                    self.keep(line);
                    return Ok(answer(response, permit));
                }
                Ok(Err(mut error)) => match error.take_message() {
                    // The connection ended before anything of it was sent.
                    Some(unsent) if !fresh => request = unsent,
                    Some(_) => return Err(Failed::Untouched),
                    None => return Err(Failed::Unknown),
                },
                Err(_late) => return Err(Failed::Unknown),
            }
        }
    }

    fn kept(&self, home: RegionId, shown: &Arc<ClientConfig>) -> Option<Line> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|line| !line.old());
        let at = kept.iter().position(|line| line.fits(home, shown))?;
        Some(kept.swap_remove(at))
    }

    /// Keeps a connection for others; it is ready when the answer has been passed on.
    fn keep(&self, mut line: Line) {
        line.idle_since = Clock::instant();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.push(line);
        }
    }
}

/// A connection to a region's nodes, tried out: in TLS 1.3 the other side may refuse us after all
/// seemed well, and nothing of a person should be the first to notice.
async fn connect(home: RegionId, shown: &Arc<ClientConfig>) -> Option<Line> {
    let making = async {
        let authority: Uri = home.endpoints.peer.as_ref()?.parse().ok()?;
        let host = authority.host()?;
        let port = authority.port_u16().unwrap_or(USUAL_PORT);
        let stream = TcpStream::connect((host, port)).await.ok()?;
        let _ = stream.set_nodelay(true);
        let connector = TlsConnector::from(Arc::clone(shown));
        let stream = connector.connect(name_of(home), stream).await.ok()?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        // It ends with its sender.
        tokio::spawn(connection);
        let mut trial = Request::new(Passing::nothing());
        *trial.uri_mut() = Uri::from_static(TRIAL);
        let host = HeaderValue::from_str(host).ok()?;
        trial.headers_mut().insert(HOST, host);
        let tried = sender.send_request(trial).await.ok()?;
        if tried.status() != StatusCode::OK {
            return None;
        }
        drop(axum::body::to_bytes(Body::new(tried.into_body()), BODY_BYTES_MAX).await.ok()?);
        sender.ready().await.ok()?;
        let now = Clock::instant();
        let shown = Arc::clone(shown);
        Some(Line { home, sender, shown, made: now, idle_since: now })
    };
    timeout(CONNECT_PATIENCE, making).await.ok().flatten()
}

/// The answer as it is sent back. What every answer of ours carries, this node adds itself.
fn answer(response: Response<Incoming>, permit: OwnedSemaphorePermit) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    end_to_end(&mut parts.headers);
    let vary = parts.headers.get_all(VARY).iter();
    let vary: Vec<HeaderValue> = vary.filter(|it| !is_of_cors(it)).cloned().collect();
    parts.headers.remove(VARY);
    for value in vary {
        parts.headers.append(VARY, value);
    }
    let cors: Vec<HeaderName> = parts
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .cloned()
        .collect();
    for name in cors {
        parts.headers.remove(name);
    }
    Response::from_parts(parts, Body::new(Answer::new(body, permit)))
}

/// Whether an answer varies so because of whose page asked.
fn is_of_cors(vary: &HeaderValue) -> bool {
    vary.as_bytes().starts_with(b"origin")
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Takes away what is between two neighbours only (RFC 9110, 7.6.1).
fn end_to_end(headers: &mut HeaderMap) {
    let named: HashSet<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let always = ["keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate"];
    let always = always.map(HeaderName::from_static);
    let known = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    for name in named.into_iter().chain(always).chain(known) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_neighbours_stays_between_them() {
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &'static str| {
            headers.append(name, HeaderValue::from_static(value));
        };
        put("connection", "close, X-Hop");
        put("connection", "x-other");
        put("x-hop", "1");
        put("x-other", "1");
        put("te", "trailers");
        put("transfer-encoding", "chunked");
        put("proxy-authorization", "Basic x");
        put("idempotency-key", "k");
        put("cookie", "a=b");
        end_to_end(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["cookie", "idempotency-key"]);
    }
}
