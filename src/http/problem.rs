//! Every error that leaves the house, as RFC 9457 problem details. Status codes exist only here.

use std::any::Any;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use meridian_regions::RegionId;
use serde::Serialize;
use utoipa::ToSchema;

use super::request_id::RequestId;
use crate::orders;
use crate::search::{Nonsense, OfferError};
use crate::store::{self, Fate};
use crate::telemetry::trace::TraceContext;
use crate::travellers;
use crate::webhooks;

/// Where the codes are explained.
const DOCUMENT: &str = "https://meridian.example/docs/errors";

/// What went wrong, for machines. `docs/errors.md` explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request is not what the API describes.
    Malformed,
    /// Fields make no sense.
    ValidationFailed,
    /// A header that decides where data goes is missing.
    HeaderMissing,
    /// The Idempotency-Key header is missing.
    IdempotencyKeyMissing,
    /// The Idempotency-Key header cannot be read.
    IdempotencyKeyInvalid,
    /// No or no open session.
    Unauthenticated,
    /// Wrong address or password.
    WrongCredentials,
    /// A page of another site asked.
    CrossSite,
    /// Nothing of that name, or not yours.
    NotFound,
    /// The route has other methods.
    MethodNotAllowed,
    /// The address has an account.
    AddressTaken,
    /// The last seat is gone.
    SoldOut,
    /// Not in this state.
    OrderStateConflict,
    /// No more endpoints.
    WebhookLimit,
    /// Nothing goes to this endpoint any more.
    WebhookDisabled,
    /// The offer stands no longer.
    OfferExpired,
    /// The hold ran out.
    HoldExpired,
    /// More than 64 KiB.
    BodyTooLarge,
    /// No JSON.
    UnsupportedMediaType,
    /// Personal data is at home elsewhere.
    Misdirected,
    /// The key was used for another request.
    IdempotencyMismatch,
    /// No region may home this country.
    ResidenceUnsupported,
    /// Our mistake.
    Internal,
    /// Try again.
    Unavailable,
    /// The answer took too long.
    TimedOut,
}

impl Code {
    /// Every one.
    pub const ALL: &'static [Self] = &[
        Self::Malformed,
        Self::ValidationFailed,
        Self::HeaderMissing,
        Self::IdempotencyKeyMissing,
        Self::IdempotencyKeyInvalid,
        Self::Unauthenticated,
        Self::WrongCredentials,
        Self::CrossSite,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::AddressTaken,
        Self::SoldOut,
        Self::OrderStateConflict,
        Self::WebhookLimit,
        Self::WebhookDisabled,
        Self::OfferExpired,
        Self::HoldExpired,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::Misdirected,
        Self::IdempotencyMismatch,
        Self::ResidenceUnsupported,
        Self::Internal,
        Self::Unavailable,
        Self::TimedOut,
    ];

    /// Status, name and title.
    pub fn facts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed => (400, "malformed", "The request cannot be read"),
            Self::HeaderMissing => (400, "header_missing", "A header is missing"),
            Self::IdempotencyKeyMissing => {
                (400, "idempotency_key_missing", "The Idempotency-Key header is missing")
            }
            Self::IdempotencyKeyInvalid => {
                (400, "idempotency_key_invalid", "The Idempotency-Key header cannot be read")
            }
            Self::Unauthenticated => (401, "unauthenticated", "Log in first"),
            Self::WrongCredentials => (401, "wrong_credentials", "Wrong address or password"),
            Self::CrossSite => (403, "cross_site", "A page of another site asked"),
            Self::NotFound => (404, "not_found", "There is nothing here for you"),
            Self::MethodNotAllowed => (405, "method_not_allowed", "Not with this method"),
            Self::AddressTaken => (409, "address_taken", "This address has an account"),
            Self::SoldOut => (409, "sold_out", "No seats are left"),
            Self::OrderStateConflict => (409, "order_state_conflict", "Not in this state"),
            Self::WebhookLimit => (409, "webhook_limit", "No more webhooks"),
            Self::WebhookDisabled => (409, "webhook_disabled", "Nothing goes there any more"),
            Self::OfferExpired => (410, "offer_expired", "The offer has expired"),
            Self::HoldExpired => (410, "hold_expired", "The hold has expired"),
            Self::BodyTooLarge => (413, "body_too_large", "The body is too large"),
            Self::UnsupportedMediaType => (415, "unsupported_media_type", "Send JSON"),
            Self::Misdirected => (421, "misdirected", "Another region is home to this data"),
            Self::ValidationFailed => (422, "validation_failed", "Some fields make no sense"),
            Self::IdempotencyMismatch => {
                (422, "idempotency_mismatch", "This key was used for another request")
            }
            Self::ResidenceUnsupported => {
                (422, "residence_unsupported", "We cannot serve residents of this country")
            }
            Self::Internal => (500, "internal", "We made a mistake"),
            Self::Unavailable => (503, "unavailable", "Try again in a moment"),
            Self::TimedOut => (504, "timed_out", "The answer took too long"),
        }
    }
}

