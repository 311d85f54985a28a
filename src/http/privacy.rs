//! What travellers can ask under the law: a copy, being forgotten, only keeping, no profiling, and
//! what they agreed to.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::auth::{Bearer, Traveller};
use super::body::{Data, Query, Strict};
use super::problem::{Problem, ProblemDetails};
use crate::domain::consent::Purpose;
use crate::domain::ids::RequestId;
use crate::domain::privacy::RequestKind;
use crate::domain::traveller::{Password, Pii};
use crate::privacy::rights::By;
use crate::privacy::rights::view::{PrivacyView, RequestView};

/// An agreement, given or taken back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentChange {
    /// For what.
    #[schema(value_type = String, example = "recommendations")]
    purpose: Purpose,
    /// Version of the words that were shown.
    version: i64,
    /// Whether it is given or taken back.
    given: bool,
}

/// What is to be done with one's data; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessingChange {
    /// Only keep it (Art. 18 GDPR): nothing new is booked or told until this is taken back.
    restricted: Option<bool>,
    /// Make no suggestions from it (Art. 21 GDPR).
    profiling_refused: Option<bool>,
}

/// An erasure that is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureWish {
    /// The password once more: a token that was lost must not erase anybody.
    #[schema(value_type = String)]
    password: Pii<String>,
}

/// What an erasure would take, before it takes anything.
#[derive(Serialize, ToSchema)]
pub struct ErasureView {
    /// The request; its receipt says what would go and what a law keeps.
    pub request: RequestView,
    /// Shows the receipt when there is no account any more. It is shown once.
    #[schema(example = "mrc_euc1_…")]
    pub receipt_token: String,
}

/// The confirmation of an erasure.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureConfirmation {
    /// The receipt's token: whoever confirms has it.
    receipt_token: String,
}

/// A link to a copy.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ArchiveQuery {
    /// As `archive_url` said it.
    link: String,
}

/// Everything about one's rights: what is done with one's data, what one agreed to, what one asked.
#[utoipa::path(get, path = "/v1/privacy", tag = "privacy",
    responses((status = 200, body = Data<PrivacyView>), (status = 401, body = ProblemDetails)))]
pub async fn overview(
    State(api): State<Api>,
    traveller: Traveller,
) -> Result<Json<Data<PrivacyView>>, Problem> {
    let seen = api.rights.overview(traveller.session.traveller).await?;
    Ok(Json(Data { data: seen.into() }))
}

/// Gives an agreement or takes it back. Each is kept with the words that were shown.
#[utoipa::path(post, path = "/v1/privacy/consents", tag = "privacy", request_body = ConsentChange,
    responses((status = 200, body = Data<PrivacyView>), (status = 422, body = ProblemDetails)))]
pub async fn consent(
    State(api): State<Api>,
    traveller: Traveller,
    Strict { value, .. }: Strict<ConsentChange>,
) -> Result<Json<Data<PrivacyView>>, Problem> {
    let whose = traveller.session.traveller;
    api.rights.consent(whose, (value.purpose, value.version), value.given).await?;
    Ok(Json(Data { data: api.rights.overview(whose).await?.into() }))
}

/// Restricts processing (Art. 18 GDPR), objects to profiling (Art. 21), or takes either back.
#[utoipa::path(put, path = "/v1/privacy/processing", tag = "privacy",
    request_body = ProcessingChange,
    responses((status = 200, body = Data<PrivacyView>), (status = 422, body = ProblemDetails)))]
pub async fn processing(
    State(api): State<Api>,
    traveller: Traveller,
    Strict { value, .. }: Strict<ProcessingChange>,
) -> Result<Json<Data<PrivacyView>>, Problem> {
    let whose = traveller.session.traveller;
    let (restricted, refused) = (value.restricted, value.profiling_refused);
    if restricted.is_none() && refused.is_none() {
        let detail = "say restricted or profiling_refused, or both";
        return Err(Problem::field("/restricted", detail));
    }
    api.rights.processing(whose, restricted, refused, By::Traveller).await?;
    Ok(Json(Data { data: api.rights.overview(whose).await?.into() }))
}

/// Asks for a copy of everything about oneself (Art. 15 and 20 GDPR). The one that is being made is
/// answered again.
#[utoipa::path(post, path = "/v1/privacy/exports", tag = "privacy",
    responses((status = 202, body = Data<RequestView>), (status = 401, body = ProblemDetails)))]
pub async fn ask_export(State(api): State<Api>, traveller: Traveller) -> Result<Response, Problem> {
    let request = api.rights.ask_export(traveller.session.traveller, By::Traveller).await?;
    let location = [(LOCATION, format!("/v1/privacy/exports/{}", request.id))];
    let view = RequestView::from(request);
    Ok((StatusCode::ACCEPTED, location, Json(Data { data: view })).into_response())
}

