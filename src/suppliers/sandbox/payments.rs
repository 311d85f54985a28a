//! The sandbox's payment provider.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::books::{Books, Company, Reply};
use super::{Body, Call, Sandbox, Silence, answer, illegal, malformed, not_found, ok, refused};
use crate::domain::money::{Currency, Money};

/// How long reserved money stays reserved, as for most cards.
const RESERVED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Money on a card.
pub(super) struct Account {
    pub(super) key: String,
    token: String,
    currency: Currency,
    amount: i64,
    captured: i64,
    refunded: i64,
    voided: i64,
    captures: u64,
    capture_before: Timestamp,
    action_url: String,
    status: Status,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    RequiresAction,
    Failed,
    Reserved,
    Captured,
    Voided,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authorize {
    amount_minor: i64,
    currency: Currency,
    token: String,
    #[serde(rename = "callback_url")]
    _callback_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Complete {
    outcome: Proof,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Proof {
    Ok,
    Failed,
}

pub(super) fn routes() -> Router<Sandbox> {
    Router::new()
        .route("/payments/v1/authorizations", post(authorize))
        .route("/payments/v1/authorizations/close", post(close))
        .route("/payments/v1/authorizations/{id}", get(authorization))
        .route("/payments/v1/authorizations/{id}/capture", post(capture))
        .route("/payments/v1/authorizations/{id}/void", post(void))
        .route("/payments/v1/authorizations/{id}/refund", post(refund))
        .route("/sandbox/authorizations/{id}", get(page))
        .route("/sandbox/authorizations/{id}/complete", post(complete))
}

impl Account {
    fn status(&self, now: Timestamp) -> &'static str {
        match self.status {
            Status::RequiresAction => "requires_action",
            Status::Failed => "failed",
            Status::Reserved if now >= self.capture_before => "expired",
            Status::Reserved => "reserved",
            Status::Captured => "captured",
            Status::Voided => "voided",
        }
    }

    fn view(&self, id: &str, now: Timestamp) -> Value {
        let action = (self.status == Status::RequiresAction).then_some(&self.action_url);
        json!({
            "id": id, "status": self.status(now), "amount_minor": self.amount,
            "currency": self.currency, "captured_minor": self.captured,
            "refunded_minor": self.refunded, "capture_before": self.capture_before,
            "action_url": action,
        })
    }

    pub(super) fn journal(&self, now: Timestamp) -> Value {
        let proven = !matches!(self.status, Status::RequiresAction | Status::Failed);
        json!({
            "key": self.key, "status": self.status(now), "currency": self.currency,
            "reserved": if proven { self.amount } else { 0 }, "captured": self.captured,
            "refunded": self.refunded, "voided": self.voided,
        })
    }

    fn capture(&mut self, amount: i64, now: Timestamp) -> Result<(), Reply> {
        if self.status != Status::Reserved {
            return Err(illegal());
        }
        if amount > self.amount {
            return Err(amount_invalid());
        }
        self.captures += 1;
        let refuses = match self.token.as_str() {
            "tok_capture_fail" => true,
            "tok_capture_fail_once" => self.captures == 1,
            _ => now >= self.capture_before,
        };
        if refuses {
            return Err(refused(StatusCode::PAYMENT_REQUIRED, "capture_failed"));
        }
        (self.captured, self.status) = (amount, Status::Captured);
        Ok(())
    }

    fn void(&mut self) -> Result<(), Reply> {
        match self.status {
            Status::Captured => return Err(refused(StatusCode::CONFLICT, "already_captured")),
            Status::Reserved => self.voided = self.amount,
            Status::RequiresAction | Status::Failed | Status::Voided => {}
        }
        self.status = Status::Voided;
        Ok(())
    }

    fn refund(&mut self, amount: i64) -> Result<(), Reply> {
        if self.status != Status::Captured {
            return Err(illegal());
        }
        if amount > self.captured - self.refunded {
            return Err(amount_invalid());
        }
        self.refunded += amount;
        Ok(())
    }
}

fn amount_invalid() -> Reply {
    refused(StatusCode::UNPROCESSABLE_ENTITY, "amount_invalid")
}

async fn authorize(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Body) -> Response {
    let call = Call::new(Company::Payments, "authorize", &headers, "", &body.0);
    let Ok(wish) = Authorize::deserialize(&body.0) else { return malformed() };
    // Nobody sends a card's number here, not even by mistake.
    if !wish.token.bytes().any(|b| b.is_ascii_alphabetic()) {
        return malformed();
    }
    let call = match wish.token.as_str() {
        "tok_lost" => call.silent(Silence::Lost, 1),
        _ => call,
    };
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let host = host.to_owned();
    let now = sandbox.clock.now();
    sandbox.act(&call, |books, key| reserve(books, key, wish, &host, now)).await
}

fn reserve(books: &mut Books, key: &str, wish: Authorize, host: &str, now: Timestamp) -> Reply {
    if wish.amount_minor <= 0 {
        return amount_invalid();
    }
    if wish.token == "tok_decline" {
        return refused(StatusCode::PAYMENT_REQUIRED, "declined");
    }
    let id = format!("auth_{:06}", books.next());
    let asks = matches!(wish.token.as_str(), "tok_3ds" | "tok_3ds_fail");
    let account = Account {
        key: key.to_owned(),
        token: wish.token,
        currency: wish.currency,
        amount: wish.amount_minor,
        captured: 0,
        refunded: 0,
        voided: 0,
        captures: 0,
        capture_before: super::whole_seconds(now + RESERVED),
        action_url: format!("http://{host}/sandbox/authorizations/{id}"),
        status: if asks { Status::RequiresAction } else { Status::Reserved },
    };
    let view = account.view(&id, now);
    books.made.insert((Company::Payments, key.to_owned()), id.clone());
    books.accounts.insert(id, account);
    (if asks { StatusCode::ACCEPTED } else { StatusCode::CREATED }, view)
}

async fn authorization(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Response {
    let now = sandbox.clock.now();
    let look = |books: &mut Books| match books.accounts.get(&id) {
        Some(account) => ok(account.view(&id, now)),
        None => not_found(),
    };
    sandbox.read("authorization", &Value::Null, look).await
}

async fn close(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Body) -> Response {
    let call = Call::new(Company::Payments, "close_authorization", &headers, "", &body.0);
    let Some(theirs) = super::key_of(&body.0) else { return malformed() };
    let now = sandbox.clock.now();
    sandbox
        .act(&call, |books, _| {
            let whose = (Company::Payments, theirs.clone());
            let id = books.made.get(&whose).cloned();
            let found = id.and_then(|id| Some((books.accounts.get_mut(&id)?, id)));
            match found {
                Some((account, id))
                    if matches!(account.status, Status::Reserved | Status::Captured) =>
                {
                    return ok(json!({ "stands": true, "authorization": account.view(&id, now) }));
                }
                // A cardholder who comes now comes too late.
                Some((account, _)) if account.status == Status::RequiresAction => {
                    account.status = Status::Voided;
                }
                Some(_) | None => {}
            }
            books.close("authorize", (Company::Payments, &theirs));
            ok(json!({ "stands": false, "authorization": null }))
        })
        .await
}

/// Settles an authorisation: work on it, and its view.
async fn settle(
    sandbox: &Sandbox,
    call: &Call,
    id: &str,
    work: impl FnOnce(&mut Account) -> Result<(), Reply>,
) -> Response {
    let now = sandbox.clock.now();
    sandbox
        .act(call, |books, _| match books.accounts.get_mut(id) {
            None => not_found(),
            Some(account) => match work(account) {
                Ok(()) => ok(account.view(id, now)),
                Err(reply) => reply,
            },
        })
        .await
}

/// The amount that is to move, of the currency that was reserved.
fn amount(account: &Account, money: Money) -> Result<i64, Reply> {
    let fits = money.currency == account.currency && money.amount_minor > 0;
    if fits { Ok(money.amount_minor) } else { Err(amount_invalid()) }
}

async fn capture(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let call = Call::new(Company::Payments, "capture", &headers, &id, &body.0);
    let Ok(money) = Money::deserialize(&body.0) else { return malformed() };
    let now = sandbox.clock.now();
    settle(&sandbox, &call, &id, |account| account.capture(amount(account, money)?, now)).await
}

async fn void(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let call = Call::new(Company::Payments, "void", &headers, &id, &body.0);
    settle(&sandbox, &call, &id, Account::void).await
}

async fn refund(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let call = Call::new(Company::Payments, "refund", &headers, &id, &body.0);
    let Ok(money) = Money::deserialize(&body.0) else { return malformed() };
    settle(&sandbox, &call, &id, |account| account.refund(amount(account, money)?)).await
}

/// What a cardholder sees.
async fn page(Path(id): Path<String>) -> Response {
    if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return StatusCode::NOT_FOUND.into_response();
    }
    Html(include_str!("cardholder.html").replace("{id}", &id)).into_response()
}

/// The cardholder has proved who they are, or not.
async fn complete(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Json(body): Json<Complete>,
) -> Response {
    let now = sandbox.clock.now();
    let mut books = sandbox.lock();
    let Some(account) = books.accounts.get_mut(&id) else {
        return answer(not_found());
    };
    if account.status != Status::RequiresAction {
        return answer(illegal());
    }
    let proven = body.outcome == Proof::Ok && account.token != "tok_3ds_fail";
    account.status = if proven { Status::Reserved } else { Status::Failed };
    let (key, view) = (account.key.clone(), account.view(&id, now));
    let reply = match proven {
        true => (StatusCode::CREATED, view.clone()),
        false => refused(StatusCode::PAYMENT_REQUIRED, "authentication_failed"),
    };
    books.decide((Company::Payments, &key), reply);
    drop(books);
    let kind = if proven { "authorization.reserved" } else { "authorization.failed" };
    sandbox.tell(Company::Payments, kind, &key);
    answer(ok(view))
}
