//! Lives of an order that lead to every crash point, and how each of them ends. A node's death
//! changes nothing about the end: neither the events nor what the other companies did.

use std::time::Duration;

use serde_json::{Value, json};

use super::Scene;
use crate::asker::{Person, an_offer, id, instant, new_key};
use crate::changes::by_price;
use crate::whole_life::answer_the_bank;

/// What other companies do that must happen exactly as often as it should.
pub(super) const DEEDS: [&str; 10] = [
    "authorize",
    "book",
    "confirm",
    "capture",
    "tickets",
    "change",
    "accept_change",
    "cancel",
    "void",
    "refund",
];

/// The events of an order that is booked, paid and ticketed.
const TICKETED: &str =
    "order.requested payment.authorized order.confirmed payment.captured ticket.issued";

/// A life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Story {
    /// Booked, paid, ticketed.
    Paid,
    /// The provider does not answer the first time.
    ProviderIsAway,
    /// The order is there, and its node was dead before.
    TakenOver,
    /// The client asks again when the offer has long expired.
    AskedAgainMuchLater,
    /// The cardholder proves who they are.
    CardholderComes,
    /// Nobody proves anything.
    CardholderStaysAway,
    /// Ticketed, and the airline moves the flight.
    AirlineMoves,
    /// Held, paid later, ticketed.
    HeldAndPaid,
    /// Held, and nobody pays.
    HeldAndForgotten,
    /// The airline refuses.
    SoldOut,
    /// The airline says nothing for a day.
    AirlineIsSilent,
    /// Ticketed, and the traveller takes what the airline changed.
    AirlineMovesAndIsFollowed,
    /// Ticketed, cancelled, paid back.
    Cancelled,
    /// Ticketed, and another flight that costs more.
    Changed,
    /// Ticketed, and paid for once more.
    PaidTwice,
}

/// How a life ends.
pub(super) struct End {
    pub(super) state: &'static str,
    pub(super) events: String,
    /// Of [`DEEDS`], each as often as it is done.
    pub(super) done: String,
}

impl Story {
    /// Lives it; the order's id.
    pub(super) async fn play(self, scene: &mut Scene) -> String {
        match self {
            Self::Paid => scene.book_now("Lovelace", "tok_visa").await,
            Self::ProviderIsAway => {
                scene.lab.fault("authorize", "unavailable", 1).await;
                scene.book_now("Lovelace", "tok_visa").await
            }
            Self::TakenOver => scene.waiting.clone().expect("booked before"),
            Self::AskedAgainMuchLater => asked_again_much_later(scene).await,
            Self::CardholderComes => {
                let order = scene.book_now("Lovelace", "tok_3ds").await;
                scene.wait("awaiting_customer").await;
                answer_the_bank(&scene.lab).await;
                order
            }
            Self::CardholderStaysAway => {
                let order = scene.book_now("Lovelace", "tok_3ds").await;
                scene.wait("awaiting_customer").await;
                let later = "updated_at = now() - interval '16 minutes'";
                scene.later("awaiting_customer", later).await;
                order
            }
            Self::HeldAndPaid => {
                let order = scene.hold().await;
                let (key, pay) =
                    (new_key(), json!({"order_id": order, "payment": {"token": "tok_visa"}}));
                let paying = async |ada: Person| ada.post("/v1/payments", &key, &pay).await;
                scene.ask(paying).await.is(202);
                order
            }
            Self::HeldAndForgotten => {
                let order = scene.hold().await;
                scene.later("held", "payment_required_by = now()").await;
                order
            }
            Self::AirlineMoves => scene.book_now("SCHEDULECHANGE", "tok_visa").await,
            Self::SoldOut => scene.book_now("SOLDOUT", "tok_visa").await,
            Self::AirlineIsSilent => {
                scene.lab.fault("book", "unavailable", 1_000_000).await;
                let order = scene.book_now("Lovelace", "tok_visa").await;
                scene.wait("unknown").await;
                scene.later("unknown", "updated_at = now() - interval '25 hours'").await;
                order
            }
            Self::Cancelled => cancelled(scene).await,
            Self::Changed => changed(scene).await,
            Self::AirlineMovesAndIsFollowed => followed(scene).await,
            Self::PaidTwice => {
                let order = scene.book_now("Lovelace", "tok_visa").await;
                scene.wait("ticketed").await;
                let (key, pay) =
                    (new_key(), json!({"order_id": order, "payment": {"token": "tok_visa"}}));
                let paying = async |ada: Person| ada.post("/v1/payments", &key, &pay).await;
                scene.ask(paying).await.refuses(409, "order_state_conflict");
                order
            }
        }
    }

