//! An order as its traveller reads it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use crate::domain::ids::{CancellationId, ChangeId, OrderId};
use crate::domain::money::Money;
use crate::domain::order::{OrderKind, State, Trigger};
use crate::domain::payment::{Payment, PaymentState};
use crate::store::orders::{EventRow, NewOrder, OrderRow};
use crate::store::quotes::Quote;

/// What an order's entity tag begins with.
pub const ORDER_TAG: &str = "order-";

/// A booking and where it is in its life.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrderView {
    /// Its id; the second part names its home region.
    #[schema(example = "ord_euc1_0123456789abcdef0123456789abcdef")]
    pub id: String,
    /// Paid now or held.
    pub kind: OrderKind,
    /// Where it is in its life.
    pub state: State,
    /// Rises with every event.
    pub version: i64,
    /// Whether money was taken: `no`, `yes`, or `unknown` while it is under way.
    pub charged: &'static str,
    /// The flights, the cabin and how many fly.
    #[schema(value_type = Object)]
    pub itinerary: Box<RawValue>,
    /// For everybody, everything included.
    #[schema(value_type = Object, example = json!({"amount_minor": 12345, "currency": "EUR"}))]
    pub total: Money,
    /// The airline's record locator.
    pub booking_reference: Option<String>,
    /// Ticket numbers.
    pub documents: Value,
    /// Until when a held order is kept.
    #[schema(value_type = Option<String>)]
    pub payment_required_by: Option<Timestamp>,
    /// Money that was asked for, and how much of it was taken and given back.
    pub payments: Vec<PaymentView>,
    /// Where the cardholder must go before the money is reserved (3-D Secure).
    pub payment_action_url: Option<String>,
    /// The price that the airline named instead, when that is why it came to nothing.
    pub price_change: Option<PriceChange>,
    /// What the airline changed by itself: the flights as they would be.
    #[schema(value_type = Option<Object>)]
    pub airline_change: Option<Value>,
    /// Why it came to nothing, or why the last wish did.
    pub failure: Option<String>,
    /// What the traveller may do now.
    pub available_actions: Vec<&'static str>,
    /// Where it lives.
    pub residency: Residency,
    /// When it was accepted.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When its last event was written.
    #[schema(value_type = String)]
    pub updated_at: Timestamp,
}

/// Another price than the one that was offered.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PriceChange {
    /// What was offered.
    #[schema(value_type = Object)]
    pub old_total: Money,
    /// What the airline asks.
    #[schema(value_type = Object)]
    pub new_total: Money,
    /// The same flights at that price, to be booked without another search; for half an hour.
    pub offer_id: Option<String>,
}

/// Money that was asked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PaymentView {
    /// How far it is.
    pub state: PaymentState,
    /// What was reserved.
    #[schema(value_type = Object)]
    pub amount: Money,
    /// What was taken of it.
    #[schema(value_type = Object)]
    pub captured: Money,
    /// What went back of that.
    #[schema(value_type = Object)]
    pub refunded: Money,
}

/// What cancelling an order gives back, until it expires or the order changes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CancellationView {
    /// Its id.
    #[schema(example = "orc_euc1_0123456789abcdef0123456789abcdef")]
    pub id: String,
    /// The order that it is about.
    pub order_id: String,
    /// The order's tag, which confirming needs as If-Match.
    #[schema(example = "\"order-7\"")]
    pub order_etag: String,
    /// What goes back, to where it came from.
    #[schema(value_type = Object)]
    pub refund: Money,
    /// What the airline keeps.
    #[schema(value_type = Object)]
    pub fee: Money,
    /// When it was asked for.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// Until when it may be confirmed.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
    /// When it was confirmed.
    #[schema(value_type = Option<String>)]
    pub confirmed_at: Option<Timestamp>,
}

/// What flying otherwise costs, until it expires or the order changes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChangeView {
    /// Its id.
    #[schema(example = "och_euc1_0123456789abcdef0123456789abcdef")]
    pub id: String,
    /// The order that it is about.
    pub order_id: String,
    /// The order's tag, which confirming needs as If-Match.
    #[schema(example = "\"order-7\"")]
    pub order_etag: String,
    /// The offer that is flown instead.
    pub offer_id: String,
    /// What is to be paid.
    #[schema(value_type = Object)]
    pub charge: Money,
    /// What goes back, to where it came from.
    #[schema(value_type = Object)]
    pub refund: Money,
    /// What the airline asks for changing; it is within `charge` and `refund`.
    #[schema(value_type = Object)]
    pub fee: Money,
    /// When it was asked for.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// Until when it may be confirmed.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
    /// When it was confirmed.
    #[schema(value_type = Option<String>)]
    pub confirmed_at: Option<Timestamp>,
}

/// Where personal data lives, and why there.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Residency {
    /// The region.
    pub home_region: String,
    /// Why there.
    pub basis: &'static str,
}

/// An order's event.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventView {
    /// 0 and up without a gap.
    pub seq: i64,
    /// Its name.
    #[schema(example = "order.confirmed")]
    pub kind: String,
    /// The state after it.
    pub state: String,
    /// Codes, no names.
    pub body: Value,
    /// When it was written.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
}

