//! Finding a place by what somebody types.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::body::{List, ListMeta, Query};
use super::problem::{Problem, ProblemDetails};
use crate::places::{PLACES_MAX, Place};

/// Places change with a build; an edge may keep answers for minutes.
pub(super) const PUBLIC: &str = "public, max-age=30, s-maxage=300, stale-while-revalidate=600";
/// Places of one answer unless told otherwise.
const LIMIT: usize = 10;

/// What somebody has typed so far.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PlacesQuery {
    /// The beginning of a name or a code.
    #[param(example = "münch")]
    q: String,
    /// At most so many, 1 to 20.
    limit: Option<usize>,
}

/// Places whose names begin with what was typed, best first.
#[utoipa::path(get, path = "/v1/places", tag = "search", params(PlacesQuery),
    responses((status = 200, body = List<Place>), (status = 422, body = ProblemDetails)))]
pub async fn complete(
    State(api): State<Api>,
    Query(query): Query<PlacesQuery>,
) -> Result<Response, Problem> {
    let limit = query.limit.unwrap_or(LIMIT);
    if !(1..=PLACES_MAX).contains(&limit) {
        return Err(Problem::field("limit", "1 to 20 places"));
    }
    let data: Vec<Place> = api.places.complete(&query.q, limit).into_iter().cloned().collect();
    let list = Json(List { data, meta: ListMeta::whole(limit) });
    Ok(([(CACHE_CONTROL, PUBLIC)], list).into_response())
}
