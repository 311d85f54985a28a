//! What happens to every request: an id, a trace, a span, a measurement, a limit of time, and the
//! headers that keep browsers out of trouble.

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method};
use tracing::Instrument;

use super::problem::{Code, Problem};
use super::request_id::{REQUEST_ID, RequestId};
use super::{Api, REQUEST_PATIENCE};
use crate::clock::Clock;
use crate::telemetry::trace::TraceContext;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Names, traces, measures and limits a request. Paths, queries and bodies are never recorded: a
/// route's pattern says enough, and people put anything into the rest.
pub async fn observe(
    State(api): State<Api>,
    path: Option<MatchedPath>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let started = Clock::instant();
    let id = RequestId::of(request.headers());
    let trace = request
        .headers()
        .get(TRACEPARENT)
        .and_then(|header| TraceContext::parse(header.to_str().ok()?))
        .map_or_else(TraceContext::begin, |parent| parent.child());
    let route = path.as_ref().map_or("none", MatchedPath::as_str).to_owned();
    let method = method_name(request.method());
    let reads = matches!(method, "GET" | "HEAD" | "OPTIONS");
    let span = tracing::info_span!(
        "request", method, route, request_id = %id, trace_id = %trace.trace_id(),
        region = %api.region,
    );
    let header = HeaderValue::from_str(&id.to_string()).expect("an id is plain ASCII");
    let work = async move {
        let answer = tokio::time::timeout(REQUEST_PATIENCE, next.run(request)).await;
        let response = answer.unwrap_or_else(|_| {
            let detail = "the answer took too long; send a booking again with the same key only";
            let problem = Problem::new(Code::TimedOut, detail);
            let problem = if reads { problem } else { problem.charged("unknown") };
            problem.into_response()
        });
        let status = response.status().as_u16();
        tracing::info!(status, duration_ms = millis(started), "answered");
        response
    };
    let mut response = id.scope(trace.scope(work.instrument(span))).await;
    let labels = [
        ("method", method.to_owned()),
        ("route", route),
        ("status", response.status().as_u16().to_string()),
    ];
    metrics::histogram!("http_server_request_duration_seconds", &labels).record(started.elapsed());
    response.headers_mut().insert(REQUEST_ID, header);
    let traced = HeaderValue::from_str(&trace.to_string()).expect("a trace context is plain ASCII");
    response.headers_mut().insert(TRACEPARENT, traced);
    response
}

fn millis(started: std::time::Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A method's name from a short list: a client can invent methods, and labels must stay few.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

/// Headers that every answer carries. What names no cache rule of its own is kept by nobody.
pub async fn harden(request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                  connect-src *; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Heard only over TLS (RFC 6797, 8.1), which ends in front of the node.
    let strict = HeaderValue::from_static("max-age=63072000; includeSubDomains");
    headers.insert(STRICT_TRANSPORT_SECURITY, strict);
    let referrer = HeaderName::from_static("referrer-policy");
    headers.insert(referrer, HeaderValue::from_static("no-referrer"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-store"));
    response
}