impl OrderView {
    /// A new order, before its first row is written.
    pub fn requested(new: &NewOrder) -> Self {
        Self {
            id: new.id.to_string(),
            kind: new.kind,
            state: State::Pending,
            version: 0,
            charged: "no",
            itinerary: to_raw_value(&new.itinerary).expect("JSON is JSON"),
            total: new.total,
            booking_reference: None,
            documents: Value::Array(Vec::new()),
            payment_required_by: None,
            payments: Vec::new(),
            payment_action_url: None,
            price_change: None,
            airline_change: None,
            failure: None,
            available_actions: actions(State::Pending),
            residency: residency(new.id),
            created_at: new.created_at,
            updated_at: new.created_at,
        }
    }
}

impl OrderView {
    /// An order as it is, and the offer at the airline's own price, if there is one.
    pub fn of(row: OrderRow, offer_id: Option<String>) -> Self {
        let currency = row.total.currency;
        let money = |amount_minor| Money { amount_minor, currency };
        let payment = |payment: &Payment| PaymentView {
            state: payment.state,
            amount: money(payment.amount_minor),
            captured: money(payment.captured_minor),
            refunded: money(payment.refunded_minor),
        };
        Self {
            id: row.id.to_string(),
            kind: row.kind,
            state: row.state,
            version: row.version,
            charged: charged(&row),
            payments: row.payments.iter().map(payment).collect(),
            payment_action_url: row.action_url,
            price_change: row.price_change_minor.map(|minor| PriceChange {
                old_total: row.total,
                new_total: money(minor),
                offer_id,
            }),
            airline_change: row.disruption.map(|mut change| change["itinerary"].take()),
            itinerary: row.itinerary,
            total: row.total,
            booking_reference: row.booking_reference,
            documents: row.documents.unwrap_or_else(|| Value::Array(Vec::new())),
            payment_required_by: row.payment_required_by,
            failure: row.failure,
            available_actions: if row.paying { Vec::new() } else { actions(row.state) },
            residency: residency(row.id),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<Quote> for CancellationView {
    fn from(quote: Quote) -> Self {
        let money = |amount_minor| Money { amount_minor, currency: quote.currency };
        Self {
            id: CancellationId::from_parts(quote.order.home(), quote.id).to_string(),
            order_id: quote.order.to_string(),
            order_etag: order_etag(quote.order_version),
            refund: money(quote.refund_minor),
            fee: money(quote.fee_minor),
            created_at: quote.created_at,
            expires_at: quote.expires_at,
            confirmed_at: quote.confirmed_at,
        }
    }
}

impl From<Quote> for ChangeView {
    fn from(quote: Quote) -> Self {
        let money = |amount_minor| Money { amount_minor, currency: quote.currency };
        Self {
            id: ChangeId::from_parts(quote.order.home(), quote.id).to_string(),
            order_id: quote.order.to_string(),
            order_etag: order_etag(quote.order_version),
            offer_id: quote.offer.unwrap_or_default(),
            charge: money(quote.charge_minor),
            refund: money(quote.refund_minor),
            fee: money(quote.fee_minor),
            created_at: quote.created_at,
            expires_at: quote.expires_at,
            confirmed_at: quote.confirmed_at,
        }
    }
}

/// The entity tag of an order in a version (RFC 9110 section 8.8.3).
pub fn order_etag(version: i64) -> String {
    format!("\"{ORDER_TAG}{version}\"")
}

impl From<EventRow> for EventView {
    fn from(row: EventRow) -> Self {
        let EventRow { seq, kind, state, body, created_at } = row;
        Self { seq, kind, state, body, created_at }
    }
}

fn residency(id: OrderId) -> Residency {
    Residency { home_region: id.home().name.clone(), basis: "declared country of residence" }
}

fn actions(state: State) -> Vec<&'static str> {
    [
        (Trigger::PaymentRequested, "pay"),
        (Trigger::CancelRequested, "cancel"),
        (Trigger::ChangeRequested, "change"),
        (Trigger::ChangeAccepted, "accept_airline_change"),
    ]
    .into_iter()
    .filter(|(trigger, _)| state.on(*trigger).is_some())
    .map(|(_, action)| action)
    .collect()
}

/// Reserved is not charged; between asking for the money and hearing of it, nobody knows.
fn charged(row: &OrderRow) -> &'static str {
    let taken = row.payments.iter().any(|payment| payment.left_minor() > 0);
    let reserved = row.payments.iter().any(|payment| payment.state == PaymentState::Reserved);
    let asked = match row.state {
        State::Confirmed | State::PaymentRetry | State::Settling | State::ManualReview => true,
        // A capture was under way when the traveller cancelled, perhaps.
        State::Cancelling | State::Voiding => row.failure.is_none(),
        _ => false,
    };
    match (taken, reserved && asked) {
        (true, _) => "yes",
        (false, true) => "unknown",
        (false, false) => "no",
    }
}
