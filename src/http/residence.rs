//! Where is a traveller at home? Asked before any personal data is sent.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use meridian_regions::{Country, Home};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::body::{Data, List, ListMeta, Query};
use super::problem::{Code, HomeView, Problem, ProblemDetails};
use crate::domain::traveller::Subject;

/// Carries SHA-256 of a normalised e-mail address, so that no address stands in a URL.
pub const SUBJECT: &str = "meridian-subject";

/// Whose home is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ResidenceQuery {
    /// Country of residence, ISO 3166-1 alpha-2: for signing up.
    #[param(example = "DE")]
    country: Option<String>,
}

/// Where a traveller is at home.
#[derive(Serialize, ToSchema)]
pub struct ResidenceView {
    /// The region to talk to.
    pub home: HomeView,
    /// The law that holds there.
    pub jurisdiction: String,
    /// The act.
    pub law: String,
}

/// A region.
#[derive(Serialize, ToSchema)]
pub struct RegionView {
    /// Its name.
    pub name: String,
    /// The origin of its API.
    pub url: String,
    /// Its town.
    pub place: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The law that holds there.
    pub jurisdiction: String,
    /// Where it is in its life.
    pub state: String,
    /// How many countries' residents it homes.
    pub countries: usize,
}

/// The home of residents of a country, or of the bearer of an address.
///
/// To sign up, ask with `country`. To log in, send SHA-256 of the trimmed, lower-cased address in
/// hexadecimal as `Meridian-Subject`. For an address without an account the answer is this region,
/// so that a stranger's data goes no farther than it has come.
#[utoipa::path(get, path = "/v1/residence", tag = "residence", params(ResidenceQuery,
    ("meridian-subject" = Option<String>, Header, description = "SHA-256 of the e-mail address")),
    responses((status = 200, body = Data<ResidenceView>), (status = 422, body = ProblemDetails)))]
pub async fn residence(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(query): Query<ResidenceQuery>,
) -> Result<Json<Data<ResidenceView>>, Problem> {
    let home = match (query.country, headers.get(SUBJECT)) {
        (Some(country), None) => {
            let country: Country = country.parse().map_err(|_| {
                Problem::field("country", "an ISO 3166-1 alpha-2 code in capitals, such as DE")
            })?;
            match api.registry.home_of(country) {
                Home::Region(home) => home,
                Home::Nowhere(reason) => {
                    return Err(Problem::new(Code::ResidenceUnsupported, reason));
                }
            }
        }
        (None, Some(subject)) => {
            let subject = subject.to_str().ok().and_then(Subject::parse).ok_or_else(|| {
                Problem::field("meridian-subject", "64 hexadecimal digits: SHA-256 of the address")
            })?;
            api.travellers.home_of(&subject).await?.unwrap_or(api.region)
        }
        _ => {
            let detail = "ask with ?country= to sign up, or with Meridian-Subject to log in";
            return Err(Problem::new(Code::Malformed, detail));
        }
    };
    let law = api.registry.jurisdiction(home);
    Ok(Json(Data {
        data: ResidenceView {
            home: home.into(),
            jurisdiction: law.name.clone(),
            law: law.law.clone(),
        },
    }))
}

/// All regions.
#[utoipa::path(get, path = "/v1/regions", tag = "residence",
    responses((status = 200, body = List<RegionView>)))]
pub async fn regions(State(api): State<Api>) -> Json<List<RegionView>> {
    let data: Vec<RegionView> = api
        .registry
        .all()
        .map(|region| RegionView {
            name: region.name.clone(),
            url: region.endpoints.api.clone(),
            place: region.place.clone(),
            latitude: region.coordinates.latitude,
            longitude: region.coordinates.longitude,
            jurisdiction: region.jurisdiction.clone(),
            state: format!("{:?}", region.state).to_lowercase(),
            countries: region.homes.len(),
        })
        .collect();
    let limit = data.len();
    Json(List { data, meta: ListMeta::whole(limit) })
}
