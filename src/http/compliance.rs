//! What people of the house may look at, by their role and in their region only.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::request::Parts;

use super::Api;
use super::auth;
use super::body::{Data, List, ListMeta};
use super::problem::{Code, Problem, ProblemDetails};
use crate::domain::staff::Role;
use crate::privacy::desk::Refusal;
use crate::privacy::desk::view::{ClockView, RowsView, VerdictView};
use crate::store::staff::Grant;

/// Requests of one answer.
const REQUESTS_MAX: usize = 200;

/// Somebody of the house who looks after the law.
pub struct Compliance(pub Grant);

/// Somebody of the house, whatever their duty.
pub struct Anybody(pub Grant);

/// The token of somebody of the house: only as a bearer, no page sends it by itself.
async fn grant(parts: &Parts, api: &Api, roles: &[Role]) -> Result<Grant, Problem> {
    let token = auth::token(&parts.headers).filter(|token| !token.by_browser);
    let token = token.ok_or_else(Problem::unauthenticated)?;
    Ok(api.desk.who(&token.text, roles).await?)
}

impl FromRequestParts<Api> for Compliance {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        grant(parts, api, &[Role::Compliance]).await.map(Self)
    }
}

impl FromRequestParts<Api> for Anybody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        grant(parts, api, &[Role::Operations, Role::Compliance]).await.map(Self)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown => Self::new(
                Code::Unauthenticated,
                "no open grant of this region; ask for one with `meridian staff grant`",
            ),
            Refusal::OtherRole(role) => {
                Self::new(Code::RoleMissing, format!("this needs the role {role}"))
            }
            Refusal::OtherRegion(home) => {
                let detail = format!("at home in {home}; only that region's own people may look");
                Self::new(Code::OutOfScope, detail)
            }
            Refusal::NotFound => Self::not_found(),
            Refusal::Label => Self::field("/label", "1 to 100 plain characters, without a name"),
            Refusal::Store(error) => Self::from(error),
            Refusal::Report(error) => {
                tracing::error!(%error, "a bundle could not be made");
                Self::new(Code::Unavailable, "the bundle could not be made; try again in a moment")
            }
        }
    }
}

/// What the last look at the places of this region's rows found.
#[utoipa::path(get, path = "/v1/compliance/locality", tag = "compliance",
    responses((status = 200, body = Data<VerdictView>), (status = 401, body = ProblemDetails),
        (status = 404, body = ProblemDetails)))]
pub async fn locality(
    State(api): State<Api>,
    _staff: Anybody,
) -> Result<Json<Data<VerdictView>>, Problem> {
    let row = api.desk.verdict().await?.ok_or_else(|| {
        let detail = "nobody has looked yet; a worker looks when it starts and every ten minutes";
        Problem::new(Code::NotFound, detail)
    })?;
    Ok(Json(Data { data: VerdictView::of(&api.region.name, row) }))
}

/// What travellers of this region asked under the law, and their clocks; whose it is, is masked.
#[utoipa::path(get, path = "/v1/compliance/requests", tag = "compliance",
    responses((status = 200, body = List<ClockView>), (status = 401, body = ProblemDetails),
        (status = 403, body = ProblemDetails)))]
pub async fn requests(
    State(api): State<Api>,
    _staff: Compliance,
) -> Result<Json<List<ClockView>>, Problem> {
    let rows = api.desk.requests().await?;
    let data = rows.into_iter().map(ClockView::from).collect();
    Ok(Json(List { data, meta: ListMeta::whole(REQUESTS_MAX) }))
}

/// Where one traveller's rows are; never what is in them. Each look is written down.
#[utoipa::path(get, path = "/v1/compliance/travellers/{id}", tag = "compliance",
    params(("id" = String, Path, description = "The traveller's id")),
    responses((status = 200, body = Data<RowsView>), (status = 401, body = ProblemDetails),
        (status = 403, body = ProblemDetails), (status = 404, body = ProblemDetails)))]
pub async fn traveller(
    State(api): State<Api>,
    Path(id): Path<String>,
    Compliance(grant): Compliance,
) -> Result<Json<Data<RowsView>>, Problem> {
    Ok(Json(Data { data: api.desk.traveller(&grant, &id).await?.into() }))
}

/// A signed bundle of this region, to be checked with `meridian audit verify`.
#[utoipa::path(get, path = "/v1/compliance/bundle", tag = "compliance",
    responses((status = 200, content_type = "application/zip"),
        (status = 401, body = ProblemDetails), (status = 403, body = ProblemDetails)))]
pub async fn bundle(
    State(api): State<Api>,
    Compliance(grant): Compliance,
) -> Result<Response, Problem> {
    Ok(packed(&api, api.desk.bundle(&grant).await?))
}

/// A bundle as a file to be kept.
pub fn packed(api: &Api, bytes: Vec<u8>) -> Response {
    let name = format!("attachment; filename=\"meridian-{}.zip\"", api.region);
    let headers = [(CONTENT_TYPE, "application/zip".to_owned()), (CONTENT_DISPOSITION, name)];
    (headers, bytes).into_response()
}
