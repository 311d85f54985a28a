//! A client that asks again gets the same answer, and nothing is done twice.

use std::time::Duration;

use crate::asker::{Answer, Person, an_offer, hold, id, instant, new_key};
use crate::lab::{Lab, count};

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
