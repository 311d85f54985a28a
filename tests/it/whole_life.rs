//! The whole life of an order: what happens on the way that is not the straight one.

use reqwest::Client;
use serde_json::{Value, json};

use crate::asker::{Person, an_offer, id, instant, new_key};
use crate::lab::{Lab, connect, count, sql};

async fn book(lab: &Lab, ada: &Person, name: &str, token: &str) -> String {
    let body = instant(&an_offer(lab).await, name, token);
    id(&ada.book(&new_key(), &body).await.is(202))
}

/// The kinds of an order's events, one behind the other.
async fn history(ada: &Person, order: &str) -> String {
    ada.events(order).await.join(" ")
}

async fn money(lab: &Lab) -> Vec<Value> {
    lab.books().await["money"].as_object().unwrap().values().cloned().collect()
}

/// What the cardholder does on their bank's page, for the only order that waits for it.
#[expect(clippy::disallowed_methods, reason = "a story looks beside the store")]
pub(crate) async fn answer_the_bank(lab: &Lab) {
    let waiting = "SELECT reference FROM order_payment WHERE state = 'action_required'";
    let client = connect(&lab.database).await;
    let reference: String = client.query_one(waiting, &[]).await.unwrap().get(0);
    let page = format!("{}/sandbox/authorizations/{reference}/complete", lab.suppliers);
    let proof = Client::new().post(page).json(&json!({ "outcome": "ok" }));
    assert!(proof.send().await.unwrap().status().is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cardholder_proves_who_they_are_and_is_ticketed() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let order = book(&lab, &ada, "Lovelace", "tok_3ds").await;
    let seen = ada.wait(&order, "awaiting_customer").await;
    assert!(seen["payment_action_url"].as_str().unwrap().starts_with("http"), "{seen}");
    assert_eq!(
        (&seen["charged"], &seen["payments"][0]["state"]),
        (&json!("no"), &json!("action_required"))
    );
    answer_the_bank(&lab).await;
    let seen = ada.wait(&order, "ticketed").await;
    assert_eq!((&seen["charged"], &seen["payment_action_url"]), (&json!("yes"), &Value::Null));
    assert_eq!(seen["payments"][0]["captured"], seen["total"]);
    assert_eq!(lab.journal("authorize").await, 1);
    assert_eq!(lab.seats().await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_prove_it_is_not_charged_and_holds_no_seat() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let failing = book(&lab, &ada, "Lovelace", "tok_3ds_fail").await;
    ada.wait(&failing, "awaiting_customer").await;
    answer_the_bank(&lab).await;
    let seen = ada.wait(&failing, "failed").await;
    assert_eq!(
        (&seen["failure"], &seen["charged"]),
        (&json!("authentication_failed"), &json!("no"))
    );

    // And who never comes: the question is closed at the provider after a quarter of an hour.
    let absent = book(&lab, &ada, "Lovelace", "tok_3ds").await;
    ada.wait(&absent, "awaiting_customer").await;
    sql(
        &lab.database,
        "UPDATE orders SET updated_at = now() - interval '16 minutes', due_at = now()
         WHERE state = 'awaiting_customer'",
    )
    .await;
    assert_eq!(ada.wait(&absent, "failed").await["failure"], "authentication_expired");
    assert_eq!(lab.seats().await, (0, 0));
    assert!(money(&lab).await.iter().all(|it| it["captured"] == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_cannot_be_taken_is_tried_again_and_then_the_booking_is_undone() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let late = book(&lab, &ada, "Lovelace", "tok_capture_fail_once").await;
    ada.wait(&late, "ticketed").await;
    assert!(history(&ada, &late).await.contains("payment.capture_failed payment.captured"));
    let never = book(&lab, &ada, "Lovelace", "tok_capture_fail").await;
    let seen = ada.wait(&never, "failed").await;
    assert_eq!((&seen["failure"], &seen["charged"]), (&json!("capture_failed"), &json!("no")));
    assert_eq!(lab.seats().await, (0, 1), "only the first one flies");
    assert!(money(&lab).await.iter().all(|it| it["status"] != "reserved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_that_are_never_issued_give_the_money_back() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let late = book(&lab, &ada, "TICKETFAILONCE", "tok_visa").await;
    ada.wait(&late, "ticketed").await;
    assert!(history(&ada, &late).await.contains("ticket.failed ticket.issued"));
    let never = book(&lab, &ada, "TICKETFAIL", "tok_visa").await;
    let seen = ada.wait(&never, "refunded").await;
    assert_eq!((&seen["failure"], &seen["charged"]), (&json!("ticketing_failed"), &json!("no")));
    assert_eq!(seen["payments"][0]["refunded"], seen["total"]);
    assert_eq!((lab.journal("refund").await, lab.seats().await), (1, (0, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_moved_at_booking_is_told_and_nothing_is_charged() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let order = book(&lab, &ada, "PRICECHANGE", "tok_visa").await;
    let seen = ada.wait(&order, "failed").await;
    assert_eq!((&seen["failure"], &seen["charged"]), (&json!("price_changed"), &json!("no")));
    let amount = |it: &Value| it["amount_minor"].as_i64().unwrap();
    assert!(amount(&seen["price_change"]["new_total"]) > amount(&seen["total"]), "{seen}");
    assert_eq!(lab.seats().await, (0, 0));
    assert!(money(&lab).await.iter().all(|it| it["captured"] == 0 && it["status"] == "voided"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_airline_that_works_on_it_is_waited_for() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let made = book(&lab, &ada, "SLOWAIRLINE", "tok_visa").await;
    ada.wait(&made, "ticketed").await;
    assert!(history(&ada, &made).await.contains("order.confirming order.confirmed"));
    let refused = book(&lab, &ada, "SLOWSOLDOUT", "tok_visa").await;
    assert_eq!(ada.wait(&refused, "failed").await["failure"], "sold_out");
    assert_eq!(lab.seats().await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_airlines_own_change_is_shown_and_a_journey_ends_and_is_forgotten() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let order = book(&lab, &ada, "SCHEDULECHANGE", "tok_visa").await;
    let seen = ada.wait(&order, "disrupted").await;
    let moved = &seen["airline_change"]["slices"][0]["segments"][0]["departs"];
    assert_ne!(moved, &seen["itinerary"]["slices"][0]["segments"][0]["departs"]);
    assert!(moved.is_string(), "{seen}");

    let over = "UPDATE orders SET due_at = now(), flown_at = now() - interval";
    sql(&lab.database, &format!("{over} '1 second'")).await;
    ada.wait(&order, "completed").await;
    assert_eq!(count(&lab.database, "SELECT count(*) FROM order_passenger").await, 1);
    sql(&lab.database, &format!("{over} '11 years'")).await;
    let seen = ada.wait(&order, "anonymised").await;
    assert_eq!((&seen["booking_reference"], &seen["documents"]), (&Value::Null, &json!([])));
    assert_eq!(count(&lab.database, "SELECT count(*) FROM order_passenger").await, 0);
}
