//! Is it alive, may it take traffic, what is it: for Kubernetes, GeoDNS, Prometheus and people.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::problem::{Code, Problem, ProblemDetails};
use crate::store::Error;
use crate::telemetry::metrics;

/// Longest that a readiness check waits for the database.
const PING_PATIENCE: Duration = Duration::from_secs(1);

/// What a node says about itself.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok`, `draining` or `starting`.
    pub status: &'static str,
    /// Its region.
    pub region: String,
}

/// What a node is made of.
#[derive(Serialize, ToSchema)]
pub struct Version {
    /// The build.
    pub version: &'static str,
    /// Its region.
    pub region: String,
    /// The database that answers.
    pub database: String,
    /// The schedule that is sold.
    pub schedule: String,
    /// Fingerprint of the region files.
    pub regions: String,
}

fn health(api: &Api, status: &'static str) -> Json<Health> {
    Json(Health { status, region: api.region.name.clone() })
}

/// The process turns its wheels; depends on nothing else.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, body = Health)))]
pub async fn livez(State(api): State<Api>) -> Json<Health> {
    health(&api, "ok")
}

/// The node may take traffic: the database answers and nobody is draining it.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, body = Health), (status = 503, body = ProblemDetails)))]
pub async fn readyz(State(api): State<Api>) -> Response {
    ready(&api, async { api.store.ping().await.map(|()| false) }).await
}

/// The node has started: only a started node has a router.
#[utoipa::path(get, path = "/startupz", tag = "health", responses((status = 200, body = Health)))]
pub async fn startupz(State(api): State<Api>) -> Json<Health> {
    health(&api, "ok")
}

/// What GeoDNS and Route 53 ask: as `/readyz`, and also 503 with `draining` while an operator has
/// said that the region takes nobody new. Those who are there are served on.
#[utoipa::path(get, path = "/edge-health", tag = "health",
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub async fn edge_health(State(api): State<Api>) -> Response {
    let asked = async { api.store.drain_reason(&api.region.name).await.map(|it| it.is_some()) };
    ready(&api, asked).await
}

/// Ready unless the node leaves, the database does not answer, or the answer is that it drains.
async fn ready(api: &Api, asked: impl Future<Output = Result<bool, Error>>) -> Response {
    let answer = if api.draining.load(Ordering::Relaxed) {
        drains(api)
    } else {
        match tokio::time::timeout(PING_PATIENCE, asked).await {
            Ok(Ok(false)) => health(api, "ok").into_response(),
            Ok(Ok(true)) => drains(api),
            Ok(Err(_)) | Err(_) => {
                let detail =
                    "the database does not answer; this node takes traffic again when it does";
                Problem::new(Code::Unavailable, detail).into_response()
            }
        }
    };
    let ready = if answer.status().is_success() { 1.0 } else { 0.0 };
    ::metrics::gauge!("meridian_region_ready", "region" => api.region.name.clone()).set(ready);
    answer
}

fn drains(api: &Api) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, health(api, "draining")).into_response()
}

/// Build, engine and schedule.
#[utoipa::path(get, path = "/version", tag = "health", responses((status = 200, body = Version)))]
pub async fn version(State(api): State<Api>) -> Json<Version> {
    let schedule = &api.finder.schedule;
    Json(Version {
        version: env!("CARGO_PKG_VERSION"),
        region: api.region.name.clone(),
        database: api.store.engine().to_string(),
        regions: api.registry.fingerprint().to_owned(),
        schedule: format!("{} {} {:08x}", schedule.profile, schedule.seed, schedule.fingerprint),
    })
}

/// Metrics in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String)))]
pub async fn scrape() -> Response {
    let text = metrics::handle().render();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
