//! Pages for travellers: one page that searches, books and shows where everything lives.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::http::Api;

/// Pages change with a build only.
const KEEP: &str = "public, max-age=60";

/// The routes of the pages.
pub fn pages() -> Router<Api> {
    Router::new()
        .route("/", get(|| page("text/html; charset=utf-8", include_str!("index.html"))))
        .route("/app.js", get(|| page("text/javascript; charset=utf-8", include_str!("app.js"))))
        .route("/app.css", get(|| page("text/css; charset=utf-8", include_str!("app.css"))))
}

async fn page(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, KEEP)], text).into_response()
}