/// An error on its way out.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    charged: Option<&'static str>,
    retryable: bool,
    errors: Vec<FieldError>,
    home: Option<RegionId>,
}

/// A field that makes no sense.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body, or the name of a parameter.
    pub pointer: String,
    /// What would make sense.
    pub detail: String,
}

/// Problem details (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemDetails {
    /// Explains the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do.
    pub detail: String,
    /// What happened, for machines.
    pub code: &'static str,
    /// Quote it when you write to us.
    pub request_id: String,
    /// The trace that this request belongs to.
    pub trace_id: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Whether money was taken; only where it may have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charged: Option<&'static str>,
    /// Fields that make no sense.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Where the data is at home: send the same request there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<HomeView>,
}

/// A region to talk to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HomeView {
    /// Its name.
    pub region: String,
    /// The origin of its API.
    pub url: String,
}

impl From<RegionId> for HomeView {
    fn from(region: RegionId) -> Self {
        Self { region: region.name.clone(), url: region.endpoints.api.clone() }
    }
}

impl Problem {
    /// A problem with advice.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let retryable = matches!(code, Code::Unavailable | Code::TimedOut | Code::Misdirected);
        let (detail, errors) = (detail.into(), Vec::new());
        Self { code, detail, charged: None, retryable, errors, home: None }
    }

    /// Fields that make no sense.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = "correct the fields that `errors` lists";
        Self { errors, ..Self::new(Code::ValidationFailed, detail) }
    }

    /// One field that makes no sense.
    pub fn field(pointer: &str, detail: &str) -> Self {
        Self::fields(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
    }

    /// A request for personal data that is at home elsewhere.
    pub fn misdirected(home: RegionId) -> Self {
        let detail = format!(
            "this data is at home in {home}; send the same request to {}; it was not read here",
            home.endpoints.api
        );
        Self { home: Some(home), ..Self::new(Code::Misdirected, detail) }
    }

    /// The same, where money may have moved.
    pub fn charged(self, charged: &'static str) -> Self {
        Self { charged: Some(charged), ..self }
    }

    /// Somebody without an open session.
    pub fn unauthenticated() -> Self {
        Self::new(
            Code::Unauthenticated,
            "no open session; log in with POST /v1/sessions and send the token as a bearer",
        )
    }

    /// Nothing there, or not theirs.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "check the id; what is not yours looks as if it did not exist")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, title) = self.code.facts();
        let details = ProblemDetails {
            kind: format!("{DOCUMENT}#{code}"),
            title,
            status,
            detail: self.detail,
            code,
            request_id: RequestId::current(),
            trace_id: TraceContext::current().trace_id(),
            retryable: self.retryable,
            charged: self.charged,
            errors: self.errors,
            home: self.home.map(HomeView::from),
        };
        let status = StatusCode::from_u16(status).expect("the table holds statuses");
        let mut response = (status, Json(details)).into_response();
        let headers = response.headers_mut();
        let problem = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, problem);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.code {
            Code::Unavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // The body that was not read is still on its way; this connection is of no more use.
            Code::Misdirected | Code::BodyTooLarge => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Code::Unauthenticated | Code::WrongCredentials => {
                let bearer = HeaderValue::from_static("Bearer");
                headers.insert(http::header::WWW_AUTHENTICATE, bearer);
            }
            _ => {}
        }
        response
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        let sqlstate = error.sql_state();
        match error.fate() {
            Fate::Bug => {
                tracing::error!(sqlstate, error = %Chain(&error), "a request met a bug");
                Self::new(Code::Internal, "our mistake, and it was recorded; quote the request id")
            }
            Fate::Again | Fate::Later => {
                tracing::warn!(sqlstate, error = %Chain(&error), "the database is away or busy");
                let detail = "the database is away or busy; nothing was changed, try again";
                Self::new(Code::Unavailable, detail)
            }
            Fate::Unknown => {
                tracing::warn!(error = %Chain(&error), "an outcome is not known");
                let detail = "whether this was done is not known; send it again with the same \
                              Idempotency-Key, which cannot do it twice";
                Self::new(Code::Unavailable, detail).charged("unknown")
            }
        }
    }
}

