//! Logging in and out.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Api;
use super::auth::{Bearer, moved_on, set_cookie};
use super::body::{Data, Strict};
use super::problem::{Problem, ProblemDetails};
use super::travellers::{SessionView, credentials, opened};
use crate::domain::traveller::Pii;

/// A log-in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    /// E-mail address.
    #[schema(value_type = String)]
    email: Pii<String>,
    /// The password.
    #[schema(value_type = String)]
    password: Pii<String>,
}

/// Opens a session in the home region that `GET /v1/residence` told.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", request_body = LogIn,
    params(("meridian-home" = String, Header, description = "The home region, such as eu-central")),
    responses((status = 201, body = Data<SessionView>), (status = 401, body = ProblemDetails),
        (status = 421, body = ProblemDetails)))]
pub async fn log_in(
    State(api): State<Api>,
    Strict { value, .. }: Strict<LogIn>,
) -> Result<Response, Problem> {
    let (email, password) = credentials(&value.email, &value.password)?;
    let result = api.travellers.log_in(email, password).await?;
    Ok(opened(result, api.finder.clock.now()))
}

/// Ends the session that asks.
#[utoipa::path(delete, path = "/v1/sessions/current", tag = "sessions",
    responses((status = 204), (status = 401, body = ProblemDetails)))]
pub async fn log_out(State(api): State<Api>, Bearer(token): Bearer) -> Result<Response, Problem> {
    if !api.travellers.log_out(&token).await? {
        moved_on(&api, &token).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, set_cookie("", 0))]).into_response())
}
