//! Booking, looking, cancelling.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, StatusCode};
use jiff::civil::Date;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Api;
use super::auth::{Bearer, Traveller, not_signed_in};
use super::body::{Data, IdempotencyKey, List, ListMeta, Strict};
use super::problem::{FieldError, Problem, ProblemDetails};
use crate::domain::order::OrderKind;
use crate::domain::traveller::{Name, Passenger, Pii};
use crate::orders::idempotency::{Answer, Request};
use crate::orders::view::{EventView, OrderView};
use crate::orders::{Booking, LIST_MAX};
use crate::store::orders::Mine;
use crate::store::uncut;

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Longest payment token that is taken.
const TOKEN_BYTES_MAX: usize = 128;

/// A booking.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// Paid now, or held and paid later.
    #[serde(rename = "type")]
    kind: OrderKind,
    /// The offer's id.
    offer_id: String,
    /// Who flies; as many as the offer is for.
    passengers: Vec<NewPassenger>,
    /// For an instant order.
    payment: Option<PaymentMethod>,
}

/// Who flies.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassenger {
    /// Given names, as in the passport.
    #[schema(value_type = String, example = "Ada")]
    given_name: Pii<String>,
    /// Family name, as in the passport.
    #[schema(value_type = String, example = "Lovelace")]
    family_name: Pii<String>,
    /// Date of birth.
    #[schema(value_type = String, example = "1990-12-10")]
    born_on: Pii<String>,
}

/// What pays: a token of the payment provider. A card number never comes here.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentMethod {
    /// The provider's token.
    #[schema(value_type = String, example = "tok_visa")]
    token: Pii<String>,
}

impl PaymentMethod {
    /// The token, if it is one that a provider may have made.
    pub(super) fn token(&self, pointer: &str) -> Result<String, Problem> {
        let text = self.token.expose();
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        // A card number typed here by mistake must go no farther.
        let card = text.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'_');
        if text.is_empty() || text.len() > TOKEN_BYTES_MAX || !plain || card {
            return Err(Problem::field(pointer, "the payment provider's token, such as tok_visa"));
        }
        Ok(text.clone())
    }
}

impl NewOrder {
    fn parse(self, today: Date) -> Result<Booking, Problem> {
        let payment_token = match (self.kind, &self.payment) {
            (OrderKind::Instant, Some(payment)) => Some(payment.token("/payment/token")?),
            (OrderKind::Instant, None) => {
                return Err(Problem::field(
                    "/payment",
                    "an instant order is paid now; send a token",
                ));
            }
            (OrderKind::Hold, None) => None,
            (OrderKind::Hold, Some(_)) => {
                let detail = "a held order is paid later with POST /v1/payments; leave this out";
                return Err(Problem::field("/payment", detail));
            }
        };
        let mut errors = Vec::new();
        let passengers = self
            .passengers
            .iter()
            .enumerate()
            .filter_map(|(index, person)| passenger(index, person, today, &mut errors))
            .collect();
        if errors.is_empty() {
            Ok(Booking { kind: self.kind, offer: self.offer_id, passengers, payment_token })
        } else {
            Err(Problem::fields(errors))
        }
    }
}

fn passenger(
    index: usize,
    person: &NewPassenger,
    today: Date,
    errors: &mut Vec<FieldError>,
) -> Option<Passenger> {
    let mut say = |field: &str, detail: &str| {
        let pointer = format!("/passengers/{index}/{field}");
        errors.push(FieldError { pointer, detail: detail.to_owned() });
    };
    let given = Name::parse(person.given_name.expose());
    let family = Name::parse(person.family_name.expose());
    let born = person.born_on.expose().parse::<Date>().ok();
    let born = born.filter(|day| *day <= today && day.year() > today.year() - 130);
    if let Err(detail) = &given {
        say("given_name", detail);
    }
    if let Err(detail) = &family {
        say("family_name", detail);
    }
    if born.is_none() {
        say("born_on", "a day in the past, such as 1990-12-10");
    }
    Some(Passenger { given_name: given.ok()?, family_name: family.ok()?, born_on: born? })
}

/// The stored bytes, with the headers that belong to them.
pub(super) fn answer(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::ACCEPTED);
    let headers = [(CONTENT_TYPE, "application/json".to_owned()), (LOCATION, answer.location)];
    let mut response = (status, headers, answer.body).into_response();
    if answer.replayed {
        response.headers_mut().insert(REPLAYED, http::HeaderValue::from_static("true"));
    }
    response
}

