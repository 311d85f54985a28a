//! Booking: instant and hold, the last seat, declined cards, holds that run out, cancelling.

use std::time::Duration;

use serde_json::{Value, json};

use crate::asker::{Person, an_offer, direct_offers, hold, id, instant, new_key};
use crate::lab::{Lab, Plan, count, sql, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_instant_order_is_accepted_paid_and_ticketed() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let accepted = ada.book(&new_key(), &body).await.is(202);
    let order = id(&accepted);
    assert!(order.starts_with("ord_euc1_"));
    assert_eq!(accepted.header("location").unwrap(), format!("/v1/orders/{order}"));
    assert_eq!(accepted.data()["state"], "pending");
    assert_eq!(accepted.data()["charged"], "no");

    let ticketed = ada.wait(&order, "ticketed").await;
    assert_eq!(ticketed["charged"], "yes");
    assert_eq!(ticketed["booking_reference"].as_str().unwrap().len(), 6);
    assert_eq!(ticketed["documents"].as_array().unwrap().len(), 1);
    assert_eq!(ticketed["available_actions"], json!(["cancel", "change"]));
    let events = ada.events(&order).await;
    let path = [
        "order.requested",
        "payment.authorized",
        "order.confirmed",
        "payment.captured",
        "ticket.issued",
    ];
    assert_eq!(events, path);
    assert_eq!(lab.seats().await, (0, 1));
    until("every event has been told, to nobody here", || async {
        count(&lab.database, "SELECT count(*) FROM outbox").await == 0
    })
    .await;
    let list = ada.get("/v1/orders").await.is(200).json();
    assert_eq!(list["data"][0]["id"], order.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_order_is_paid_later() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let order = id(&ada.book(&new_key(), &hold(&an_offer(&lab).await)).await.is(202));
    let held = ada.wait(&order, "held").await;
    assert!(held["payment_required_by"].is_string());
    assert_eq!(held["available_actions"], json!(["pay", "cancel"]));
    assert_eq!(lab.seats().await, (1, 0));

    let pay = |token: &str| json!({"order_id": order, "payment": {"token": token}});
    ada.post("/v1/payments", &new_key(), &pay("tok_decline")).await.is(202);
    until("the decline is written", || async {
        ada.events(&order).await.contains(&"payment.failed".to_owned())
    })
    .await;
    assert_eq!(ada.wait(&order, "held").await["failure"], "payment_declined");
    ada.post("/v1/payments", &new_key(), &pay("tok_visa")).await.is(202);
    let ticketed = ada.wait(&order, "ticketed").await;
    assert_eq!(ticketed["failure"], Value::Null, "a second card has made up for the first");
    assert_eq!((lab.journal("authorize").await, lab.journal("capture").await), (1, 1));
    assert_eq!(lab.seats().await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_payment_is_under_way_nothing_else_is_taken() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let order = id(&ada.book(&new_key(), &hold(&an_offer(&lab).await)).await.is(202));
    ada.wait(&order, "held").await;
    lab.fault("authorize", "lost_reply", 3).await;
    let pay = json!({"order_id": order, "payment": {"token": "tok_visa"}});
    let paying = ada.post("/v1/payments", &new_key(), &pay).await.is(202);
    assert_eq!(paying.data()["available_actions"], json!([]));
    let second = ada.post("/v1/payments", &new_key(), &pay).await;
    assert_eq!(second.refuses(409, "order_state_conflict").json()["charged"], "unknown");
    ada.quote_cancellation(&order).await.refuses(409, "order_state_conflict");
    ada.wait(&order, "ticketed").await;
    assert_eq!((lab.journal("authorize").await, lab.journal("capture").await), (1, 1));
}

/// Leaves one seat on the flight of an offer.
async fn one_seat_left(lab: &Lab, offer: &Value) {
    let segment = &offer["slices"][0]["segments"][0];
    let (flight, day) = (segment["flight"].as_str().unwrap(), &segment["departing_at"]);
    let day = &day.as_str().unwrap()[..10];
    let plant = format!(
        "INSERT INTO inventory VALUES ('eu-central', '{flight}', '{day}', 'economy', 200, 0, 199)"
    );
    sql(&lab.database, &plant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_seat_is_sold_once_to_fifty_rivals() {
    let lab = Lab::start().await;
    let offer = direct_offers(&lab, "FRA", "JFK", 1).await.remove(0);
    one_seat_left(&lab, &offer).await;
    let ada = Person::berliner(&lab).await;
    let body = instant(offer["id"].as_str().unwrap(), "Lovelace", "tok_visa");
    let rivals: Vec<_> = (0..50)
        .map(|_| {
            let (ada, body) = (ada.clone(), body.clone());
            tokio::spawn(async move { ada.book(&new_key(), &body).await })
        })
        .collect();
    let mut accepted = Vec::new();
    for rival in rivals {
        let answer = rival.await.unwrap();
        if answer.status == 202 {
            accepted.push(id(&answer));
        } else {
            let answer = answer.refuses(409, "sold_out");
            assert_eq!(answer.json()["charged"], "no");
        }
    }
    assert_eq!(accepted.len(), 1, "the last seat was sold {} times", accepted.len());
    ada.wait(&accepted[0], "ticketed").await;
    assert_eq!(lab.seats().await, (0, 200));
    assert_eq!(count(&lab.database, "SELECT count(*) FROM orders").await, 1);
    let said = "SELECT count(*) FROM idempotency_key WHERE status = ";
    assert_eq!(count(&lab.database, &format!("{said}202")).await, 1);
    assert_eq!(count(&lab.database, &format!("{said}409")).await, 49, "each no is kept, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_flights_are_held_together_or_not_at_all() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let body = json!({"slices": [
        {"origin": "FRA", "destination": "JFK", "departure_date": crate::asker::day(40)},
        {"origin": "JFK", "destination": "FRA", "departure_date": crate::asker::day(47)},
    ], "max_connections": 0});
    let found = crate::asker::post(&lab, "eu-central", "/v1/offer-requests", &body).await.is(201);
    let offer = &found.data()["offers"][0];
    let back = &offer["slices"][1]["segments"][0];
    let plant = format!(
        "INSERT INTO inventory VALUES ('us-east', '{}', '{}', 'economy', 1, 0, 1)",
        back["flight"].as_str().unwrap(),
        &back["departing_at"].as_str().unwrap()[..10]
    );
    sql(&lab.database, &plant).await;
    let body = instant(offer["id"].as_str().unwrap(), "Lovelace", "tok_visa");
    ada.book(&new_key(), &body).await.refuses(409, "sold_out");
    assert_eq!(lab.seats().await, (0, 1), "the way there was not kept");
    assert_eq!(count(&lab.database, "SELECT count(*) FROM seat_hold").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_frees_the_seat() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_decline");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    let failed = ada.wait(&order, "failed").await;
    assert_eq!(
        (&failed["failure"], &failed["charged"]),
        (&json!("payment_declined"), &json!("no"))
    );
    assert_eq!(ada.events(&order).await, ["order.requested", "payment.failed"]);
    assert_eq!(lab.seats().await, (0, 0));
    assert_eq!(lab.journal("authorize").await, 0);
    let tokens = "SELECT count(*) FROM orders WHERE payment_token IS NOT NULL";
    assert_eq!(count(&lab.database, tokens).await, 0, "a refused token is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_16_an_airline_that_says_no_after_the_money_gives_it_back() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    for (name, reason) in [("SOLDOUT", "sold_out"), ("PRICECHANGE", "price_changed")] {
        let body = instant(&an_offer(&lab).await, name, "tok_visa");
        let order = id(&ada.book(&new_key(), &body).await.is(202));
        let failed = ada.wait(&order, "failed").await;
        assert_eq!((&failed["failure"], &failed["charged"]), (&json!(reason), &json!("no")));
        let path =
            ["order.requested", "payment.authorized", "order.creation_failed", "payment.voided"];
        assert_eq!(ada.events(&order).await, path);
    }
    assert_eq!((lab.journal("authorize").await, lab.journal("void").await), (2, 2));
    assert_eq!(lab.journal("capture").await, 0);
    assert_eq!(lab.seats().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_expires_and_frees_its_seat_once() {
    let lab = Lab::plan(Plan { hold: Duration::from_secs(2), ..Plan::default() }).await;
    let ada = Person::berliner(&lab).await;
    let order = id(&ada.book(&new_key(), &hold(&an_offer(&lab).await)).await.is(202));
    ada.wait(&order, "expired").await;
    let path = ["order.requested", "order.held", "order.expiring", "order.expired"];
    assert_eq!(ada.events(&order).await, path);
    assert_eq!(lab.seats().await, (0, 0));
    assert_eq!(lab.journal("cancel").await, 1, "the airline was told");
    let pay = json!({"order_id": order, "payment": {"token": "tok_visa"}});
    ada.post("/v1/payments", &new_key(), &pay).await.refuses(409, "order_state_conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn paying_too_late_is_refused_before_anything_is_charged() {
    let lab = Lab::plan(Plan { hold: Duration::from_secs(2), ..Plan::default() }).await;
    let ada = Person::berliner(&lab).await;
    let order = id(&ada.book(&new_key(), &hold(&an_offer(&lab).await)).await.is(202));
    ada.wait(&order, "held").await;
    // The node's clock says that the time has passed; the worker's database has not looked yet.
    lab.world.clock.advance(Duration::from_secs(60));
    let pay = json!({"order_id": order, "payment": {"token": "tok_visa"}});
    let late = ada.post("/v1/payments", &new_key(), &pay).await;
    assert!(["hold_expired", "order_state_conflict"].contains(&late.code().as_str()));
    assert_eq!(lab.journal("authorize").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticketed_order_is_cancelled_and_paid_back() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    ada.wait(&order, "ticketed").await;
    let quote = ada.quote_cancellation(&order).await.is(201).data();
    assert_eq!(quote["refund"], ada.wait(&order, "ticketed").await["total"]);
    let key = new_key();
    let first = ada.confirm(&quote, &key, &Value::Null).await.is(202);
    assert_eq!(first.data()["state"], "cancelling");
    ada.wait(&order, "refunded").await;
    let again = ada.confirm(&quote, &key, &Value::Null).await.is(202);
    assert_eq!(again.bytes, first.bytes, "the same answer, although the order has moved on");
    let other = ada.confirm(&quote, &new_key(), &Value::Null).await;
    other.refuses(409, "order_state_conflict");
    ada.quote_cancellation(&order).await.refuses(409, "order_state_conflict");
    assert_eq!((lab.journal("capture").await, lab.journal("refund").await), (1, 1));
    assert_eq!(lab.seats().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_or_touches_the_order_of_another() {
    let lab = Lab::start().await;
    let (ada, eve) = (Person::berliner(&lab).await, Person::berliner(&lab).await);
    let order = id(&ada.book(&new_key(), &hold(&an_offer(&lab).await)).await.is(202));
    ada.wait(&order, "held").await;
    for path in [format!("/v1/orders/{order}"), format!("/v1/orders/{order}/events")] {
        eve.get(&path).await.refuses(404, "not_found");
    }
    eve.quote_cancellation(&order).await.refuses(404, "not_found");
    let quote = ada.quote_cancellation(&order).await.is(201).data();
    let path = format!("/v1/order-cancellations/{}", quote["id"].as_str().unwrap());
    eve.get(&path).await.refuses(404, "not_found");
    eve.confirm(&quote, &new_key(), &Value::Null).await.refuses(404, "not_found");
    let pay = json!({"order_id": order, "payment": {"token": "tok_visa"}});
    eve.post("/v1/payments", &new_key(), &pay).await.refuses(404, "not_found");
    assert_eq!(eve.get("/v1/orders").await.is(200).json()["data"], json!([]));
    let foreign = order.replace("euc1", "use1");
    // An id keeps the home it was made in when its traveller moves: the rest of it decides.
    eve.get(&format!("/v1/orders/{foreign}")).await.refuses(404, "not_found");
    assert_eq!(ada.get(&format!("/v1/orders/{foreign}")).await.is(200).data()["id"], order);
    ada.wait(&order, "held").await;
}
