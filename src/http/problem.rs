//! Every error that leaves the house, as RFC 9457 problem details. Status codes exist only here.

use std::any::Any;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use meridian_regions::RegionId;
use serde::Serialize;
use utoipa::ToSchema;

use super::request_id::RequestId;
use crate::telemetry::trace::TraceContext;

/// The media type of problem details.
pub const PROBLEM_JSON: &str = "application/problem+json";
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
    /// Headers say that the data is at home in different places.
    DeclarationsContradict,
    /// The Idempotency-Key header is missing.
    IdempotencyKeyMissing,
    /// The Idempotency-Key header cannot be read.
    IdempotencyKeyInvalid,
    /// No or no open session.
    Unauthenticated,
    /// Wrong address or password.
    WrongCredentials,
    /// A callback whose signature is wrong or old.
    SignatureInvalid,
    /// A page of another site asked.
    CrossSite,
    /// The traveller wants their data only kept.
    ProcessingRestricted,
    /// Another role may.
    RoleMissing,
    /// Another region's people may.
    OutOfScope,
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
    /// The airline does not do that to this ticket.
    NotChangeable,
    /// The airline's price is another one.
    PriceChanged,
    /// The same request is under way.
    IdempotencyInFlight,
    /// It was done long ago.
    AlreadyCreated,
    /// No more endpoints.
    WebhookLimit,
    /// Nothing goes to this endpoint any more.
    WebhookDisabled,
    /// The offer stands no longer.
    OfferExpired,
    /// The hold ran out.
    HoldExpired,
    /// The quote may no longer be confirmed.
    QuoteExpired,
    /// The link was used, or its time is over.
    LinkSpent,
    /// It is not as it was seen.
    EtagMismatch,
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
    /// What was seen must be said.
    IfMatchRequired,
    /// Our mistake.
    Internal,
    /// Try again.
    Unavailable,
    /// The airline gives no answer.
    ProviderUnavailable,
    /// The answer took too long.
    TimedOut,
}

impl Code {
    /// Every one.
    pub const ALL: &'static [Self] = &[
        Self::Malformed,
        Self::ValidationFailed,
        Self::HeaderMissing,
        Self::DeclarationsContradict,
        Self::IdempotencyKeyMissing,
        Self::IdempotencyKeyInvalid,
        Self::Unauthenticated,
        Self::WrongCredentials,
        Self::SignatureInvalid,
        Self::CrossSite,
        Self::ProcessingRestricted,
        Self::RoleMissing,
        Self::OutOfScope,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::AddressTaken,
        Self::SoldOut,
        Self::OrderStateConflict,
        Self::NotChangeable,
        Self::PriceChanged,
        Self::IdempotencyInFlight,
        Self::AlreadyCreated,
        Self::WebhookLimit,
        Self::WebhookDisabled,
        Self::OfferExpired,
        Self::HoldExpired,
        Self::QuoteExpired,
        Self::LinkSpent,
        Self::EtagMismatch,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::Misdirected,
        Self::IdempotencyMismatch,
        Self::ResidenceUnsupported,
        Self::IfMatchRequired,
        Self::Internal,
        Self::Unavailable,
        Self::ProviderUnavailable,
        Self::TimedOut,
    ];

    /// Status, name and title.
    pub fn facts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed => (400, "malformed", "The request cannot be read"),
            Self::HeaderMissing => (400, "header_missing", "A header is missing"),
            Self::DeclarationsContradict => {
                (400, "declarations_contradict", "Headers contradict each other")
            }
            Self::IdempotencyKeyMissing => {
                (400, "idempotency_key_missing", "The Idempotency-Key header is missing")
            }
            Self::IdempotencyKeyInvalid => {
                (400, "idempotency_key_invalid", "The Idempotency-Key header cannot be read")
            }
            Self::Unauthenticated => (401, "unauthenticated", "Log in first"),
            Self::WrongCredentials => (401, "wrong_credentials", "Wrong address or password"),
            Self::SignatureInvalid => {
                (401, "signature_invalid", "The signature is wrong, or the message is too old")
            }
            Self::CrossSite => (403, "cross_site", "A page of another site asked"),
            Self::ProcessingRestricted => {
                (403, "processing_restricted", "This data is only kept, as you asked")
            }
            Self::RoleMissing => (403, "role_missing", "Your role may not look at this"),
            Self::OutOfScope => (403, "out_of_scope", "Another region's people may look at this"),
            Self::NotFound => (404, "not_found", "There is nothing here for you"),
            Self::MethodNotAllowed => (405, "method_not_allowed", "Not with this method"),
            Self::AddressTaken => (409, "address_taken", "This address has an account"),
            Self::SoldOut => (409, "sold_out", "No seats are left"),
            Self::OrderStateConflict => (409, "order_state_conflict", "Not in this state"),
            Self::NotChangeable => (409, "not_changeable", "The airline does not change this"),
            Self::PriceChanged => (409, "price_changed", "The price has changed"),
            Self::IdempotencyInFlight => {
                (409, "idempotency_in_flight", "The same request is being answered")
            }
            Self::AlreadyCreated => (409, "already_created", "This was done before"),
            Self::WebhookLimit => (409, "webhook_limit", "No more webhooks"),
            Self::WebhookDisabled => (409, "webhook_disabled", "Nothing goes there any more"),
            Self::OfferExpired => (410, "offer_expired", "The offer has expired"),
            Self::HoldExpired => (410, "hold_expired", "The hold has expired"),
            Self::QuoteExpired => (410, "quote_expired", "The quote has expired"),
            Self::LinkSpent => (410, "link_spent", "The link was used or is too old"),
            Self::EtagMismatch => (412, "etag_mismatch", "It is not as you have seen it"),
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
            Self::IfMatchRequired => (428, "if_match_required", "Say what you have seen"),
            Self::Internal => (500, "internal", "We made a mistake"),
            Self::Unavailable => (503, "unavailable", "Try again in a moment"),
            Self::ProviderUnavailable => {
                (503, "provider_unavailable", "The airline gives no answer")
            }
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
    location: Option<String>,
}

