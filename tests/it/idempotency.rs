//! A client that asks again gets the same answer, and nothing is done twice.

use std::time::Duration;

use meridian::clock::Deadline;
use meridian::orders::idempotency;
use meridian::store::Tx;
use serde_json::json;

use crate::asker::{Answer, Person, an_offer, hold, id, instant, new_key};
use crate::lab::{Lab, PATIENCE, connect, count, sql};

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_returns_the_same_bytes() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let (key, body) = (new_key(), instant(&an_offer(&lab).await, "Lovelace", "tok_visa"));
    let first = ada.book(&key, &body).await.is(202);
    assert_eq!(first.header("idempotent-replayed"), None);
    ada.wait(&id(&first), "ticketed").await;
    // Quoted, as the draft writes it, and with the fields in another order.
    let text = serde_json::to_string_pretty(&body).unwrap();
    for key in [key.clone(), format!("\"{key}\"")] {
        let request = ada
            .http
            .post(format!("{}/v1/orders", ada.url))
            .bearer_auth(&ada.token)
            .header("idempotency-key", key)
            .header("content-type", "application/json; charset=utf-8")
            .body(text.clone());
        let again = Answer::of(request).await.is(202);
        assert_eq!(again.bytes, first.bytes);
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
    }
    assert_eq!(lab.journal("authorize").await, 1);
    assert_eq!(lab.seats().await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_still_works_after_the_offer_has_expired() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let (key, body) = (new_key(), hold(&an_offer(&lab).await));
    let first = ada.book(&key, &body).await.is(202);
    lab.world.clock.advance(Duration::from_secs(3600));
    let again = ada.book(&key, &body).await.is(202);
    assert_eq!(again.bytes, first.bytes);
    ada.book(&new_key(), &body).await.refuses(410, "offer_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_11_another_body_under_the_same_key_is_refused() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let (key, offer) = (new_key(), an_offer(&lab).await);
    ada.book(&key, &hold(&offer)).await.is(202);
    let other = instant(&offer, "Lovelace", "tok_visa");
    ada.book(&key, &other).await.refuses(422, "idempotency_mismatch");
    assert_eq!(count(&lab.database, "SELECT count(*) FROM orders").await, 1);
    // Another traveller's key of the same text is another key.
    let eve = Person::berliner(&lab).await;
    eve.book(&key, &hold(&offer)).await.is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_10_fifty_at_once_under_one_key_make_one_order() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let (key, body) = (new_key(), instant(&an_offer(&lab).await, "Lovelace", "tok_visa"));
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let (ada, key, body) = (ada.clone(), key.clone(), body.clone());
            tokio::spawn(async move { ada.book(&key, &body).await })
        })
        .collect();
    let mut bytes = Vec::new();
    for one in tries {
        bytes.push(one.await.unwrap().is(202).bytes);
    }
    assert!(bytes.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(count(&lab.database, "SELECT count(*) FROM orders").await, 1);
    let (held, sold) = lab.seats().await;
    assert_eq!(held + sold, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_and_malformed_keys_are_told_apart() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let body = hold(&an_offer(&lab).await);
    let url = format!("{}/v1/orders", ada.url);
    let request = ada.http.post(&url).bearer_auth(&ada.token).json(&body);
    Answer::of(request).await.refuses(400, "idempotency_key_missing");
    for key in
        ["short", "with spaces in the middle of it", &"x".repeat(256), "\"unfinished-quote-1"]
    {
        ada.book(key, &body).await.refuses(400, "idempotency_key_invalid");
    }
    let twice = ada.http.post(&url).bearer_auth(&ada.token).json(&body);
    let twice = twice.header("idempotency-key", new_key()).header("idempotency-key", new_key());
    Answer::of(twice).await.refuses(400, "idempotency_key_invalid");
    assert_eq!(count(&lab.database, "SELECT count(*) FROM orders").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answers_bytes_go_when_its_order_has_rested_and_its_key_stays_for_thirty_days() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let offer = an_offer(&lab).await;
    let (key, body) = (new_key(), instant(&offer, "Lovelace", "tok_visa"));
    let first = ada.book(&key, &body).await.is(202);
    ada.wait(&id(&first), "ticketed").await;
    let (waits, held) = (new_key(), hold(&offer));
    let second = ada.book(&waits, &held).await.is(202);
    ada.wait(&id(&second), "held").await;
    let kept = async |body: &str| {
        let text = format!("SELECT count(*) FROM idempotency_key WHERE {body}");
        count(&lab.database, &text).await
    };
    let aged = async |hours: u64| {
        let text = format!(
            "UPDATE idempotency_key SET body_until = body_until - interval '{hours} hours',
                 expires_at = expires_at - interval '{hours} hours'"
        );
        sql(&lab.database, &text).await;
        let text = format!("UPDATE orders SET updated_at = updated_at - interval '{hours} hours'");
        sql(&lab.database, &text).await;
    };
    aged(23).await;
    sweep(&lab).await;
    assert_eq!(kept("body <> ''").await, 2, "a day is not over");
    aged(2).await;
    sweep(&lab).await;
    assert_eq!(kept("body <> ''").await, 1, "an order that may still move keeps its answer");
    assert_eq!(ada.book(&waits, &held).await.is(202).bytes, second.bytes);
    let late = ada.book(&key, &body).await.refuses(409, "already_created");
    assert_eq!(late.header("location"), first.header("location"));
    ada.book(&key, &held).await.refuses(422, "idempotency_mismatch");
    aged(30 * 24).await;
    sweep(&lab).await;
    assert_eq!(kept("true").await, 1, "the key of an order at rest is forgotten");
    assert_eq!(count(&lab.database, "SELECT count(*) FROM orders").await, 2);
}

/// What the worker does once in a while.
async fn sweep(lab: &Lab) {
    let api = &lab.running("eu-central").api;
    let (store, home) = (&api.store, api.region);
    let deadline = || Deadline::after(PATIENCE);
    let moving = idempotency::moving();
    let blank = |tx: Tx| {
        let moving = moving.clone();
        async move { tx.idempotency_blank(home, &moving).await }
    };
    store.transact("idempotency_blank", deadline(), blank).await.unwrap();
    let purge = |tx: Tx| async move { tx.idempotency_purge(home).await };
    store.transact("idempotency_purge", deadline(), purge).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a story stands in somebody's way")]
async fn a_key_whose_request_is_not_done_yet_is_in_flight() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let (key, body) = (new_key(), hold(&an_offer(&lab).await));
    let first = ada.book(&key, &body).await.is(202);
    // The same key once more, in a transaction that takes its time to take it back.
    let mut client = connect(&lab.database).await;
    let slow = client.transaction().await.unwrap();
    slow.execute("DELETE FROM idempotency_key", &[]).await.unwrap();
    let told = ada.book(&key, &body).await.refuses(409, "idempotency_in_flight");
    assert_eq!(told.header("retry-after"), Some("1"));
    assert_eq!(told.json()["retryable"], true);
    slow.rollback().await.unwrap();
    assert_eq!(ada.book(&key, &body).await.is(202).bytes, first.bytes);
    assert_eq!(count(&lab.database, "SELECT count(*) FROM orders").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_good_is_what_its_key_stands_for_and_a_passing_one_is_not() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let order = id(&ada.book(&new_key(), &hold(&an_offer(&lab).await)).await.is(202));
    let (key, pay) = (new_key(), json!({"order_id": order, "payment": {"token": "tok_visa"}}));
    // Not held yet: an order in the wrong state says so, and says the same for ever.
    let first = ada.post("/v1/payments", &key, &pay).await.refuses(409, "order_state_conflict");
    sql(&lab.database, "UPDATE orders SET state = 'held'").await;
    let again = ada.post("/v1/payments", &key, &pay).await.refuses(409, "order_state_conflict");
    assert_eq!((&again.bytes, again.header("idempotent-replayed")), (&first.bytes, Some("true")));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!(again.header("cache-control"), first.header("cache-control"));
    let other = json!({"order_id": order, "payment": {"token": "tok_amex"}});
    ada.post("/v1/payments", &key, &other).await.refuses(422, "idempotency_mismatch");
    ada.post("/v1/payments", &new_key(), &pay).await.is(202);
    // While that payment is under way others are told to wait, which their keys do not stand for.
    let waits = new_key();
    ada.post("/v1/payments", &waits, &pay).await.refuses(409, "order_state_conflict");
    sql(&lab.database, "UPDATE orders SET payment_token = NULL").await;
    ada.post("/v1/payments", &waits, &pay).await.is(202);
}
