//! Cancelling and changing: first what it would cost, then, if that is confirmed, the deed.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::ETAG;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::auth::{Acting, Traveller};
use super::body::{Data, IdempotencyKey, OptionalKey, Strict};
use super::condition::{IfMatch, IfNoneMatch};
use super::orders::{PaymentMethod, answer, request, settle};
use super::problem::{Problem, ProblemDetails};
use crate::domain::ids::{Cancellation, Change, OrderId};
use crate::orders::view::{CancellationView, ChangeView, OrderView};
use crate::store::quotes::{Quote, QuoteKind};
use crate::store::uncut;

/// A question: what would cancelling give back?
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCancellation {
    /// Which order.
    order_id: String,
}

/// A question: what would it cost to fly so instead?
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChange {
    /// Which order.
    order_id: String,
    /// The offer's id: for as many passengers, in the order's currency.
    offer_id: String,
}

/// The confirmation of a change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeConfirmation {
    /// What pays, if the quote has a `charge`; nothing else.
    payment: Option<PaymentMethod>,
}

/// Asks what cancelling an order would give back. Nothing is done yet.
#[utoipa::path(post, path = "/v1/order-cancellations", tag = "orders",
    request_body = NewCancellation,
    params(("idempotency-key" = Option<String>, Header, description = "May be left out")),
    responses((status = 201, body = Data<CancellationView>), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails), (status = 503, body = ProblemDetails)))]
pub async fn quote_cancellation(
    State(api): State<Api>,
    OptionalKey(key): OptionalKey,
    traveller: Traveller,
    Strict { value, raw }: Strict<NewCancellation>,
) -> Result<Response, Problem> {
    let order: OrderId = api.id_here(&value.order_id)?;
    let request = key.map(|key| request(&key, "POST /v1/order-cancellations", None, &raw));
    let quotes = api.quotes.clone();
    let work = async move {
        quotes.cancellation(&traveller.asker(), request.as_ref(), order).await.map(answer)
    };
    Ok(uncut(work).await?)
}

/// A quote for a cancellation.
#[utoipa::path(get, path = "/v1/order-cancellations/{id}", tag = "orders",
    params(("id" = String, Path, description = "The quote's id")),
    responses((status = 200, body = Data<CancellationView>), (status = 304),
        (status = 404, body = ProblemDetails)))]
pub async fn cancellation(
    State(api): State<Api>,
    Path(id): Path<String>,
    seen: IfNoneMatch,
    traveller: Traveller,
) -> Result<Response, Problem> {
    let id = api.id_here::<Cancellation>(&id)?;
    let quote = api.quotes.get(&traveller.session, QuoteKind::Cancellation, id.uuid()).await?;
    Ok(quoted(&seen, quote, CancellationView::from))
}

/// Cancels an order as it was quoted; money goes back as it came.
#[utoipa::path(post, path = "/v1/order-cancellations/{id}/confirm", tag = "orders",
    params(("id" = String, Path, description = "The quote's id"),
        ("if-match" = String, Header, description = "The order's ETag"),
        ("idempotency-key" = String, Header, description = "One UUID for each cancellation")),
    responses((status = 202, body = Data<OrderView>), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails), (status = 410, body = ProblemDetails),
        (status = 412, body = ProblemDetails), (status = 428, body = ProblemDetails)))]
pub async fn confirm_cancellation(
    State(api): State<Api>,
    Path(id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    seen: IfMatch,
    traveller: Traveller,
) -> Result<Response, Problem> {
    let quote = api.id_here::<Cancellation>(&id)?.uuid();
    let route = "POST /v1/order-cancellations/{id}/confirm";
    let request = request(&key, route, Some(&seen), &about(quote));
    let work = async move {
        let done = api.orders.cancel(&traveller.asker(), &request, quote, &seen.versions).await;
        settle(&api, &traveller, &request, done).await
    };
    uncut(work).await
}

/// Asks what it would cost to fly as an offer says instead. Nothing is done yet.
#[utoipa::path(post, path = "/v1/order-changes", tag = "orders", request_body = NewChange,
    params(("idempotency-key" = Option<String>, Header, description = "May be left out")),
    responses((status = 201, body = Data<ChangeView>), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails), (status = 410, body = ProblemDetails),
        (status = 422, body = ProblemDetails), (status = 503, body = ProblemDetails)))]
