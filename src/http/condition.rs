//! Conditional requests (RFC 9110 section 13): only if it is what was seen, only if it is not.

use axum::extract::FromRequestParts;
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};

use super::problem::{Code, Problem};
use crate::orders::acting::Versions;
use crate::orders::view::ORDER_TAG;

/// The If-Match header of a request that must have one.
pub struct IfMatch {
    /// As it was sent.
    pub text: String,
    /// The orders' versions that it names.
    pub versions: Versions,
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let text = list(&parts.headers, &IF_MATCH).ok_or_else(|| {
            let detail = "send If-Match with the order's ETag, so that nothing is done to an order \
                          that is not as you have seen it; a quote tells it as order_etag";
            Problem::new(Code::IfMatchRequired, detail)
        })?;
        // A weak tag never matches here; nor does what is not of an order.
        let version = |tag: &str| -> Option<i64> {
            let inside = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
            inside.strip_prefix(ORDER_TAG)?.parse().ok()
        };
        let versions = match text.trim() {
            "*" => Versions::Any,
            tags => Versions::These(tags.split(',').filter_map(version).collect()),
        };
        Ok(Self { text, versions })
    }
}

/// The If-None-Match header, if there is one.
pub struct IfNoneMatch(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Ok(Self(list(&parts.headers, &IF_NONE_MATCH)))
    }
}

impl IfNoneMatch {
    /// "Not modified", if what was seen is still so.
    pub fn unchanged(&self, tag: &str) -> Option<(StatusCode, [(HeaderName, String); 1])> {
        let seen = self.0.as_deref()?;
        let same = |seen: &str| seen.trim().trim_start_matches("W/") == tag;
        let unchanged = seen.trim() == "*" || seen.split(',').any(same);
        unchanged.then(|| (StatusCode::NOT_MODIFIED, [(ETAG, tag.to_owned())]))
    }
}

/// A header that is a list, which may come in several lines.
fn list(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> =
        headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default()).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}
