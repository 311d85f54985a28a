//! Pages for people of the house who look after the law: rendered here, without scripts, so that
//! they are fast, work with a keyboard, and hold nothing after they are closed.

use askama::Template;
use axum::Form;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::domain::ids::claimed_home;
use crate::domain::staff::Role;
use crate::http::Api;
use crate::http::compliance::packed;
use crate::http::problem::Problem;
use crate::privacy::audit::page::{BORDERS, Spot, spots};
use crate::privacy::desk::Refusal;
use crate::privacy::desk::view::{ClockView, RowsView};
use crate::store::staff::Grant;

/// The cookie of somebody of the house; another than travellers', and only for these pages' own
/// requests.
const COOKIE_NAME: &str = "__Host-meridian-staff";
/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 128;
/// Seconds that a browser keeps it.
const KEPT_SECONDS: u32 = 8 * 60 * 60;

/// The routes of the console.
pub fn pages() -> Router<Api> {
    Router::new()
        .route("/console", get(enter))
        .route("/console/log-in", post(log_in))
        .route("/console/log-out", post(log_out))
        .route("/console/compliance", get(overview))
        .route("/console/compliance/traveller", get(traveller))
        .route("/console/compliance/bundle", get(bundle))
        .route("/console/console.css", get(style))
}

async fn style() -> Response {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=60")];
    (headers, include_str!("console/console.css")).into_response()
}

#[derive(Template)]
#[template(path = "web/console/enter.html")]
struct Enter<'a> {
    region: &'a str,
    wrong: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "web/console/overview.html")]
struct Overview<'a> {
    region: &'a str,
    law: &'a str,
    label: &'a str,
    borders: &'a str,
    spots: Vec<Spot>,
    looked_at: Option<String>,
    violations: i64,
    controls: Vec<Line>,
    findings: Vec<Line>,
    tables: Vec<Line>,
    requests: Vec<ClockView>,
}

/// A line of a table: its cells, and whether it is bad news.
struct Line {
    cells: Vec<String>,
    bad: bool,
}

#[derive(Template)]
#[template(path = "web/console/traveller.html")]
struct Traveller<'a> {
    region: &'a str,
    shown: Option<&'a RowsView>,
    held: Vec<Line>,
    moves: Vec<Line>,
    wrong: Option<&'a str>,
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    let text = page.render().expect("the pages are part of the build");
    let headers =
        [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "private, no-store")];
    (status, headers, text).into_response()
}

fn token(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
        .map(str::to_owned)
        .filter(|token| token.len() <= TOKEN_BYTES_MAX)
}

fn cookie(token: &str, seconds: u32) -> HeaderValue {
    let attributes = "Path=/; Secure; HttpOnly; SameSite=Strict";
    let text = format!("{COOKIE_NAME}={token}; {attributes}; Max-Age={seconds}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The page that asks for a token, with what was wrong with the last one.
fn ask(api: &Api, status: StatusCode, wrong: Option<&str>) -> Response {
    html(status, &Enter { region: &api.region.name, wrong })
}

/// Who asks; the page that asks for a token, if nobody does who may.
async fn who(api: &Api, headers: &HeaderMap) -> Result<Grant, Box<Response>> {
    let Some(token) = token(headers) else {
        return Err(Box::new(ask(api, StatusCode::UNAUTHORIZED, None)));
    };
    match api.desk.who(&token, &[Role::Compliance]).await {
        Ok(grant) => Ok(grant),
        Err(Refusal::Unknown) => {
            let wrong = "This token opens nothing here, or no longer.";
            Err(Box::new(ask(api, StatusCode::UNAUTHORIZED, Some(wrong))))
        }
        Err(Refusal::OtherRole(_)) => {
            let wrong = "These pages need the role compliance. That you tried was written down.";
            Err(Box::new(ask(api, StatusCode::FORBIDDEN, Some(wrong))))
        }
        Err(refusal) => Err(Box::new(Problem::from(refusal).into_response())),
    }
}

async fn enter(State(api): State<Api>) -> Response {
    ask(&api, StatusCode::OK, None)
}

#[derive(Deserialize)]
struct LogIn {
    token: String,
}

async fn log_in(State(api): State<Api>, Form(form): Form<LogIn>) -> Response {
    let text = form.token.trim();
    let plain = text.len() <= TOKEN_BYTES_MAX
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it));
    if !plain {
        return ask(&api, StatusCode::UNAUTHORIZED, Some("That is no token."));
    }
    if let Some(home) = claimed_home(&api.registry, text).filter(|home| *home != api.region) {
        let wrong = format!("This token is of {home}; go to {}/console", home.endpoints.api);
        return ask(&api, StatusCode::MISDIRECTED_REQUEST, Some(&wrong));
    }
    if api.desk.who(text, &[Role::Compliance]).await.is_err() {
        let wrong = "This token opens nothing here.";
        return ask(&api, StatusCode::UNAUTHORIZED, Some(wrong));
    }
    let headers = [(SET_COOKIE, cookie(text, KEPT_SECONDS))];
    (headers, Redirect::to("/console/compliance")).into_response()
}

