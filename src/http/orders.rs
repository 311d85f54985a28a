//! Booking, looking, taking what the airline changed.

use std::num::NonZeroU8;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LINK, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::auth::{Acting, Bearer, Traveller, not_signed_in};
use super::body::{Data, IdempotencyKey, List, ListMeta, Query, Strict};
use super::condition::{IfMatch, IfNoneMatch};
use super::problem::{FieldError, PROBLEM_JSON, Problem, ProblemDetails};
use super::{Api, VERSION};
use crate::domain::order::OrderKind;
use crate::domain::traveller::{Name, Passenger, Pii};
use crate::orders::idempotency::{Answer, Request};
use crate::orders::paging::{Cursor, LIMIT, LIMIT_MAX, Page};
use crate::orders::view::{EventView, OrderView, order_etag};
use crate::orders::{Booking, Refusal};
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

/// What a request is recognised by when it comes again.
pub(super) fn request(key: &str, route: &str, seen: Option<&IfMatch>, body: &Value) -> Request {
    Request::new(key, [VERSION, route, seen.map_or("", |seen| seen.text.as_str())], body)
}

/// The stored bytes, with the headers that belong to them.
pub(super) fn answer(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::ACCEPTED);
    let mut response = (status, answer.body).into_response();
    let headers = response.headers_mut();
    let refused = status.is_client_error();
    let kind = if refused { PROBLEM_JSON } else { "application/json" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if refused {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(location) = HeaderValue::from_str(&answer.location)
        && !answer.location.is_empty()
    {
        headers.insert(LOCATION, location);
    }
    if answer.replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// The answer to a request with a key. What is refused for good is what the key stands for from now
/// on; should that not be written, it is still what is answered now.
pub(super) async fn settle(
    api: &Api,
    traveller: &Traveller,
    request: &Request,
    outcome: Result<Answer, Refusal>,
) -> Result<Response, Problem> {
    let refusal = match outcome {
        Ok(done) => return Ok(answer(done)),
        Err(refusal) if refusal.is_final() => refusal,
        Err(refusal) => return Err(refusal.into()),
    };
    let problem = Problem::from(refusal);
    let (status, body) = problem.rendered();
    match api.orders.refuse_for_good(&traveller.session, request, status, body).await {
        Ok(stored) => Ok(answer(stored)),
        Err(Refusal::Store(_)) => Err(problem),
        Err(other) => Err(other.into()),
    }
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
    Acting(traveller): Acting,
    Strict { value, raw }: Strict<NewOrder>,
) -> Result<Response, Problem> {
    let today = api.finder.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let booking = value.parse(today)?;
    let request = request(&key, "POST /v1/orders", None, &raw);
    let work = async move {
        let done = api.orders.accept(&traveller.session, &request, booking).await;
        settle(&api, &traveller, &request, done).await
    };
    uncut(work).await
}

/// Which part of one's own orders.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// How many at most: 1 to 200, 50 unless told otherwise.
    limit: Option<u16>,
    /// `meta.after` of the page before, to go on behind it; with the same other parameters.
    after: Option<String>,
    /// Only orders in this state.
    state: Option<String>,
}

impl ListQuery {
    fn parse(&self, api: &Api, traveller: &Traveller) -> Result<Page, Problem> {
        let limit = match self.limit {
            None => Some(LIMIT),
            Some(limit) => {
                u8::try_from(limit).ok().filter(|it| *it <= LIMIT_MAX).and_then(NonZeroU8::new)
            }
        };
        let limit = limit.ok_or_else(|| Problem::field("limit", "1 to 200"))?;
        let state = self.state.as_deref().map(str::parse).transpose().map_err(|_| {
            Problem::field("state", "a state of an order; docs/orders.md lists them")
        })?;
        let after = self.after.as_deref().map(|text| {
            let (key, traveller) = (&api.finder.key, traveller.session.traveller);
            Cursor::open(text, key, traveller, state).ok_or_else(|| {
                let detail = "`meta.after` of a page of this very list, with the same parameters";
                Problem::field("after", detail)
            })
        });
        Ok(Page { limit, state, after: after.transpose()? })
    }

    /// The same list, behind a place.
    fn next(&self, page: &Page, after: &str) -> String {
        let state = self.state.as_ref().map_or(String::new(), |state| format!("&state={state}"));
        format!("</v1/orders?limit={}{state}&after={after}>; rel=\"next\"", page.limit)
    }
}

/// One's own orders, newest first, a page at a time. `Link` (RFC 8288) leads to the next page.
#[utoipa::path(get, path = "/v1/orders", tag = "orders", params(ListQuery),
    responses((status = 200, body = List<OrderView>), (status = 401, body = ProblemDetails),
        (status = 422, body = ProblemDetails)))]
pub async fn list(
    State(api): State<Api>,
    traveller: Traveller,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let page = query.parse(&api, &traveller)?;
    let (rows, next) = api.orders.list(&traveller.session, &page).await?;
    let data: Vec<OrderView> = rows.into_iter().map(|row| api.orders.view(row)).collect();
    let after =
        next.map(|cursor| cursor.seal(&api.finder.key, traveller.session.traveller, page.state));
    let link = after.as_deref().map(|after| query.next(&page, after));
    let meta = ListMeta { limit: usize::from(page.limit.get()), after };
    let mut response = Json(List { data, meta }).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// One order.
#[utoipa::path(get, path = "/v1/orders/{id}", tag = "orders",
    params(("id" = String, Path, description = "The order's id")),
    responses((status = 200, body = Data<OrderView>), (status = 304),
        (status = 404, body = ProblemDetails), (status = 421, body = ProblemDetails)))]
pub async fn order(
    State(api): State<Api>,
    Path(id): Path<String>,
    seen: IfNoneMatch,
    Bearer(token): Bearer,
) -> Result<Response, Problem> {
    let id = api.id_here(&id)?;
    match api.orders.get(id, &token).await? {
        Mine::Found(row) => {
            let tag = order_etag(row.version);
            if let Some(unchanged) = seen.unchanged(&tag) {
                return Ok(unchanged.into_response());
            }
            Ok(([(ETAG, tag)], Json(Data { data: api.orders.view(row) })).into_response())
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
    Ok(Json(List { data, meta: ListMeta::whole(limit) }))
}

/// Takes what the airline changed by itself, as `airline_change` shows it.
#[utoipa::path(post, path = "/v1/orders/{id}/airline-change/accept", tag = "orders",
    params(("id" = String, Path, description = "The order's id"),
        ("if-match" = String, Header, description = "The order's ETag"),
        ("idempotency-key" = String, Header, description = "One UUID for each acceptance")),
    responses((status = 202, body = Data<OrderView>), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails), (status = 412, body = ProblemDetails),
        (status = 428, body = ProblemDetails)))]
pub async fn accept_airline_change(
    State(api): State<Api>,
    Path(id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    seen: IfMatch,
    traveller: Traveller,
) -> Result<Response, Problem> {
    let id = api.id_here(&id)?;
    let body = serde_json::json!({ "order_id": id.uuid() });
    let route = "POST /v1/orders/{id}/airline-change/accept";
    let request = request(&key, route, Some(&seen), &body);
    let work = async move {
        let asker = traveller.asker();
        let done = api.orders.accept_airline_change(&asker, &request, id, &seen.versions).await;
        settle(&api, &traveller, &request, done).await
    };
    uncut(work).await
}
