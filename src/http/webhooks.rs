//! Webhooks: registering, rotating secrets, trying, looking at deliveries, delivering again.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Api;
use super::auth::{Acting, Traveller};
use super::body::{Data, List, ListMeta, Strict};
use super::problem::{FieldError, Problem, ProblemDetails};
use crate::domain::event::{EventId, kind_of, names};
use crate::webhooks::view::{DeliveryView, EndpointView};
use crate::webhooks::{ENDPOINTS_MAX, LIST_MAX};

/// A webhook to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where to post events: an https address of a host on the public internet.
    #[schema(example = "https://hooks.example.com/meridian")]
    url: String,
    /// Which events; all of them if left out.
    #[schema(example = json!(["order.confirmed", "order.ticketed"]))]
    events: Option<Vec<String>>,
}

impl NewWebhook {
    /// The events by the names that histories know.
    fn kinds(&self) -> Result<Option<Vec<&'static str>>, Problem> {
        let Some(wanted) = &self.events else { return Ok(None) };
        if wanted.is_empty() {
            return Err(Problem::field("/events", "at least one; leave it out for all"));
        }
        let mut errors = Vec::new();
        let mut kinds = Vec::new();
        for (index, name) in wanted.iter().enumerate() {
            match kind_of(name) {
                Some(kind) => kinds.push(kind),
                None => errors.push(FieldError {
                    pointer: format!("/events/{index}"),
                    detail: format!("one of {}", names().join(", ")),
                }),
            }
            // Whatever is said, one answer stays readable.
            if errors.len() == FAULTS_MAX {
                break;
            }
        }
        kinds.sort_unstable();
        kinds.dedup();
        if errors.is_empty() { Ok(Some(kinds)) } else { Err(Problem::fields(errors)) }
    }
}

/// Most faults of a list that are listed.
const FAULTS_MAX: usize = 3;

fn limit(most: i64) -> ListMeta {
    ListMeta::whole(usize::try_from(most).expect("a small number"))
}

/// Registers a webhook. Its secret is shown this once.
#[utoipa::path(post, path = "/v1/webhooks", tag = "webhooks", request_body = NewWebhook,
    responses((status = 201, body = Data<EndpointView>), (status = 409, body = ProblemDetails),
        (status = 421, body = ProblemDetails), (status = 422, body = ProblemDetails)))]
pub async fn register(
    State(api): State<Api>,
    Acting(traveller): Acting,
    Strict { value, .. }: Strict<NewWebhook>,
) -> Result<Response, Problem> {
    let kinds = value.kinds()?;
    let view = api.webhooks.register(&traveller.session, &value.url, kinds).await?;
    let location = [(LOCATION, format!("/v1/webhooks/{}", view.id))];
    Ok((StatusCode::CREATED, location, Json(Data { data: view })).into_response())
}

/// One's own webhooks, oldest first.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks",
    responses((status = 200, body = List<EndpointView>), (status = 401, body = ProblemDetails)))]
pub async fn list(
    State(api): State<Api>,
    traveller: Traveller,
) -> Result<Json<List<EndpointView>>, Problem> {
    let data = api.webhooks.list(&traveller.session).await?;
    Ok(Json(List { data, meta: limit(ENDPOINTS_MAX) }))
}

/// Deletes a webhook, its deliveries, and what was on its way.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 204), (status = 404, body = ProblemDetails)))]
pub async fn delete(
    State(api): State<Api>,
    Path(id): Path<String>,
    traveller: Traveller,
) -> Result<StatusCode, Problem> {
    let id = api.id_here(&id)?;
    api.webhooks.delete(&traveller.session, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new secret, which is shown this once. The old one signs along for 24 hours more.
#[utoipa::path(post, path = "/v1/webhooks/{id}/rotate-secret", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 200, body = Data<EndpointView>), (status = 404, body = ProblemDetails)))]
pub async fn rotate(
    State(api): State<Api>,
    Path(id): Path<String>,
    traveller: Traveller,
) -> Result<Json<Data<EndpointView>>, Problem> {
    let id = api.id_here(&id)?;
    let data = api.webhooks.rotate(&traveller.session, id).await?;
    Ok(Json(Data { data }))
}

/// Sends the event `ping` to a webhook. While one is on its way, it is that one.
#[utoipa::path(post, path = "/v1/webhooks/{id}/ping", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 202, body = Data<DeliveryView>), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails)))]
pub async fn ping(
    State(api): State<Api>,
    Path(id): Path<String>,
    Acting(traveller): Acting,
) -> Result<Response, Problem> {
    let id = api.id_here(&id)?;
    let data = api.webhooks.ping(&traveller.session, id).await?;
    Ok((StatusCode::ACCEPTED, Json(Data { data })).into_response())
}

/// What went to a webhook within 30 days and what became of it, newest first.
#[utoipa::path(get, path = "/v1/webhooks/{id}/deliveries", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 200, body = List<DeliveryView>), (status = 404, body = ProblemDetails)))]
pub async fn deliveries(
    State(api): State<Api>,
    Path(id): Path<String>,
    traveller: Traveller,
) -> Result<Json<List<DeliveryView>>, Problem> {
    let id = api.id_here(&id)?;
    let data = api.webhooks.deliveries(&traveller.session, id).await?;
    Ok(Json(List { data, meta: limit(LIST_MAX) }))
}

/// Delivers an event once more, with the same id and from the first try on, whatever became of it.
#[utoipa::path(post, path = "/v1/webhooks/{id}/deliveries/{event}/redeliver", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id"),
        ("event" = String, Path, description = "The event's id")),
    responses((status = 202, body = Data<DeliveryView>), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails)))]
pub async fn redeliver(
    State(api): State<Api>,
    Path((id, event)): Path<(String, String)>,
    Acting(traveller): Acting,
) -> Result<Response, Problem> {
    let id = api.id_here(&id)?;
    let event = EventId::parse(&event).ok_or_else(Problem::not_found)?;
    let data = api.webhooks.redeliver(&traveller.session, id, event).await?;
    Ok((StatusCode::ACCEPTED, Json(Data { data })).into_response())
}
