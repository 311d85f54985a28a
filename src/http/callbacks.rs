//! What other companies tell us by themselves. Anybody who proves to be one of them is heard, and
//! what they say only makes an order be looked at now.

use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::problem::{Code, Problem, ProblemDetails};
use crate::domain::signed_message::{ID, SIGNATURE, Secret, TIMESTAMP, Unproven};
use crate::orders::callbacks::order_of;

/// Something happened at another company.
#[derive(Deserialize, Serialize, ToSchema)]
pub struct Happened {
    /// The company's id of it; the same when it is sent again.
    id: String,
    /// What happened, such as `booking.made`.
    #[serde(rename = "type")]
    kind: String,
    /// The Idempotency-Key of our call that it is about.
    key: String,
}

/// The payment provider tells that something happened. The order is looked at; nothing is believed.
#[utoipa::path(post, path = "/v1/callbacks/payments", tag = "callbacks", request_body = Happened,
    params(
        ("webhook-id" = String, Header, description = "As in Standard Webhooks 1.0.0"),
        ("webhook-timestamp" = String, Header, description = "Seconds since 1970"),
        ("webhook-signature" = String, Header, description = "v1, and a base64 HMAC-SHA-256")),
    responses((status = 204), (status = 400, body = ProblemDetails),
        (status = 401, body = ProblemDetails)))]
pub async fn payments(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let secret = &api.orders.keys.callbacks.payments;
    hear(&api, "payments", secret.as_ref(), &headers, &body).await
}

/// The airlines tell that something happened. The order is looked at; nothing is believed.
#[utoipa::path(post, path = "/v1/callbacks/airline", tag = "callbacks", request_body = Happened,
    params(
        ("webhook-id" = String, Header, description = "As in Standard Webhooks 1.0.0"),
        ("webhook-timestamp" = String, Header, description = "Seconds since 1970"),
        ("webhook-signature" = String, Header, description = "v1, and a base64 HMAC-SHA-256")),
    responses((status = 204), (status = 400, body = ProblemDetails),
        (status = 401, body = ProblemDetails)))]
pub async fn airline(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let secret = &api.orders.keys.callbacks.airline;
    hear(&api, "airline", secret.as_ref(), &headers, &body).await
}

async fn hear(
    api: &Api,
    supplier: &'static str,
    secret: Option<&Secret>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<StatusCode, Problem> {
    let count = |outcome: &'static str| {
        let labels = [("supplier", supplier), ("outcome", outcome)];
        metrics::counter!("meridian_supplier_callbacks_total", &labels).increment(1);
    };
    // Who proves nothing learns nothing, not even whether the rest could be read.
    if let Err(unproven) = prove(api, secret, headers, body) {
        count("unproven");
        tracing::warn!(supplier, %unproven, "a callback was not believed");
        let detail = "sign the callback with the secret of this company, and send it at once";
        return Err(Problem::new(Code::SignatureInvalid, detail));
    }
    let order = serde_json::from_slice(body).ok();
    let order = order.and_then(|happened: Happened| order_of(&happened.key, api.region));
    let Some(order) = order else {
        count("malformed");
        let detail = "send id, type and the key of the call, as /openapi.json describes";
        return Err(Problem::new(Code::Malformed, detail));
    };
    // Also where there is no such order, or nothing to do: a company need not know.
    let useful = api.orders.hint(order).await?;
    count(if useful { "useful" } else { "useless" });
    Ok(StatusCode::NO_CONTENT)
}

fn prove(
    api: &Api,
    secret: Option<&Secret>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Unproven> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(secret), Some(id), Some(sent_at), Some(signatures)) =
        (secret, text(ID), text(TIMESTAMP), text(SIGNATURE))
    else {
        return Err(Unproven::Forged);
    };
    secret.verify(id, sent_at, signatures, body, api.finder.clock.now())
}