async fn log_out() -> Response {
    ([(SET_COOKIE, cookie("", 0))], Redirect::to("/console")).into_response()
}

fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The lines of a list in what was found.
fn lines(found: &Value, list: &str, columns: &[&str], bad: impl Fn(&Value) -> bool) -> Vec<Line> {
    let all = found[list].as_array().map_or(&[][..], Vec::as_slice);
    let line = |it: &Value| Line {
        cells: columns.iter().map(|column| text(it, column)).collect(),
        bad: bad(it),
    };
    all.iter().map(line).collect()
}

/// Where rows are, the verdicts, and what was asked under the law.
async fn overview(State(api): State<Api>, headers: HeaderMap) -> Response {
    let grant = match who(&api, &headers).await {
        Ok(grant) => grant,
        Err(answer) => return *answer,
    };
    let (verdict, requests) = match (api.desk.verdict().await, api.desk.requests().await) {
        (Ok(verdict), Ok(requests)) => (verdict, requests),
        (Err(refusal), _) | (_, Err(refusal)) => return Problem::from(refusal).into_response(),
    };
    let found = verdict.as_ref().map_or(Value::Null, |it| it.body.clone());
    let rows: i64 = found["tables"]
        .as_object()
        .map_or(0, |tables| tables.values().filter_map(|it| it["rows"].as_i64()).sum());
    let violations = verdict.as_ref().map_or(0, |it| it.violations);
    let findings =
        lines(&found, "violations", &["control", "table", "region", "what", "why"], |_| true);
    let here = |locality: &str| match locality == api.region.locality {
        true => (rows, findings.len()),
        false => (0, 0),
    };
    let mut tables: Vec<Line> = Vec::new();
    for (name, about) in found["tables"].as_object().into_iter().flatten() {
        let cells = vec![name.clone(), text(about, "rows"), text(about, "promised")];
        tables.push(Line { cells, bad: false });
    }
    let spots = spots(api.registry, here);
    let page = Overview {
        region: &api.region.name,
        law: &api.registry.jurisdiction(api.region).law,
        label: &grant.label,
        borders: &BORDERS,
        spots,
        looked_at: verdict.as_ref().map(|it| it.taken_at.to_string()),
        violations,
        controls: lines(&found, "controls", &["control", "says", "verdict", "because"], |it| {
            it["verdict"] == "violated"
        }),
        findings,
        tables,
        requests: requests.into_iter().map(ClockView::from).collect(),
    };
    html(StatusCode::OK, &page)
}

#[derive(Deserialize)]
struct Wanted {
    id: Option<String>,
}

/// Where one traveller's rows are.
async fn traveller(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Response {
    let grant = match who(&api, &headers).await {
        Ok(grant) => grant,
        Err(answer) => return *answer,
    };
    let region = &api.region.name;
    let nothing = |status, wrong: Option<&str>| {
        let (held, moves) = (Vec::new(), Vec::new());
        html(status, &Traveller { region, shown: None, held, moves, wrong })
    };
    let Some(id) = wanted.id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()) else {
        return nothing(StatusCode::OK, None);
    };
    let shown = match api.desk.traveller(&grant, &id).await {
        Ok(shown) => RowsView::from(shown),
        Err(Refusal::NotFound) => {
            return nothing(StatusCode::NOT_FOUND, Some("There is no such traveller here."));
        }
        Err(Refusal::OtherRegion(home)) => {
            let wrong = format!("At home in {home}; that you asked was written down.");
            return nothing(StatusCode::FORBIDDEN, Some(&wrong));
        }
        Err(refusal) => return Problem::from(refusal).into_response(),
    };
    let held = serde_json::json!({ "held": shown.held });
    let held = lines(&held, "held", &["table", "rows", "place"], |it| it["at_home"] == false);
    let moves = shown.moves.as_array().into_iter().flatten();
    let moves = moves
        .map(|it| {
            let cells = it.as_array().into_iter().flatten();
            let cells = cells.map(|cell| cell.as_str().unwrap_or("-").to_owned()).collect();
            Line { cells, bad: false }
        })
        .collect();
    let page = Traveller { region, shown: Some(&shown), held, moves, wrong: None };
    html(StatusCode::OK, &page)
}

/// A signed bundle of this region.
async fn bundle(State(api): State<Api>, headers: HeaderMap) -> Response {
    let grant = match who(&api, &headers).await {
        Ok(grant) => grant,
        Err(answer) => return *answer,
    };
    match api.desk.bundle(&grant).await {
        Ok(bytes) => packed(&api, bytes),
        Err(refusal) => Problem::from(refusal).into_response(),
    }
}
