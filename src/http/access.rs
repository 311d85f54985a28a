//! Who may call what, and where: the one authorisation table, and the layer that sends requests for
//! personal data home **before their body is read**.

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method};
use meridian_regions::{Home, RegionId, Registry};

use super::Api;
use super::auth;
use super::declared;
use super::forward::{Failed, Forwarder, PASSED_ON};
use super::peer::PassedOn;
use super::problem::{Code, Problem, SentHome};
use crate::domain::ids::claimed_home;
use crate::privacy::ledger::Transfer;

/// Declares the country of residence at sign-up.
pub const RESIDENCE_COUNTRY: &str = "residence-country";
/// Declares the home region at log-in, as `GET /v1/residence` told it.
pub const MERIDIAN_HOME: &str = "meridian-home";

/// Who may call a route, and what tells the home of the data it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, anywhere: nothing personal.
    Public,
    /// Anybody, in the home of the country that the `Residence-Country` header declares.
    HomeOfCountry,
    /// Anybody, in the region that the `Meridian-Home` header names.
    HomeNamed,
    /// The bearer of a session, in the home that the token names.
    Traveller,
    /// The bearer of an erasure's receipt, in the home that the token names.
    Receipt,
    /// Somebody of the house with a grant of the region that the token names.
    Staff,
    /// Another company that we asked for something, by its signature, where we asked from. What it
    /// says holds nothing personal.
    Supplier,
}

/// Every route. A route that is missing here keeps the node from starting.
pub const TABLE: &[(&str, &str, Access)] = &[
    ("GET", "/v1/residence", Access::Public),
    ("GET", "/v1/regions", Access::Public),
    ("POST", "/v1/travellers", Access::HomeOfCountry),
    ("GET", "/v1/travellers/me", Access::Traveller),
    ("PATCH", "/v1/travellers/me", Access::Traveller),
    ("GET", "/v1/privacy", Access::Traveller),
    ("POST", "/v1/privacy/consents", Access::Traveller),
    ("PUT", "/v1/privacy/processing", Access::Traveller),
    ("POST", "/v1/privacy/exports", Access::Traveller),
    ("GET", "/v1/privacy/exports/{id}", Access::Traveller),
    ("GET", "/v1/privacy/exports/{id}/archive", Access::Traveller),
    ("POST", "/v1/privacy/erasures", Access::Traveller),
    ("POST", "/v1/privacy/erasures/{id}/confirm", Access::Traveller),
    ("GET", "/v1/privacy/receipts/current", Access::Receipt),
    ("GET", "/v1/compliance/locality", Access::Staff),
    ("GET", "/v1/compliance/requests", Access::Staff),
    ("GET", "/v1/compliance/travellers/{id}", Access::Staff),
    ("GET", "/v1/compliance/bundle", Access::Staff),
    ("POST", "/v1/sessions", Access::HomeNamed),
    ("DELETE", "/v1/sessions/current", Access::Traveller),
    ("GET", "/v1/places", Access::Public),
    ("POST", "/v1/offer-requests", Access::Public),
    ("GET", "/v1/offer-requests/{id}", Access::Public),
    ("GET", "/v1/offers/{id}", Access::Public),
    ("GET", "/v1/orders", Access::Traveller),
    ("POST", "/v1/orders", Access::Traveller),
    ("GET", "/v1/orders/{id}", Access::Traveller),
    ("GET", "/v1/orders/{id}/events", Access::Traveller),
    ("POST", "/v1/orders/{id}/airline-change/accept", Access::Traveller),
    ("POST", "/v1/order-cancellations", Access::Traveller),
    ("GET", "/v1/order-cancellations/{id}", Access::Traveller),
    ("POST", "/v1/order-cancellations/{id}/confirm", Access::Traveller),
    ("POST", "/v1/order-changes", Access::Traveller),
    ("GET", "/v1/order-changes/{id}", Access::Traveller),
    ("POST", "/v1/order-changes/{id}/confirm", Access::Traveller),
    ("POST", "/v1/payments", Access::Traveller),
    ("POST", "/v1/callbacks/payments", Access::Supplier),
    ("POST", "/v1/callbacks/airline", Access::Supplier),
    ("GET", "/v1/webhooks", Access::Traveller),
    ("POST", "/v1/webhooks", Access::Traveller),
    ("DELETE", "/v1/webhooks/{id}", Access::Traveller),
    ("POST", "/v1/webhooks/{id}/rotate-secret", Access::Traveller),
    ("POST", "/v1/webhooks/{id}/ping", Access::Traveller),
    ("GET", "/v1/webhooks/{id}/deliveries", Access::Traveller),
    ("POST", "/v1/webhooks/{id}/deliveries/{event}/redeliver", Access::Traveller),
    ("GET", "/livez", Access::Public),
    ("GET", "/readyz", Access::Public),
    ("GET", "/startupz", Access::Public),
    ("GET", "/edge-health", Access::Public),
    ("GET", "/version", Access::Public),
    ("GET", "/metrics", Access::Public),
];