/// How far a copy is. When it is done, `archive_url` is a new link to it each time; a link counts
/// once and for ten minutes.
#[utoipa::path(get, path = "/v1/privacy/exports/{id}", tag = "privacy",
    params(("id" = String, Path, description = "The request's id")),
    responses((status = 200, body = Data<RequestView>), (status = 404, body = ProblemDetails)))]
pub async fn export(
    State(api): State<Api>,
    Path(id): Path<String>,
    traveller: Traveller,
) -> Result<Json<Data<RequestView>>, Problem> {
    let whose = traveller.session.traveller;
    let id: RequestId = api.id_here(&id)?;
    let request = api.rights.request(whose, id, RequestKind::Export).await?;
    let link = api.rights.archive_link(&request, &api.travellers.data_key(&traveller.session)?);
    let archive_url = link.map(|it| format!("/v1/privacy/exports/{id}/archive?link={it}"));
    let view = RequestView { archive_url, ..RequestView::from(request) };
    Ok(Json(Data { data: view }))
}

/// The copy: a ZIP of JSON, CSV, a page to read, and a manifest that the region signed.
#[utoipa::path(get, path = "/v1/privacy/exports/{id}/archive", tag = "privacy",
    params(ArchiveQuery, ("id" = String, Path, description = "The request's id")),
    responses((status = 200, content_type = "application/zip"),
        (status = 404, body = ProblemDetails), (status = 410, body = ProblemDetails)))]
pub async fn archive(
    State(api): State<Api>,
    Path(id): Path<String>,
    traveller: Traveller,
    Query(query): Query<ArchiveQuery>,
) -> Result<Response, Problem> {
    let id: RequestId = api.id_here(&id)?;
    let key = api.travellers.data_key(&traveller.session)?;
    let bytes = api.rights.fetch(traveller.session.traveller, id, &query.link, &key).await?;
    let name = format!("attachment; filename=\"meridian-{}.zip\"", id.uuid().simple());
    let headers = [(CONTENT_TYPE, "application/zip".to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}

/// Asks to be forgotten (Art. 17 GDPR). Nothing is done yet: the answer says what would go and what
/// a law keeps, and gives the token of the receipt.
#[utoipa::path(post, path = "/v1/privacy/erasures", tag = "privacy", request_body = ErasureWish,
    responses((status = 201, body = Data<ErasureView>), (status = 401, body = ProblemDetails)))]
pub async fn ask_erasure(
    State(api): State<Api>,
    traveller: Traveller,
    Strict { value, .. }: Strict<ErasureWish>,
) -> Result<Response, Problem> {
    let password = Password::parse(value.password.expose().clone())
        .map_err(|detail| Problem::field("/password", detail))?;
    api.travellers.confirm_password(traveller.session.traveller, password).await?;
    let asked = api.rights.ask_erasure(traveller.session.traveller, By::Traveller).await?;
    let receipt_token = asked.token.text().to_owned();
    let data = ErasureView { request: asked.request.into(), receipt_token };
    Ok((StatusCode::CREATED, Json(Data { data })).into_response())
}

/// Confirms it: the account is closed at once, and what an order under way does not need goes. Read
/// the receipt with its token.
#[utoipa::path(post, path = "/v1/privacy/erasures/{id}/confirm", tag = "privacy",
    request_body = ErasureConfirmation,
    params(("id" = String, Path, description = "The request's id")),
    responses((status = 202, body = Data<RequestView>), (status = 404, body = ProblemDetails)))]
pub async fn confirm_erasure(
    State(api): State<Api>,
    Path(id): Path<String>,
    traveller: Traveller,
    Strict { value, .. }: Strict<ErasureConfirmation>,
) -> Result<Response, Problem> {
    let id: RequestId = api.id_here(&id)?;
    let (whose, rights) = (traveller.session.traveller, api.rights.clone());
    // A client that hangs up must not leave half of it to chance.
    let confirming = async move { rights.confirm_erasure(whose, id, &value.receipt_token).await };
    let request = crate::store::uncut(confirming).await?;
    let location = [(LOCATION, "/v1/privacy/receipts/current")];
    let view = RequestView::from(request);
    Ok((StatusCode::ACCEPTED, location, Json(Data { data: view })).into_response())
}

/// The receipt of an erasure, by its own token as the bearer: there is no account any more.
#[utoipa::path(get, path = "/v1/privacy/receipts/current", tag = "privacy",
    responses((status = 200, body = Data<RequestView>), (status = 404, body = ProblemDetails)))]
pub async fn receipt(
    State(api): State<Api>,
    Bearer(token): Bearer,
) -> Result<Json<Data<RequestView>>, Problem> {
    let request = api.rights.receipt(&token).await?;
    Ok(Json(Data { data: request.into() }))
}
