//! Searching, and looking at one offer again. Nothing here is personal, and nothing is kept.

use std::str::FromStr;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, LOCATION};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::body::{Data, Strict};
use super::places::PUBLIC;
use super::problem::{FieldError, Problem, ProblemDetails};
use crate::domain::itinerary::Cabin;
use crate::domain::money::Currency;
use crate::domain::offer::{PASSENGERS_MAX, SLICES_MAX, Search, SearchSlice};
use crate::orders::seat_wishes;
use crate::search::{Found, Offer};

/// A search.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferRequest {
    /// One for one way, two for there and back.
    slices: Vec<OfferRequestSlice>,
    /// How many seats, 1 to 9.
    #[serde(default = "one")]
    passengers: u8,
    /// Which class of seat.
    #[serde(default)]
    cabin: Cabin,
    /// Most changes in a direction: 0 or 1.
    #[serde(default = "one")]
    max_connections: u8,
    /// ISO 4217; EUR unless told otherwise.
    #[schema(example = "EUR")]
    currency: Option<String>,
}

/// One direction of a search.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferRequestSlice {
    /// IATA code of an airport or a city.
    #[schema(example = "BER")]
    origin: String,
    /// IATA code of an airport or a city.
    #[schema(example = "NYC")]
    destination: String,
    /// Local day of departure.
    #[schema(example = "2027-03-10")]
    departure_date: String,
}

fn one() -> u8 {
    1
}

/// The answer to a search.
#[derive(Serialize, ToSchema)]
pub struct OfferRequestView {
    /// The question; `GET` it to ask again.
    #[schema(example = "orq_eyJ…")]
    pub id: String,
    /// Always complete: one supply, in memory.
    pub status: &'static str,
    /// Schedules, carriers and prices are synthetic.
    pub synthetic: bool,
    /// Offers and their orders.
    #[serde(flatten)]
    pub found: Found,
}

impl OfferRequest {
    /// The question in its own types, or every field that is none.
    fn parse(self) -> Result<Search, Problem> {
        let mut errors = Vec::new();
        let mut slices = Vec::new();
        for (index, slice) in self.slices.iter().enumerate() {
            let at = |field| format!("/slices/{index}/{field}");
            let origin = parsed(&slice.origin, at("origin"), &mut errors);
            let destination = parsed(&slice.destination, at("destination"), &mut errors);
            let day = slice.departure_date.parse::<Date>().map_err(|_| "a day, such as 2027-03-10");
            let day = told(day, at("departure_date"), &mut errors);
            if let (Some(origin), Some(destination), Some(departure_date)) =
                (origin, destination, day)
            {
                slices.push(SearchSlice { origin, destination, departure_date });
            }
        }
        let currency = self.currency.as_deref().unwrap_or(Currency::EUR.code()).to_owned();
        let currency = parsed(&currency, "/currency".into(), &mut errors);
        if self.slices.is_empty() || self.slices.len() > SLICES_MAX {
            let detail = "one slice for one way, two for there and back".to_owned();
            errors.push(FieldError { pointer: "/slices".into(), detail });
        }
        if !(1..=PASSENGERS_MAX).contains(&self.passengers) {
            errors.push(FieldError { pointer: "/passengers".into(), detail: "1 to 9".into() });
        }
        match currency {
            Some(currency) if errors.is_empty() => Ok(Search {
                slices,
                passengers: self.passengers,
                cabin: self.cabin,
                max_connections: self.max_connections,
                currency,
            }),
            _ => Err(Problem::fields(errors)),
        }
    }
}

fn parsed<T: FromStr<Err = String>>(
    text: &str,
    pointer: String,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    told(text.parse(), pointer, errors)
}

fn told<T, E: Into<String>>(
    result: Result<T, E>,
    pointer: String,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    result.map_err(|detail| errors.push(FieldError { pointer, detail: detail.into() })).ok()
}

async fn find(api: &Api, search: Search) -> Result<OfferRequestView, Problem> {
    let finder = api.finder.clone();
    let id = search.id();
    // A search is a few milliseconds of pure work; the threads that answer others stay free.
    let found = tokio::task::spawn_blocking(move || finder.find(&search))
        .await
        .expect("searching does not panic")?;
    let offered = u64::try_from(found.offers.len()).unwrap_or(u64::MAX);
    metrics::counter!("meridian_search_itineraries_total").increment(offered);
    Ok(OfferRequestView { id, status: "complete", synthetic: true, found })
}

/// Searches direct flights and flights with one change.
#[utoipa::path(post, path = "/v1/offer-requests", tag = "search", request_body = OfferRequest,
    responses((status = 201, body = Data<OfferRequestView>),
        (status = 422, body = ProblemDetails)))]
pub async fn search(
    State(api): State<Api>,
    Strict { value, .. }: Strict<OfferRequest>,
) -> Result<Response, Problem> {
    let data = find(&api, value.parse()?).await?;
    let location = format!("/v1/offer-requests/{}", data.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(Data { data })).into_response())
}

/// Asks the same question again, at today's prices.
#[utoipa::path(get, path = "/v1/offer-requests/{id}", tag = "search",
    params(("id" = String, Path, description = "As the search answered it")),
    responses((status = 200, body = Data<OfferRequestView>),
        (status = 404, body = ProblemDetails)))]
pub async fn search_again(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let search = Search::from_id(&id).ok_or_else(Problem::not_found)?;
    let data = find(&api, search).await?;
    Ok(([(CACHE_CONTROL, PUBLIC)], Json(Data { data })).into_response())
}

/// One offer, with the seats that are left.
#[utoipa::path(get, path = "/v1/offers/{id}", tag = "search",
    params(("id" = String, Path, description = "As a search answered it")),
    responses((status = 200, body = Data<Offer>), (status = 404, body = ProblemDetails),
        (status = 410, body = ProblemDetails)))]
pub async fn offer(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Data<Offer>>, Problem> {
    let terms = api.finder.open(&id)?;
    let mut data = api.finder.offer(&terms)?;
    let wishes = seat_wishes(&api.finder, &terms);
    let touched = api.store.fresh().seats_left(&wishes, terms.cabin).await?;
    data.seats_left = wishes
        .iter()
        .map(|wish| {
            let same = |(flight, day, _): &&(String, Date, i64)| {
                *flight == wish.flight && *day == wish.departs_on
            };
            touched.iter().find(same).map_or(wish.capacity, |(_, _, seats)| *seats)
        })
        .min();
    Ok(Json(Data { data }))
}
