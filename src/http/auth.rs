//! Who asks: the bearer token or the page's cookie, and the session that it opens.

use axum::extract::FromRequestParts;
use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

use super::Api;
use super::access::misdirected;
use super::problem::{Code, Problem};
use crate::orders::Asker;
use crate::store::travellers::Session;

/// The page's cookie; the prefix makes browsers insist on Secure, Path=/ and no Domain.
pub const COOKIE_NAME: &str = "__Host-meridian";
/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 128;

/// A token, and whether a browser sent it by itself.
pub struct Token {
    /// As it was given out.
    pub text: String,
    /// From the cookie.
    pub by_browser: bool,
}

/// The token in a request's head.
pub fn token(headers: &HeaderMap) -> Option<Token> {
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .map(|text| Token { text: text.trim().to_owned(), by_browser: false });
    bearer.or_else(|| cookie(headers)).filter(|token| token.text.len() <= TOKEN_BYTES_MAX)
}

fn cookie(headers: &HeaderMap) -> Option<Token> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
        .map(|text| Token { text: text.to_owned(), by_browser: true })
}

/// The cookie that keeps a page logged in.
pub fn set_cookie(token: &str, seconds: i64) -> HeaderValue {
    let attributes = "Path=/; Secure; HttpOnly; SameSite=Lax";
    let text = format!("{COOKIE_NAME}={token}; {attributes}; Max-Age={seconds}");
    HeaderValue::from_str(&text).expect("a token is plain ASCII")
}

/// A request's token, checked against forgery by other sites but not yet against the database.
pub struct Bearer(pub String);

impl FromRequestParts<Api> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, Problem> {
        let token = token(&parts.headers).ok_or_else(Problem::unauthenticated)?;
        let safe = parts.method == Method::GET || parts.method == Method::HEAD;
        if token.by_browser && !safe && !same_site(&parts.headers) {
            let detail = "a cookie counts only for requests of our own pages; send the token as a \
                          bearer instead";
            return Err(Problem::new(Code::CrossSite, detail));
        }
        Ok(Self(token.text))
    }
}

/// A browser says where a request comes from, and other sites cannot make it lie.
fn same_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => match (text(ORIGIN.as_str()), text(HOST.as_str())) {
            (Some(origin), Some(host)) => {
                origin.split_once("://").is_some_and(|(_, authority)| authority == host)
            }
            _ => false,
        },
    }
}

/// The open session of the one who asks, and the token it came with.
pub struct Traveller {
    /// The session.
    pub session: Session,
    /// The token.
    pub token: String,
}

impl Traveller {
    /// Who asks, for the orders.
    pub fn asker(&self) -> Asker<'_> {
        Asker { session: &self.session, token: &self.token }
    }
}

impl FromRequestParts<Api> for Traveller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Bearer(token) = Bearer::from_request_parts(parts, api).await?;
        match api.travellers.session(&token).await? {
            Some(session) => Ok(Self { session, token }),
            None => Err(not_signed_in(api, &token).await),
        }
    }
}

/// The same, where something new is done with the traveller's data: not while they want it only
/// kept.
pub struct Acting(pub Traveller);

impl FromRequestParts<Api> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let traveller = Traveller::from_request_parts(parts, api).await?;
        if traveller.session.restricted {
            let detail = "you asked us only to keep your data; take that back first, with PUT \
                          /v1/privacy/processing";
            return Err(Problem::new(Code::ProcessingRestricted, detail));
        }
        Ok(Self(traveller))
    }
}

/// A session that is not here any more went with its traveller to another home: the way there.
pub async fn moved_on(api: &Api, token: &str) -> Result<(), Problem> {
    match api.travellers.moved_to(token).await? {
        Some(home) if home != api.region => Err(misdirected(home)),
        Some(_) | None => Ok(()),
    }
}

/// What the bearer of a token that opens nothing here is told.
pub async fn not_signed_in(api: &Api, token: &str) -> Problem {
    moved_on(api, token).await.err().unwrap_or_else(Problem::unauthenticated)
}
