//! Reading bodies and parameters strictly, and saying what was wrong without repeating it.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use super::BODY_BYTES_MAX;
use super::problem::{Code, FieldError, Problem};

/// Shortest and longest idempotency key.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=255;

/// A JSON body, with no field that is not described, and as it was sent.
pub struct Strict<T> {
    /// The body.
    pub value: T,
    /// As JSON, for its hash.
    pub raw: Value,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Strict<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "send the body as JSON, with Content-Type: application/json";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let bytes = to_bytes(request.into_body(), BODY_BYTES_MAX)
            .await
            .map_err(|_| Problem::body_too_large())?;
        let raw: Value = serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let detail = format!("the body is no JSON at line {line}, column {column}");
            Problem::new(Code::Malformed, detail)
        })?;
        let value = serde_path_to_error::deserialize(&raw).map_err(|error| {
            let pointer = pointer(error.path());
            let detail = plain(&error.inner().to_string());
            Problem::fields(vec![FieldError { pointer, detail }])
        })?;
        Ok(Self { value, raw })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// A path of serde's as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

/// serde's message without the value that it repeats.
fn plain(message: &str) -> String {
    if message.starts_with("unknown field") {
        let expected = message.split_once(", ").map_or("", |(_, rest)| rest);
        format!("this field is not known here; {expected}")
    } else if message.starts_with("missing field") {
        message.to_owned()
    } else if message.starts_with("unknown variant") {
        let expected = message.split_once(", ").map_or("", |(_, rest)| rest);
        format!("not one of those that are known; {expected}")
    } else if message.starts_with("invalid type") {
        let expected = message.rsplit_once("expected ").map_or("", |(_, rest)| rest);
        format!("wrong type; expected {expected}")
    } else if message.starts_with("not a") {
        // Our own types say what they want and repeat nothing.
        message.to_owned()
    } else {
        "not a value of this field's kind".to_owned()
    }
}

/// Query parameters, with none that is not described.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|_| {
                let detail = "a parameter is missing, unknown or of the wrong kind; /openapi.json \
                              describes them";
                Problem::new(Code::Malformed, detail)
            })
    }
}

/// The client's idempotency key.
pub struct IdempotencyKey(pub String);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else {
            return Err(Problem::new(
                Code::IdempotencyKeyMissing,
                "send an Idempotency-Key header: one UUID for each thing you want done, the same \
                 UUID when you ask for it again",
            ));
        };
        let text = value.to_str().unwrap_or_default();
        // A structured-field string (RFC 8941) is quoted; many clients send it bare.
        let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        let visible = bare.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
        if values.next().is_some() || !visible || !KEY_BYTES.contains(&bare.len()) {
            return Err(Problem::new(
                Code::IdempotencyKeyInvalid,
                "an Idempotency-Key is one string of 16 to 255 visible ASCII characters",
            ));
        }
        Ok(Self(bare.to_owned()))
    }
}

/// The client's idempotency key, where it may be left out.
pub struct OptionalKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for OptionalKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if !parts.headers.contains_key("idempotency-key") {
            return Ok(Self(None));
        }
        let IdempotencyKey(key) = IdempotencyKey::from_request_parts(parts, state).await?;
        Ok(Self(Some(key)))
    }
}

/// The envelope of one thing.
#[derive(Serialize, ToSchema)]
pub struct Data<T> {
    /// The thing.
    pub data: T,
}

/// The envelope of several.
#[derive(Serialize, ToSchema)]
pub struct List<T> {
    /// The things.
    pub data: Vec<T>,
    /// How many at most.
    pub meta: ListMeta,
}

/// About a list.
#[derive(Serialize, ToSchema)]
pub struct ListMeta {
    /// Most things of one answer.
    pub limit: usize,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl ListMeta {
    /// About a list that is whole.
    pub fn whole(limit: usize) -> Self {
        Self { limit, after: None }
    }
}