pub async fn quote_change(
    State(api): State<Api>,
    OptionalKey(key): OptionalKey,
    Acting(traveller): Acting,
    Strict { value, raw }: Strict<NewChange>,
) -> Result<Response, Problem> {
    let order: OrderId = api.id_here(&value.order_id)?;
    let request = key.map(|key| request(&key, "POST /v1/order-changes", None, &raw));
    let quotes = api.quotes.clone();
    let work = async move {
        let asker = traveller.asker();
        quotes.change(&asker, request.as_ref(), order, value.offer_id).await.map(answer)
    };
    Ok(uncut(work).await?)
}

/// A quote for a change.
#[utoipa::path(get, path = "/v1/order-changes/{id}", tag = "orders",
    params(("id" = String, Path, description = "The quote's id")),
    responses((status = 200, body = Data<ChangeView>), (status = 304),
        (status = 404, body = ProblemDetails)))]
pub async fn change(
    State(api): State<Api>,
    Path(id): Path<String>,
    seen: IfNoneMatch,
    traveller: Traveller,
) -> Result<Response, Problem> {
    let id = api.id_here::<Change>(&id)?;
    let quote = api.quotes.get(&traveller.session, QuoteKind::Change, id.uuid()).await?;
    Ok(quoted(&seen, quote, ChangeView::from))
}

/// Changes an order as it was quoted. The old seats are given back when the new ones are sold.
#[utoipa::path(post, path = "/v1/order-changes/{id}/confirm", tag = "orders",
    request_body = ChangeConfirmation,
    params(("id" = String, Path, description = "The quote's id"),
        ("if-match" = String, Header, description = "The order's ETag"),
        ("idempotency-key" = String, Header, description = "One UUID for each change")),
    responses((status = 202, body = Data<OrderView>), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails), (status = 410, body = ProblemDetails),
        (status = 412, body = ProblemDetails), (status = 422, body = ProblemDetails),
        (status = 428, body = ProblemDetails)))]
pub async fn confirm_change(
    State(api): State<Api>,
    Path(id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    seen: IfMatch,
    traveller: Traveller,
    Strict { value, raw }: Strict<ChangeConfirmation>,
) -> Result<Response, Problem> {
    let quote = api.id_here::<Change>(&id)?.uuid();
    let token = value.payment.map(|payment| payment.token("/payment/token")).transpose()?;
    let mut body = about(quote);
    body["sent"] = raw;
    let route = "POST /v1/order-changes/{id}/confirm";
    let request = request(&key, route, Some(&seen), &body);
    let work = async move {
        let asker = traveller.asker();
        let done = api.orders.change(&asker, &request, quote, &seen.versions, token).await;
        settle(&api, &traveller, &request, done).await
    };
    uncut(work).await
}

/// What the path says belongs to what makes a request recognisable.
fn about(quote: Uuid) -> serde_json::Value {
    serde_json::json!({ "id": quote })
}

fn quoted<V: Serialize>(
    seen: &IfNoneMatch,
    quote: Quote,
    view: impl FnOnce(Quote) -> V,
) -> Response {
    // A quote changes once: when it is confirmed.
    let row = u8::from(quote.confirmed_at.is_some());
    let tag = format!("\"{}-{row}\"", quote.kind.name());
    match seen.unchanged(&tag) {
        Some(unchanged) => unchanged.into_response(),
        None => ([(ETAG, tag)], Json(Data { data: view(quote) })).into_response(),
    }
}
