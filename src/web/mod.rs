//! Pages for travellers: one page that searches, books and shows where everything lives.
//!
//! Plain files without a build step. Nothing here knows who asks; what is personal, the page's
//! scripts fetch from the traveller's home.

pub mod console;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};

use crate::http::Api;

/// Pages change with a build only.
const KEEP: &str = "public, max-age=60";
/// The map has not changed in years.
const KEEP_MAP: &str = "public, max-age=86400";
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// The routes of the pages.
pub fn pages() -> Router<Api> {
    Router::new()
        .route("/", get(|| page(HTML, include_str!("index.html"))))
        .route("/app.css", get(|| page(CSS, include_str!("app.css"))))
        .route("/app.js", get(|| page(JS, include_str!("app.js"))))
        .route("/trips.js", get(|| page(JS, include_str!("trips.js"))))
        .route("/parts.js", get(|| page(JS, include_str!("parts.js"))))
        .route("/talk.js", get(|| page(JS, include_str!("talk.js"))))
        .route("/world.json", get(world))
        .merge(console::pages())
}

async fn page(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, KEEP)], text).into_response()
}

/// The map of the world (TopoJSON) as it lies in the repository: every browser reads gzip, and no
/// node unpacks and packs it for each.
async fn world() -> Response {
    let headers =
        [(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "gzip"), (CACHE_CONTROL, KEEP_MAP)];
    (headers, include_bytes!("../../data/world.json.gz").as_slice()).into_response()
}
