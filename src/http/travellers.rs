//! Signing up, and reading one's own account.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use meridian_regions::Country;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::access::RESIDENCE_COUNTRY;
use super::auth::{Traveller, set_cookie};
use super::body::{Data, Strict};
use super::problem::{Problem, ProblemDetails};
use crate::domain::traveller::{Email, Password, Pii};
use crate::store::uncut;
use crate::travellers::Opened;
use crate::travellers::rectifying::{OwnAccount, Rectification};

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    /// E-mail address.
    #[schema(value_type = String, example = "ada@example.org")]
    email: Pii<String>,
    /// At least 8 characters.
    #[schema(value_type = String)]
    password: Pii<String>,
}

/// An open session.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    /// Whose; the second part names the home region.
    #[schema(example = "trv_euc1_0123456789abcdef0123456789abcdef")]
    pub traveller_id: String,
    /// Send it as `Authorization: Bearer`. It is shown once.
    pub token: String,
    /// When it ends.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
    /// Where this account lives.
    pub home_region: String,
}

/// An account, to the one whose it is.
#[derive(Serialize, ToSchema)]
pub struct TravellerView {
    /// Its id.
    pub id: String,
    /// E-mail address.
    pub email: String,
    /// Declared country of residence.
    pub residence_country: String,
    /// Where it lives.
    pub home_region: String,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
}

/// The answer to a sign-up or a log-in: the token for programs, a cookie for pages.
pub(super) fn opened(opened: Opened, now: Timestamp) -> Response {
    let seconds = opened.expires_at.as_second() - now.as_second();
    let cookie = set_cookie(&opened.token, seconds);
    let data = SessionView {
        traveller_id: opened.traveller.to_string(),
        token: opened.token,
        expires_at: opened.expires_at,
        home_region: opened.traveller.home().name.clone(),
    };
    (StatusCode::CREATED, [(SET_COOKIE, cookie)], Json(Data { data })).into_response()
}

/// Opens an account in the home region of the declared country, and a session on it.
#[utoipa::path(post, path = "/v1/travellers", tag = "travellers", request_body = SignUp,
    params(("residence-country" = String, Header, description = "Country of residence, as DE")),
    responses((status = 201, body = Data<SessionView>), (status = 409, body = ProblemDetails),
        (status = 421, body = ProblemDetails), (status = 422, body = ProblemDetails)))]
pub async fn sign_up(
    State(api): State<Api>,
    headers: HeaderMap,
    Strict { value, .. }: Strict<SignUp>,
) -> Result<Response, Problem> {
    let country = headers.get(RESIDENCE_COUNTRY).and_then(|value| value.to_str().ok());
    let country: Country = country
        .and_then(|code| code.parse().ok())
        .expect("the access layer let only a known country through");
    let (email, password) = credentials(&value.email, &value.password)?;
    let result = api.travellers.sign_up(email, password, country).await?;
    Ok(opened(result, api.finder.clock.now()))
}

/// One's own account.
#[utoipa::path(get, path = "/v1/travellers/me", tag = "travellers",
    responses((status = 200, body = Data<TravellerView>), (status = 401, body = ProblemDetails)))]
pub async fn me(
    State(api): State<Api>,
    traveller: Traveller,
) -> Result<Json<Data<TravellerView>>, Problem> {
    let account = api.travellers.own_account(traveller.session)?;
    Ok(Json(Data { data: account.into() }))
}

/// What is to be put right about one's account; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rectify {
    /// The present password: a token that was lost must not take an account over.
    #[schema(value_type = String)]
    password: Pii<String>,
    /// Another e-mail address.
    #[schema(value_type = Option<String>)]
    email: Option<Pii<String>>,
    /// Another password; every other session ends.
    #[schema(value_type = Option<String>)]
    new_password: Option<Pii<String>>,
    /// Another country of residence. Where another region is its home, the account moves there with
    /// everything in it.
    #[schema(value_type = Option<String>, example = "FR")]
    residence_country: Option<String>,
}

impl Rectify {
    fn read(&self) -> Result<(Password, Rectification), Problem> {
        let password = |field: &Pii<String>, pointer: &str| {
            Password::parse(field.expose().clone())
                .map_err(|detail| Problem::field(pointer, detail))
        };
        let email = self
            .email
            .as_ref()
            .map(|it| Email::parse(it.expose()).map_err(|detail| Problem::field("/email", detail)));
        let new = self.new_password.as_ref().map(|it| password(it, "/new_password"));
        let residence = self.residence_country.as_ref().map(|it| {
            let advice = "an ISO 3166-1 alpha-2 code in capitals, such as DE";
            it.parse::<Country>().map_err(|_| Problem::field("/residence_country", advice))
        });
        let change = Rectification {
            email: email.transpose()?,
            password: new.transpose()?,
            residence: residence.transpose()?,
        };
        if change.is_nothing() {
            return Err(Problem::field("/email", "say at least one thing that is to change"));
        }
        Ok((password(&self.password, "/password")?, change))
    }
}

/// Puts one's own account right (Art. 16 GDPR): address, password, country of residence.
#[utoipa::path(patch, path = "/v1/travellers/me", tag = "travellers", request_body = Rectify,
    responses((status = 200, body = Data<TravellerView>), (status = 401, body = ProblemDetails),
        (status = 409, body = ProblemDetails), (status = 422, body = ProblemDetails)))]
pub async fn rectify(
    State(api): State<Api>,
    traveller: Traveller,
    Strict { value, .. }: Strict<Rectify>,
) -> Result<Json<Data<TravellerView>>, Problem> {
    let (password, change) = value.read()?;
    let (travellers, asker) = (api.travellers.clone(), traveller);
    travellers.confirm_password(asker.session.traveller, password).await?;
    let work = async move { travellers.rectify(&asker.session, &asker.token, change).await };
    let account = uncut(work).await?;
    Ok(Json(Data { data: account.into() }))
}

impl From<OwnAccount> for TravellerView {
    fn from(account: OwnAccount) -> Self {
        Self {
            id: account.traveller.to_string(),
            email: account.email,
            home_region: account.traveller.home().name.clone(),
            residence_country: account.residence,
            created_at: account.created_at,
        }
    }
}

/// Address and password in their own types.
pub(super) fn credentials(
    email: &Pii<String>,
    password: &Pii<String>,
) -> Result<(Email, Password), Problem> {
    let email = Email::parse(email.expose()).map_err(|detail| Problem::field("/email", detail))?;
    let password = Password::parse(password.expose().clone())
        .map_err(|detail| Problem::field("/password", detail))?;
    Ok((email, password))
}
