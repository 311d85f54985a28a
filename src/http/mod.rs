//! The JSON API: a router, one file a room, and the layers around them.
//!
//! Status codes exist only in [`problem`]; who may call what only in [`access`].

pub mod access;
pub mod auth;
pub mod body;
pub mod callbacks;
pub mod compliance;
pub mod condition;
mod declared;
pub mod forward;
pub mod health;
pub mod layers;
pub mod offers;
pub mod orders;
pub mod payments;
pub mod peer;
pub mod places;
pub mod privacy;
pub mod problem;
pub mod quotes;
mod refusals;
pub mod request_id;
pub mod residence;
pub mod serve;
pub mod sessions;
pub mod travellers;
pub mod webhooks;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use meridian_regions::{RegionId, Registry};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::forward::Forwarder;
use self::problem::Problem;
use crate::domain::ids::{Kind, PersonalId};
use crate::orders::Orders;
use crate::orders::quoting::Quotes;
use crate::places::PlaceIndex;
use crate::privacy::desk::Desk;
use crate::privacy::ledger::Ledger;
use crate::privacy::rights::Rights;
use crate::search::Finder;
use crate::store::Store;
use crate::travellers::Travellers;
use crate::webhooks::Webhooks;

/// Version of the API: the day on which it was last changed in a way that others notice.
pub const VERSION: &str = "2026-11-01";
/// Largest body of a request.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest that any request may take.
pub const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

/// What a node answers with; a clone is one more pointer to it, since every layer makes one.
#[derive(Clone)]
pub struct Api(Arc<Rooms>);

/// The rooms behind a node's API.
pub struct Rooms {
    /// Which region this node serves.
    pub region: RegionId,
    /// All regions.
    pub registry: Registry,
    /// The database.
    pub store: Store,
    /// Offers.
    pub finder: Finder,
    /// Places by name.
    pub places: Arc<PlaceIndex>,
    /// Accounts at home here.
    pub travellers: Travellers,
    /// What those travellers can ask under the law.
    pub rights: Rights,
    /// What people of the house look at here.
    pub desk: Desk,
    /// Orders at home here.
    pub orders: Orders,
    /// What cancelling and changing them would cost.
    pub quotes: Quotes,
    /// Passes such requests on, where this node is set up for it.
    pub forwarder: Option<Forwarder>,
    /// Counts requests that reached the wrong region.
    pub ledger: Ledger,
    /// Webhooks of travellers at home here.
    pub webhooks: Webhooks,
    /// Set while the node says good-bye: ready no more, still answering.
    pub draining: AtomicBool,
    /// Where our pages are served besides regions.
    pub page_origins: Vec<String>,
}

impl Api {
    /// An API over its rooms.
    pub fn new(rooms: Rooms) -> Self {
        Self(Arc::new(rooms))
    }

    /// The id in a path or body; what cannot be read looks as if it did not exist. An id keeps the
    /// home that it was made in when its traveller moves, so it is looked for here whatever home it
    /// names.
    fn id_here<K: Kind>(&self, text: &str) -> Result<PersonalId<K>, Problem> {
        let id = PersonalId::<K>::parse(&self.registry, text).ok_or_else(Problem::not_found)?;
        Ok(PersonalId::from_parts(self.region, id.uuid()))
    }
}

impl Deref for Api {
    type Target = Rooms;

    fn deref(&self) -> &Rooms {
        &self.0
    }
}

#[derive(OpenApi)]
#[openapi(info(
    title = "Meridian",
    description = "Flight search and booking. Personal data is at home where the traveller lives: \
                   ask `GET /v1/residence` first, then talk to that region. A request that reaches \
                   another region is answered 421 with the way home. Schedules, carriers and \
                   prices are synthetic.",
    version = VERSION
))]
struct Document;

/// Every route with its description; the description is what `/openapi.json` serves.
fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(residence::residence))
        .routes(routes!(residence::regions))
        .routes(routes!(travellers::sign_up))
        .routes(routes!(travellers::me, travellers::rectify))
        .routes(routes!(sessions::log_in))
        .routes(routes!(sessions::log_out))
        .routes(routes!(places::complete))
        .routes(routes!(offers::search))
        .routes(routes!(offers::search_again))
        .routes(routes!(offers::offer))
        .routes(routes!(orders::list, orders::book))
        .routes(routes!(orders::order))
        .routes(routes!(orders::events))
        .routes(routes!(orders::accept_airline_change))
        .routes(routes!(quotes::quote_cancellation))
        .routes(routes!(quotes::cancellation))
        .routes(routes!(quotes::confirm_cancellation))
        .routes(routes!(quotes::quote_change))
        .routes(routes!(quotes::change))
        .routes(routes!(quotes::confirm_change))
        .routes(routes!(payments::pay))
        .routes(routes!(callbacks::payments))
        .routes(routes!(callbacks::airline))
        .routes(routes!(privacy::overview))
        .routes(routes!(privacy::consent))
        .routes(routes!(privacy::processing))
        .routes(routes!(privacy::ask_export))
        .routes(routes!(privacy::export))
        .routes(routes!(privacy::archive))
        .routes(routes!(privacy::ask_erasure))
        .routes(routes!(privacy::confirm_erasure))
        .routes(routes!(privacy::receipt))
        .routes(routes!(compliance::locality))
        .routes(routes!(compliance::requests))
        .routes(routes!(compliance::traveller))
        .routes(routes!(compliance::bundle))
        .routes(routes!(webhooks::list, webhooks::register))
        .routes(routes!(webhooks::delete))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::ping))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(webhooks::redeliver))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::startupz))
        .routes(routes!(health::edge_health))
        .routes(routes!(health::version))
        .routes(routes!(health::scrape))
}

/// The API's description.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().split_for_parts().1
}

/// A node's router. Panics when a route is in no authorisation table: such a build must not start.
pub fn router(api: &Api, pages: Router<Api>) -> Router {
    let (routes, document) = described().split_for_parts();
    access::assert_complete(&document);
    let document = Bytes::from(serde_json::to_vec(&document).expect("a description is plain data"));
    let describe = get(move || async move { ([(CONTENT_TYPE, "application/json")], document) });
    routes
        .route("/openapi.json", describe)
        .merge(pages)
        .route_layer(from_fn_with_state(api.clone(), access::send_home))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::no_such_route)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(CompressionLayer::new())
        .layer(cors(api))
        .layer(from_fn_with_state(api.clone(), layers::observe))
        .layer(from_fn(layers::harden))
        .with_state(api.clone())
}

/// A page of ours may talk to the API of every region, wherever it was served, and nobody else's
/// page to any. It brings its token itself: credentials that a browser adds are not allowed, so an
/// origin gets nothing by being listed that its own scripts do not have.
fn cors(api: &Api) -> CorsLayer {
    let regions = api.registry.all().map(|region| region.endpoints.api.parse());
    let pages = api.page_origins.iter().map(|origin| origin.parse());
    let origins: Vec<HeaderValue> = regions.chain(pages).filter_map(Result::ok).collect();
    let name = |name: &'static str| HeaderName::from_static(name);
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            http::header::AUTHORIZATION,
            CONTENT_TYPE,
            http::header::IF_MATCH,
            http::header::IF_NONE_MATCH,
            name("idempotency-key"),
            name("meridian-home"),
            name("meridian-subject"),
            name("residence-country"),
            name("traceparent"),
        ])
        .expose_headers([
            http::header::ETAG,
            http::header::LINK,
            http::header::LOCATION,
            http::header::RETRY_AFTER,
            name("idempotent-replayed"),
            name("x-request-id"),
        ])
}
