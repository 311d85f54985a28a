//! The operators' door: metrics, state, orders and explanations over plain HTTP.
//!
//! It belongs on loopback or inside the cluster. Whoever may change something shows a token, unless
//! it was opened without one, which it refuses to be on any other address than loopback; there a
//! page in a browser may not change anything.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, ORIGIN};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::control::Control;
use super::stream;
use crate::state::{Override, StateError};

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(5);
/// Bytes of an order.
const BODY_MAX: usize = 4096;
/// Bytes that a token has at least.
const TOKEN_BYTES_MIN: usize = 16;

const PROMETHEUS: &str = "text/plain; version=0.0.4";

/// Where the door is.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// The address.
    pub listen: SocketAddr,
    /// A file that holds the token for changes.
    pub token: Option<PathBuf>,
}

/// Why there is no door.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Anybody could change things.
    #[error("--admin {0} is not on loopback and has no token; give --admin-token FILE")]
    Open(SocketAddr),
    /// Not a token.
    #[error("--admin-token {0}: {1}; write a line of at least 16 characters, only for this user")]
    Token(String, String),
}

/// The door's key, and what is behind it.
pub(super) struct Door {
    token: Option<String>,
    control: Control,
    reload: Arc<Notify>,
}

impl Door {
    pub(super) fn new(
        config: &AdminConfig,
        control: Control,
        reload: Arc<Notify>,
    ) -> Result<Self, AdminError> {
        let token = match &config.token {
            None if config.listen.ip().is_loopback() => None,
            None => return Err(AdminError::Open(config.listen)),
            Some(path) => {
                let refuse = |why: String| AdminError::Token(path.display().to_string(), why);
                let text = std::fs::read_to_string(path).map_err(|it| refuse(it.to_string()))?;
                let token = text.trim().to_owned();
                if token.len() < TOKEN_BYTES_MIN {
                    return Err(refuse("it is too short".to_owned()));
                }
                Some(token)
            }
        };
        Ok(Self { token, control, reload })
    }

    fn admits(&self, request: &Request<Incoming>) -> bool {
        let Some(token) = &self.token else { return is_local(request) };
        let shown = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let shown = shown.and_then(|value| value.strip_prefix(b"Bearer "));
        shown.is_some_and(|shown| {
            // No early exit: the time to refuse says nothing about how much was right.
            let different = shown.iter().zip(token.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
            shown.len() == token.len() && different == 0
        })
    }
}

/// Whether it was asked for by address: a page in a browser on this machine, led here by a name of
/// its own, says that name.
fn is_local(request: &Request<Incoming>) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    let foreign = request.headers().get(ORIGIN).is_some();
    !foreign && (name == "localhost" || name.parse::<IpAddr>().is_ok_and(|it| it.is_loopback()))
}

/// Serves the door, until dropped.
pub(super) async fn serve(listener: TcpListener, door: Arc<Door>) {
    stream::accept(listener, |stream, _, _| {
        let door = Arc::clone(&door);
        async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&door)));
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
            builder.serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
        }
    })
    .await;
}

type Answer = Response<Full<Bytes>>;

async fn answer(request: Request<Incoming>, door: Arc<Door>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !door.admits(&request) {
        let advice = "show the token (Authorization: Bearer ...); without one ask by address";
        return Ok(refuse(StatusCode::UNAUTHORIZED, advice));
    }
    let control = &door.control;
    Ok(match (request.method().as_str(), parts.as_slice()) {
        ("GET" | "HEAD", ["livez" | "readyz"]) => said(StatusCode::OK, "text/plain", "ok\n"),
        ("GET" | "HEAD", ["metrics"]) => said(StatusCode::OK, PROMETHEUS, control.metrics()),
        ("GET", ["v1", "status"]) => json(&control.status()),
        ("GET", ["v1", "explain"]) => explain(control, request.uri().query().unwrap_or_default()),
        ("POST", ["v1", "reload"]) => {
            door.reload.notify_one();
            said(StatusCode::ACCEPTED, "text/plain", "the files are read again; see the log\n")
        }
        ("PUT", ["v1", "regions", region, "override"]) => {
            let region = (*region).to_owned();
            order(control, &region, request).await
        }
        ("DELETE", ["v1", "regions", region, "override"]) => {
            ordered(control, region, control.set_override(region, None))
        }
        _ => refuse(
            StatusCode::NOT_FOUND,
            "there are: GET /metrics /livez /readyz /v1/status /v1/explain?name=&subnet=, \
             POST /v1/reload, PUT and DELETE /v1/regions/NAME/override",
        ),
    })
}

fn explain(control: &Control, query: &str) -> Answer {
    let of = |wanted: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut found = pairs.filter(|(key, _)| *key == wanted);
        // The only characters of a network that a client may have escaped.
        found.next().map(|(_, value)| value.replace("%2F", "/").replace("%3A", ":"))
    };
    let (Some(name), Some(subnet)) = (of("name"), of("subnet")) else {
        return refuse(StatusCode::BAD_REQUEST, "give name=api&subnet=203.0.113.0/24");
    };
    let subnet = match subnet.parse() {
        Ok(subnet) => subnet,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &format!("{error}")),
    };
    match control.explain(&name, subnet) {
        Ok(explanation) => json(&explanation),
        Err(error) => refuse(StatusCode::NOT_FOUND, &error.to_string()),
    }
}

async fn order(control: &Control, region: &str, request: Request<Incoming>) -> Answer {
    let body = Limited::new(request.into_body(), BODY_MAX).collect();
    let body = match tokio::time::timeout(HEAD, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return refuse(StatusCode::PAYLOAD_TOO_LARGE, "an order has 4096 bytes"),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the order did not come"),
    };
    match serde_json::from_slice::<Override>(&body) {
        Err(error) => refuse(
            StatusCode::BAD_REQUEST,
            &format!("{error}; send drain, force (healthy, sick, draining), reason, until"),
        ),
        Ok(order) => ordered(control, region, control.set_override(region, Some(order))),
    }
}

fn ordered(control: &Control, region: &str, outcome: Result<(), StateError>) -> Answer {
    match outcome {
        Ok(()) => json(&control.status().regions.get(region)),
        Err(error @ StateError::UnknownRegion(..)) => {
            refuse(StatusCode::NOT_FOUND, &error.to_string())
        }
        Err(error) => refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

fn json(value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).expect("what is shown has a JSON form");
    said(StatusCode::OK, "application/json", text)
}

fn refuse(status: StatusCode, advice: &str) -> Answer {
    said(status, "text/plain; charset=utf-8", format!("{advice}\n"))
}

fn said(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