/// Panics when the described routes and the table differ: such a build must not start.
pub fn assert_complete(document: &utoipa::openapi::OpenApi) {
    let described = described(document);
    for (method, path) in &described {
        let listed = TABLE.iter().any(|(m, p, _)| m == method && p == path);
        assert!(listed, "{method} {path} is in no authorisation table");
    }
    assert_eq!(
        described.len(),
        TABLE.len(),
        "the authorisation table lists a route that is not there"
    );
}

/// The (method, path) pairs of a description.
pub fn described(document: &utoipa::openapi::OpenApi) -> Vec<(&'static str, String)> {
    document
        .paths
        .paths
        .iter()
        .flat_map(|(path, item)| {
            let operations = [
                ("GET", item.get.is_some()),
                ("POST", item.post.is_some()),
                ("PUT", item.put.is_some()),
                ("PATCH", item.patch.is_some()),
                ("DELETE", item.delete.is_some()),
            ];
            let path = path.clone();
            operations
                .into_iter()
                .filter(|(_, there)| *there)
                .map(move |(method, _)| (method, path.clone()))
        })
        .collect()
}

fn access(method: &Method, path: &str) -> Access {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    // Pages and the description are the only routes outside the table, and they hold nothing
    // personal.
    TABLE
        .iter()
        .find(|(m, p, _)| *m == method && *p == path)
        .map_or(Access::Public, |(_, _, access)| *access)
}

/// The layer: reads the head of a request only, and lets it pass, passes it on, or sends it home.
pub async fn send_home(
    State(api): State<Api>,
    path: MatchedPath,
    request: Request<Body>,
    next: Next,
) -> Response {
    let access = access(request.method(), path.as_str());
    let response = match elsewhere(&api, access, request.headers()).await {
        Ok(None) => next.run(request).await,
        Ok(Some(home)) => away(&api, path.as_str(), home, request).await,
        Err(problem) => problem.into_response(),
    };
    // Who moved away is seen later only, when the session is not here; every way ends here.
    if let Some(SentHome(home)) = response.extensions().get() {
        api.ledger.count(Transfer::Refused, path.as_str(), *home);
    }
    response
}

/// The home of what a request is about, if that is another region.
async fn elsewhere(
    api: &Api,
    access: Access,
    headers: &HeaderMap,
) -> Result<Option<RegionId>, Problem> {
    let Some(told) = home(&api.registry, access, headers)? else { return Ok(None) };
    let declared = declared::beside(&api.registry, access, headers)?;
    let agrees = |home: RegionId| declared.is_none_or(|it| it == home);
    // A token names the home that it was opened in; its traveller may have moved since. The table
    // that knows is GLOBAL, so this asks nobody outside this region.
    let now = match auth::token(headers).filter(|_| access == Access::Traveller) {
        Some(token) if told != api.region || !agrees(told) => {
            api.travellers.moved_to(&token.text).await?.unwrap_or(told)
        }
        _ => told,
    };
    if !agrees(told) && !agrees(now) {
        return Err(declared::contradiction("Meridian-Home is not where this data is at home"));
    }
    Ok(Some(now).filter(|home| *home != api.region))
}