/// Books an offer. The answer is 202: the order is accepted and will not be lost; its `Location`
/// tells how it goes on.
#[utoipa::path(post, path = "/v1/orders", tag = "orders", request_body = NewOrder,
    params(("idempotency-key" = String, Header, description = "One UUID for each booking")),
    responses((status = 202, body = Data<OrderView>), (status = 409, body = ProblemDetails),
        (status = 410, body = ProblemDetails), (status = 421, body = ProblemDetails),
        (status = 422, body = ProblemDetails)))]
pub async fn book(
    State(api): State<Api>,
    IdempotencyKey(key): IdempotencyKey,
    traveller: Traveller,
    Strict { value, raw }: Strict<NewOrder>,
) -> Result<Response, Problem> {
    let today = api.finder.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let booking = value.parse(today)?;
    let request = Request::new(&key, "POST /v1/orders", &raw);
    let orders = api.orders.clone();
    let work = async move { orders.accept(&traveller.session, &request, booking).await };
    Ok(answer(uncut(work).await?))
}

/// One's own orders, newest first.
#[utoipa::path(get, path = "/v1/orders", tag = "orders",
    responses((status = 200, body = List<OrderView>), (status = 401, body = ProblemDetails)))]
pub async fn list(
    State(api): State<Api>,
    traveller: Traveller,
) -> Result<Json<List<OrderView>>, Problem> {
    let rows = api.orders.list(&traveller.session).await?;
    let data = rows.into_iter().map(OrderView::from).collect();
    Ok(Json(List {
        data,
        meta: ListMeta { limit: usize::try_from(LIST_MAX).expect("a small number") },
    }))
}

/// One order.
#[utoipa::path(get, path = "/v1/orders/{id}", tag = "orders",
    params(("id" = String, Path, description = "The order's id")),
    responses((status = 200, body = Data<OrderView>), (status = 404, body = ProblemDetails),
        (status = 421, body = ProblemDetails)))]
pub async fn order(
    State(api): State<Api>,
    Path(id): Path<String>,
    Bearer(token): Bearer,
) -> Result<Response, Problem> {
    let id = api.id_here(&id)?;
    match api.orders.get(id, &token).await? {
        Mine::Found(row) => {
            let tag = format!("\"order-{}\"", row.version);
            Ok(([(ETAG, tag)], Json(Data { data: OrderView::from(row) })).into_response())
        }
        Mine::NotFound => Err(Problem::not_found()),
        Mine::NoSession => Err(not_signed_in(&api, &token).await),
    }
}

/// An order's history.
#[utoipa::path(get, path = "/v1/orders/{id}/events", tag = "orders",
    params(("id" = String, Path, description = "The order's id")),
    responses((status = 200, body = List<EventView>), (status = 404, body = ProblemDetails)))]
pub async fn events(
    State(api): State<Api>,
    Path(id): Path<String>,
    traveller: Traveller,
) -> Result<Json<List<EventView>>, Problem> {
    let id = api.id_here(&id)?;
    let rows = api.orders.events(&traveller.session, id).await?;
    let data: Vec<EventView> = rows.into_iter().map(EventView::from).collect();
    let limit = data.len();
    Ok(Json(List { data, meta: ListMeta { limit } }))
}

/// Cancels a held or a ticketed order; money goes back as it came.
#[utoipa::path(post, path = "/v1/orders/{id}/cancel", tag = "orders",
    params(("id" = String, Path, description = "The order's id"),
        ("idempotency-key" = String, Header, description = "One UUID for each cancellation")),
    responses((status = 202, body = Data<OrderView>), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails)))]
pub async fn cancel(
    State(api): State<Api>,
    Path(id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    traveller: Traveller,
) -> Result<Response, Problem> {
    let id = api.id_here(&id)?;
    let body = serde_json::json!({ "order_id": id.uuid() });
    let request = Request::new(&key, "POST /v1/orders/{id}/cancel", &body);
    let orders = api.orders.clone();
    let work =
        async move { orders.cancel(&traveller.session, &request, &traveller.token, id).await };
    Ok(answer(uncut(work).await?))
}