/// A field that makes no sense.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body, or the name of a parameter.
    pub pointer: String,
    /// What would make sense.
    pub detail: String,
}

/// Marks an answer that tells the way home.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentHome(pub(super) RegionId);

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
        let retryable = matches!(
            code,
            Code::Unavailable
                | Code::ProviderUnavailable
                | Code::TimedOut
                | Code::Misdirected
                | Code::IdempotencyInFlight
        );
        let (detail, errors) = (detail.into(), Vec::new());
        Self { code, detail, charged: None, retryable, errors, home: None, location: None }
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

    /// The same, and where what was made can be read.
    pub fn located(self, location: String) -> Self {
        Self { location: Some(location), ..self }
    }

    /// The same, where waiting may help.
    pub fn retryable(self) -> Self {
        Self { retryable: true, ..self }
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

    /// A body that nobody reads to its end.
    pub fn body_too_large() -> Self {
        let detail = "a body has at most 65,536 bytes and must arrive completely";
        Self::new(Code::BodyTooLarge, detail)
    }

    /// Nothing there, or not theirs.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "check the id; what is not yours looks as if it did not exist")
    }
}

impl Problem {
    /// As it is sent.
    fn details(&self) -> ProblemDetails {
        let (status, code, title) = self.code.facts();
        ProblemDetails {
            kind: format!("{DOCUMENT}#{code}"),
            title,
            status,
            detail: self.detail.clone(),
            code,
            request_id: RequestId::current(),
            trace_id: TraceContext::current().trace_id(),
            retryable: self.retryable,
            charged: self.charged,
            errors: self.errors.clone(),
            home: self.home.map(HomeView::from),
        }
    }

    /// Status and bytes, to be kept and sent again.
    pub fn rendered(&self) -> (u16, Vec<u8>) {
        let bytes = serde_json::to_vec(&self.details()).expect("details are plain data");
        (self.code.facts().0, bytes)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let details = self.details();
        let status = StatusCode::from_u16(details.status).expect("the table holds statuses");
        let mut response = (status, Json(details)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(location) = self.location.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(LOCATION, location);
        }
        if let Some(home) = self.home {
            response.extensions_mut().insert(SentHome(home));
        }
        let headers = response.headers_mut();
        match self.code {
            Code::Unavailable | Code::ProviderUnavailable | Code::IdempotencyInFlight => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // The body that was not read is still on its way; this connection is of no more use.
            Code::Misdirected | Code::BodyTooLarge | Code::DeclarationsContradict => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Code::Unauthenticated | Code::WrongCredentials => {
                let bearer = HeaderValue::from_static("Bearer");
                headers.insert(http::header::WWW_AUTHENTICATE, bearer);
            }
            Code::SignatureInvalid => {
                let signature = HeaderValue::from_static("StandardWebhooks");
                headers.insert(http::header::WWW_AUTHENTICATE, signature);
            }
            _ => {}
        }
        response
    }
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