/// Passes a request on, where the law of its home and this node's configuration allow that, or
/// tells its sender the way.
async fn away(api: &Api, route: &str, home: RegionId, request: Request<Body>) -> Response {
    let Some(forwarder) = forwarder(api, home, &request) else {
        return misdirected(home).into_response();
    };
    let passed = forwarder.pass(home, request).await;
    let outcome = match &passed {
        Ok(_) => "answered",
        Err(Failed::Untouched) => "untouched",
        Err(Failed::Unknown) => "unknown",
        Err(Failed::TooLarge) => "too_large",
    };
    let labels = [("home", home.name.clone()), ("outcome", outcome.to_owned())];
    metrics::counter!("meridian_residence_forwarded_total", &labels).increment(1);
    if let Err(Failed::Untouched) = passed {
        return misdirected(home).into_response();
    }
    api.ledger.count(Transfer::Forwarded, route, home);
    match passed {
        Ok(response) => response,
        Err(Failed::TooLarge) => Problem::body_too_large().into_response(),
        Err(_) => {
            let detail = format!(
                "it was passed on to {home}, and whether it was done is not known; send it again, \
                 here or to {}, with the same Idempotency-Key, which cannot do it twice",
                home.endpoints.api
            );
            Problem::new(Code::Unavailable, detail).charged("unknown").into_response()
        }
    }
}

/// Who passes a request on, if it may be: under the law of its home, and once.
fn forwarder<'a>(api: &'a Api, home: RegionId, request: &Request<Body>) -> Option<&'a Forwarder> {
    let once = request.extensions().get::<PassedOn>().is_none()
        && !request.headers().contains_key(PASSED_ON);
    let may = api.registry.forwards(api.region, home) && home.state.holds_rows();
    let reachable = home.endpoints.peer.is_some();
    api.forwarder.as_ref().filter(|_| once && may && reachable)
}

/// What is told to whoever asks for data that is at home elsewhere; it is counted here alone.
pub(super) fn misdirected(home: RegionId) -> Problem {
    // Nobody answers any more in a home that was given up; whoever moved out was found before.
    if !home.state.holds_rows() {
        return Problem::unauthenticated();
    }
    let labels = [("home", home.name.clone())];
    metrics::counter!("meridian_residence_misdirected_total", &labels).increment(1);
    Problem::misdirected(home)
}

/// The home of what a request is about, from its head alone.
fn home(
    registry: &Registry,
    access: Access,
    headers: &HeaderMap,
) -> Result<Option<RegionId>, Problem> {
    if matches!(access, Access::Public | Access::Supplier) {
        return Ok(None);
    }
    declared::once(headers)?;
    match access {
        Access::Public | Access::Supplier => Ok(None),
        Access::HomeOfCountry => {
            let advice = "send Residence-Country with the ISO 3166-1 code of your country of \
                          residence, such as DE; GET /v1/residence tells the region to send it to";
            let country = header(headers, RESIDENCE_COUNTRY, advice)?;
            let country = country.parse().map_err(|_| Problem::new(Code::HeaderMissing, advice))?;
            match registry.home_of(country) {
                Home::Region(home) => Ok(Some(home)),
                Home::Nowhere(reason) => Err(Problem::new(Code::ResidenceUnsupported, reason)),
            }
        }
        Access::HomeNamed => {
            let advice = "send Meridian-Home with the name of your home region; GET /v1/residence \
                          tells it";
            let name = header(headers, MERIDIAN_HOME, advice)?;
            let home = registry.by_name(name);
            home.map(Some).ok_or_else(|| Problem::new(Code::HeaderMissing, advice))
        }
        Access::Traveller | Access::Receipt | Access::Staff => {
            let token = auth::token(headers).ok_or_else(Problem::unauthenticated)?;
            let home = claimed_home(registry, &token.text);
            home.map(Some).ok_or_else(Problem::unauthenticated)
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str, advice: &str) -> Result<&'a str, Problem> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| Problem::new(Code::HeaderMissing, advice))
}
