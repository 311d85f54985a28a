//! DNS over TLS (RFC 7858) and DNS over HTTPS (RFC 8484): the same answers inside a tunnel.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hickory_proto::op::Message;
use hickory_proto::rr::RData;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::control::Shared;
use super::stream;
use crate::answer::Transport;

/// How long a client may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// How long one connection of DNS over HTTPS lives at most.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(300);
/// Requests of one connection at once.
const STREAMS_MAX: u32 = 100;

/// The one path (RFC 8484, 4.1).
const PATH: &str = "/dns-query";
/// The one type of content.
const DNS_MESSAGE: &str = "application/dns-message";

/// What is wrong with a certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file does not hold what it should.
    #[error("{path}: {reason}; give --tls-cert and --tls-key files in PEM that belong together")]
    File {
        /// The file.
        path: String,
        /// The reason.
        reason: String,
    },
}

/// A certificate and its key, in files.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, in PEM.
    pub certificate: PathBuf,
    /// The key, in PEM.
    pub key: PathBuf,
}

/// What handshakes are made with, and can be read again.
pub(super) struct Tls {
    files: TlsFiles,
    dot: ArcSwap<rustls::ServerConfig>,
    doh: ArcSwap<rustls::ServerConfig>,
}

impl Tls {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let [dot, doh] = configs(files)?;
        Ok(Self { files: files.clone(), dot: ArcSwap::new(dot), doh: ArcSwap::new(doh) })
    }

    /// New connections get the certificate that the files hold now.
    pub(super) fn reload(&self) -> Result<(), TlsError> {
        let [dot, doh] = configs(&self.files)?;
        self.dot.store(dot);
        self.doh.store(doh);
        Ok(())
    }

    pub(super) fn paths(&self) -> [&Path; 2] {
        [&self.files.certificate, &self.files.key]
    }
}

fn configs(files: &TlsFiles) -> Result<[Arc<rustls::ServerConfig>; 2], TlsError> {
    let refuse =
        |path: &Path, reason: String| TlsError::File { path: path.display().to_string(), reason };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refuse(&files.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(refuse(&files.certificate, "it holds no certificate".to_owned()));
    }
    let with = |protocols: &[&[u8]]| {
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| refuse(&files.key, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|it| it.with_no_client_auth().with_single_cert(chain.clone(), key));
        let mut config = config.map_err(|error| refuse(&files.key, error.to_string()))?;
        config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
        Ok(Arc::new(config))
    };
    Ok([with(&[b"dot"])?, with(&[b"h2", b"http/1.1"])?])
}

/// DNS over TLS, until dropped.
pub(super) async fn serve_tls(listener: TcpListener, tls: Arc<Tls>, shared: Arc<Shared>) {
    stream::accept(listener, |stream, client, slots| {
        let acceptor = TlsAcceptor::from(tls.dot.load_full());
        let shared = Arc::clone(&shared);
        async move {
            let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await??;
            stream::converse(stream, client, Transport::Tls, shared, slots).await
        }
    })
    .await;
}

/// DNS over HTTPS, until dropped.
pub(super) async fn serve_https(listener: TcpListener, tls: Arc<Tls>, shared: Arc<Shared>) {
    stream::accept(listener, |stream, client, slots| {
        let acceptor = TlsAcceptor::from(tls.doh.load_full());
        let shared = Arc::clone(&shared);
        async move {
            let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await??;
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(stream::patience(&slots));
            builder
                .http2()
                .timer(TokioTimer::new())
                .keep_alive_interval(Some(HEAD))
                .max_concurrent_streams(STREAMS_MAX);
            let service = service_fn(move |request| answer(request, client, Arc::clone(&shared)));
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            timeout(CONNECTION_AGE_MAX, connection).await?.map_err(io::Error::other)
        }
    })
    .await;
}

async fn answer(
    request: Request<Incoming>,
    client: IpAddr,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let question = match question(request).await {
        Ok(question) => question,
        Err(refusal) => return Ok(refusal),
    };
    let mut bytes = Vec::new();
    if !shared.answer(&question, client, Transport::Https, &mut bytes) {
        return Ok(refuse(StatusCode::BAD_REQUEST, "the message is no DNS question"));
    }
    // Another client of the same HTTP cache may live elsewhere, so a cache is not to be shared.
    let keep = format!("private, max-age={}", seconds_to_keep(&bytes));
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(DNS_MESSAGE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_str(&keep).expect("it is ASCII"));
    Ok(response)
}

/// The DNS message of a request. The body is read whatever is wrong with its head, since over
/// HTTP/2 some clients lose a refusal that comes before they have sent it all.
async fn question(request: Request<Incoming>) -> Result<Vec<u8>, Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = timeout(HEAD, Limited::new(body, usize::from(u16::MAX)).collect()).await;
    if head.uri.path() != PATH {
        return Err(refuse(StatusCode::NOT_FOUND, "ask at /dns-query"));
    }
    match head.method {
        Method::GET => {
            let query = head.uri.query().unwrap_or_default();
            let dns = query.split('&').find_map(|pair| pair.strip_prefix("dns="));
            let text = dns.map(|dns| dns.trim_end_matches('='));
            let message = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            message.ok_or_else(|| {
                refuse(StatusCode::BAD_REQUEST, "the parameter dns is no base64url message")
            })
        }
        Method::POST => {
            let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
            if !kind.trim().eq_ignore_ascii_case(DNS_MESSAGE) {
                let advice = "the content type must be application/dns-message";
                return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, advice));
            }
            match body {
                Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
                Ok(Err(_)) => Err(refuse(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "a DNS message has 65535 bytes at most",
                )),
                Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "the message did not come")),
            }
        }
        _ => {
            let mut refusal = refuse(StatusCode::METHOD_NOT_ALLOWED, "use GET or POST");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
            Err(refusal)
        }
    }
}

fn refuse(status: StatusCode, advice: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(advice.as_bytes())));
    *response.status_mut() = status;
    response
}

/// How long an answer keeps (RFC 8484, 5.1): the smallest time to live of its answers, or what the
/// SOA says of an absence.
fn seconds_to_keep(bytes: &[u8]) -> u32 {
    let Ok(message) = Message::from_vec(bytes) else { return 0 };
    let absence = message.authorities.iter().map(|record| match &record.data {
        RData::SOA(soa) => record.ttl.min(soa.minimum),
        _ => record.ttl,
    });
    let records = message.answers.iter().map(|record| record.ttl);
    records.chain(absence).min().unwrap_or(0)
}
