//! Paying for a held order.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Api;
use super::auth::Traveller;
use super::body::{Data, IdempotencyKey, Strict};
use super::orders::{PaymentMethod, request, settle};
use super::problem::{Problem, ProblemDetails};
use crate::orders::view::OrderView;
use crate::store::uncut;

/// A payment for a held order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPayment {
    /// Which order.
    order_id: String,
    /// What pays.
    payment: PaymentMethod,
}

/// Pays for a held order before its `payment_required_by`.
#[utoipa::path(post, path = "/v1/payments", tag = "orders", request_body = NewPayment,
    params(("idempotency-key" = String, Header, description = "One UUID for each payment")),
    responses((status = 202, body = Data<OrderView>), (status = 404, body = ProblemDetails),
        (status = 409, body = ProblemDetails), (status = 410, body = ProblemDetails)))]
pub async fn pay(
    State(api): State<Api>,
    IdempotencyKey(key): IdempotencyKey,
    traveller: Traveller,
    Strict { value, raw }: Strict<NewPayment>,
) -> Result<Response, Problem> {
    let order = api.id_here(&value.order_id)?;
    let token = value.payment.token("/payment/token")?;
    let request = request(&key, "POST /v1/payments", None, &raw);
    let work = async move {
        let done = api.orders.pay(&traveller.asker(), &request, order, token).await;
        settle(&api, &traveller, &request, done).await
    };
    uncut(work).await
}