    pub(super) fn end(self) -> End {
        let paid = |rest: &str, done: &str| {
            let events = format!("{TICKETED}{rest}");
            ("ticketed", events, format!("authorize book capture tickets{done}"))
        };
        let failed = |events: &str, done: &str| ("failed", events.to_owned(), done.to_owned());
        let (state, events, done) = match self {
            Self::Paid
            | Self::PaidTwice
            | Self::ProviderIsAway
            | Self::TakenOver
            | Self::AskedAgainMuchLater => paid("", ""),
            Self::CardholderComes => {
                let (state, events, done) = paid("", "");
                let proved = "order.requested payment.action_required";
                (state, events.replacen("order.requested", proved, 1), done)
            }
            Self::CardholderStaysAway => {
                // A reservation that nobody proved is none.
                failed("order.requested payment.action_required payment.expired", "")
            }
            Self::AirlineMoves => {
                let (_, events, done) = paid(" order.airline_initiated_change_detected", "");
                ("disrupted", events, done)
            }
            Self::AirlineMovesAndIsFollowed => paid(
                " order.airline_initiated_change_detected order.change_accepting \
                 order.change_accepted",
                " accept_change",
            ),
            Self::HeldAndPaid => {
                let (state, events, done) = paid("", " confirm");
                let held = "order.requested order.held payment.requested";
                (state, events.replacen("order.requested", held, 1), done)
            }
            Self::HeldAndForgotten => {
                let events = "order.requested order.held order.expiring order.expired";
                ("expired", events.to_owned(), "book cancel".to_owned())
            }
            Self::SoldOut => failed(
                "order.requested payment.authorized order.creation_failed payment.voided",
                "authorize void",
            ),
            Self::AirlineIsSilent => failed(
                "order.requested payment.authorized order.outcome_unknown order.reconciled \
                 payment.voided",
                "authorize void",
            ),
            Self::Cancelled => {
                let rest = " order.cancellation_quoted order.cancelling order.cancelled \
                            payment.refunded";
                let (_, events, done) = paid(rest, " cancel refund");
                ("refunded", events, done)
            }
            Self::Changed => paid(
                " order.change_quoted order.changing payment.authorized order.changed \
                 payment.captured ticket.issued",
                " authorize change capture tickets",
            ),
        };
        End { state, events, done }
    }
}

async fn cancelled(scene: &mut Scene) -> String {
    let order = scene.book_now("Lovelace", "tok_visa").await;
    scene.wait("ticketed").await;
    let (asking, key) = (new_key(), new_key());
    let ask = async |ada: Person| ada.quote_cancellation_once(&asking, &order).await;
    let quote = scene.ask(ask).await.is(201).data();
    let confirm = async |ada: Person| ada.confirm(&quote, &key, &Value::Null).await;
    scene.ask(confirm).await.is(202);
    order
}

async fn followed(scene: &mut Scene) -> String {
    let order = scene.book_now("SCHEDULECHANGE", "tok_visa").await;
    scene.wait("disrupted").await;
    let path = format!("/v1/orders/{order}/airline-change/accept");
    let (key, seen) = (new_key(), "\"order-5\"");
    let take = async |ada: Person| ada.post_seen(&path, &key, seen, &Value::Null).await;
    scene.ask(take).await.is(202);
    order
}

async fn changed(scene: &mut Scene) -> String {
    let offers = by_price(&scene.lab).await;
    let id_of = |offer: &Value| offer["id"].as_str().unwrap().to_owned();
    let (cheap, dear) = (id_of(&offers[0]), id_of(offers.last().unwrap()));
    let order = scene.book(&instant(&cheap, "Lovelace", "tok_visa")).await;
    scene.wait("ticketed").await;
    let (asking, key) = (new_key(), new_key());
    let ask = async |ada: Person| ada.quote_change_once(&asking, &order, &dear).await;
    let quote = scene.ask(ask).await.is(201).data();
    let pay = json!({ "payment": { "token": "tok_visa" } });
    scene.ask(async |ada: Person| ada.confirm(&quote, &key, &pay).await).await.is(202);
    order
}

async fn asked_again_much_later(scene: &mut Scene) -> String {
    let (key, body) = (new_key(), instant(&an_offer(&scene.lab).await, "Lovelace", "tok_visa"));
    let first = scene.ask(async |ada: Person| ada.book(&key, &body).await).await.is(202);
    scene.wait("ticketed").await;
    scene.lab.world.clock.advance(Duration::from_secs(3600));
    let again = scene.ask(async |ada: Person| ada.book(&key, &body).await).await.is(202);
    assert!(again.bytes == first.bytes, "{}: another answer", scene.point);
    id(&again)
}