/// An error and its causes in one line. Only the causes' codes: a driver's message may repeat
/// values.
struct Chain<'a>(&'a store::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        if let Some(constraint) = self.0.constraint() {
            write!(f, " (constraint {constraint})")?;
        }
        Ok(())
    }
}

impl From<OfferError> for Problem {
    fn from(error: OfferError) -> Self {
        match error {
            OfferError::Unknown => Self::not_found(),
            OfferError::Expired => Self::new(
                Code::OfferExpired,
                "the price stands no longer; search again and book one of the new offers",
            ),
        }
    }
}

impl From<orders::Refusal> for Problem {
    fn from(refusal: orders::Refusal) -> Self {
        use orders::Refusal as R;
        match refusal {
            R::Offer(error) => Self::from(error).charged("no"),
            R::Passengers { offered } => {
                let detail = format!("the offer is for {offered} passenger(s); name as many");
                Self::field("/passengers", &detail).charged("no")
            }
            R::SoldOut => {
                let detail = "somebody else has the last seat; search again";
                Self::new(Code::SoldOut, detail).charged("no")
            }
            R::KeyReused => Self::new(
                Code::IdempotencyMismatch,
                "use a new Idempotency-Key for a new request; this one belongs to another body",
            ),
            R::NotFound => Self::not_found(),
            R::Conflict { state } => {
                let detail =
                    format!("the order is {state}; its available_actions say what may be done now");
                Self::new(Code::OrderStateConflict, detail)
            }
            R::Paying => {
                let detail = "a payment of this order is under way; wait until it is decided";
                let problem = Self::new(Code::OrderStateConflict, detail).charged("unknown");
                Self { retryable: true, ..problem }
            }
            R::HoldExpired => {
                let detail =
                    "the time to pay has passed and the seats are free again; search again";
                Self::new(Code::HoldExpired, detail).charged("no")
            }
            R::Sealed(error) => sealed(&error),
            R::Store(error) => Self::from(error),
        }
    }
}

impl From<travellers::Refusal> for Problem {
    fn from(refusal: travellers::Refusal) -> Self {
        use travellers::Refusal as R;
        match refusal {
            R::NotHere(home) => Self::misdirected(home),
            R::Nowhere(reason) => Self::new(Code::ResidenceUnsupported, reason),
            R::Taken => {
                let detail = "log in instead, or use another address";
                Self::new(Code::AddressTaken, detail)
            }
            R::Wrong => {
                let detail = "no account has this address and password; which is wrong is not said";
                Self::new(Code::WrongCredentials, detail)
            }
            R::Busy => {
                let detail = "too many log-ins at once; try again in a moment";
                Self::new(Code::Unavailable, detail)
            }
            R::Store(error) => Self::from(error),
            R::Sealed(error) => sealed(&error),
        }
    }
}

impl From<webhooks::Refusal> for Problem {
    fn from(refusal: webhooks::Refusal) -> Self {
        use webhooks::Refusal as R;
        match refusal {
            R::Forbidden(forbidden) => Self::field("/url", forbidden.0),
            R::TooMany => {
                let most = webhooks::ENDPOINTS_MAX;
                let detail = format!("{most} webhooks at most; delete one of them first");
                Self::new(Code::WebhookLimit, detail)
            }
            R::NotFound => Self::not_found(),
            R::Disabled => {
                let detail = "it answered that it is gone; delete it and register it anew";
                Self::new(Code::WebhookDisabled, detail)
            }
            R::Sealed(error) => sealed(&error),
            R::Store(error) => Self::from(error),
        }
    }
}

impl From<Vec<Nonsense>> for Problem {
    fn from(nonsense: Vec<Nonsense>) -> Self {
        let field = |n: Nonsense| FieldError { pointer: n.pointer, detail: n.detail };
        Self::fields(nonsense.into_iter().map(field).collect())
    }
}

fn sealed(error: &crate::privacy::seal::Broken) -> Problem {
    tracing::error!(%error, "a row cannot be opened with this node's keys");
    Problem::new(Code::Internal, "our mistake, and it was recorded; quote the request id")
}

/// For a route that does not exist.
pub async fn no_such_route() -> Problem {
    Problem::new(Code::NotFound, "no such route; /openapi.json lists those that are")
}

/// For a route with another method.
pub async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed, "/openapi.json lists the methods of this route")
}

/// For a handler that panicked.
pub fn panicked(_panic: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Problem::new(Code::Internal, "our mistake, and it was recorded; quote the request id")
        .into_response()
}
