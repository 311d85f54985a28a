//! A company fails, asks for time or hangs: it is left alone, carefully asked whether it is back,
//! and nobody else notices.

use std::time::Duration;

use meridian::clock::Clock;
use meridian::suppliers::{Airline, Outcome, PaymentProvider};
use meridian::telemetry::metrics;
use serde_json::json;

use crate::asker::{Person, an_offer, id, instant, new_key, post, question};
use crate::lab::{Lab, count, until};
use crate::suppliers::{Companies, euros, itinerary};

/// Failures that reach a company before it is left alone.
const FAILURES_MAX: u64 = 5;
/// Calls of one operation that are under way at once.
const PLACES: usize = 24;
/// What nobody waits for who is told no at once, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

async fn asked(they: &Companies, operation: &str) -> u64 {
    they.journal("").await["asked"][operation].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn row_13_who_fails_or_asks_for_time_is_left_alone_until_a_probe_succeeds() {
    metrics::handle();
    for (mode, reach) in [("error", FAILURES_MAX), ("lost_request", FAILURES_MAX), ("too_many", 1)]
    {
        let they = Companies::open().await;
        they.fault(json!({ "operation": "authorize", "mode": mode, "times": 1_000_000 })).await;
        let mut outcomes = Vec::new();
        for nth in 0..60 {
            let key = format!("{nth}:authorize");
            outcomes.push(they.payments.authorize(&key, euros(1), "tok_visa").await);
        }
        let unknown = outcomes.iter().filter(|outcome| **outcome == Outcome::Unknown).count();
        let not_tried = outcomes.iter().filter(|outcome| **outcome == Outcome::NotTried).count();
        assert_eq!(unknown + not_tried, 60, "{mode}: {outcomes:?}");
        assert_eq!(asked(&they, "authorize").await, reach, "{mode} reached the provider");
        assert_eq!(unknown as u64, reach, "{mode}");

        // Its other operations, and other companies, are asked as ever.
        assert_eq!(they.payments.close("o:authorize").await, Outcome::Done(None), "{mode}");
        assert_eq!(they.airline.price(&itinerary(), euros(1)).await, Outcome::Done(()), "{mode}");

        they.fault(json!({ "operation": "authorize", "mode": mode, "times": 0 })).await;
        until("the provider is asked again", || async {
            let again = they.payments.authorize("p:authorize", euros(1), "tok_visa").await;
            matches!(again, Outcome::Done(_))
        })
        .await;
        assert_eq!(asked(&they, "authorize").await, reach + 1, "{mode}: one probe was enough");
        they.reserve("q:authorize", "tok_visa").await;
    }
    let scraped = metrics::handle().render();
    for reason in ["breaker_open", "asked_to_wait"] {
        let counted = scraped.lines().any(|line| {
            line.starts_with("meridian_supplier_not_tried_total") && line.contains(reason)
        });
        assert!(counted, "{reason}");
    }
    assert!(scraped.contains("meridian_supplier_breaker_state{"), "{scraped}");
}

#[tokio::test]
async fn row_13_a_probe_that_is_told_429_keeps_the_breaker_open() {
    let they = Companies::open().await;
    they.fault(json!({ "operation": "void", "mode": "error", "times": 1_000_000 })).await;
    for nth in 0..10 {
        let _ = they.payments.void(&format!("{nth}:void"), "auth_1").await;
    }
    assert_eq!(asked(&they, "void").await, FAILURES_MAX);
    they.fault(json!({ "operation": "void", "mode": "too_many", "times": 1 })).await;
    until("the probe was told 429", || async {
        they.payments.void("p:void", "auth_1").await == Outcome::Unknown
    })
    .await;
    let told = Clock::instant();
    assert_eq!(they.payments.void("q:void", "auth_1").await, Outcome::NotTried);
    until("the next probe finds it well", || async {
        they.payments.void("r:void", "auth_1").await == Outcome::Unknown
    })
    .await;
    assert!(told.elapsed() >= Duration::from_secs(1), "longer than the first time");
    assert_eq!(asked(&they, "void").await, FAILURES_MAX + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_13_who_hangs_takes_nothing_from_others() {
    let they = std::sync::Arc::new(Companies::open().await);
    they.fault(json!({ "operation": "book", "mode": "slow", "ms": 30_000, "times": 1_000 })).await;
    let calls: Vec<_> = (0..60)
        .map(|nth| {
            let they = std::sync::Arc::clone(&they);
            tokio::spawn(async move {
                let began = Clock::instant();
                let outcome = they.ask(&format!("{nth}:book"), "Lovelace", false).await;
                (outcome, began.elapsed())
            })
        })
        .collect();
    until("all places are taken", || async { asked(&they, "book").await == PLACES as u64 }).await;
    let began = Clock::instant();
    for nth in 0..20 {
        they.reserve(&format!("{nth}:authorize"), "tok_visa").await;
        assert_eq!(they.airline.price(&itinerary(), euros(1)).await, Outcome::Done(()));
    }
    assert!(began.elapsed() < AT_ONCE, "others waited for the one that hangs");
    let mut unknown = 0;
    for call in calls {
        match call.await.unwrap() {
            (Outcome::NotTried, took) => assert!(took < AT_ONCE, "told no after {took:?}"),
            (Outcome::Unknown, took) => {
                unknown += 1;
                assert!(took < Duration::from_secs(8), "hung for {took:?}");
            }
            (other, _) => panic!("{other:?}"),
        }
    }
    assert_eq!(unknown, PLACES);
    assert_eq!(they.ask("z:book", "Lovelace", false).await, Outcome::NotTried, "time-outs trip it");
    assert_eq!(asked(&they, "book").await, PLACES as u64);
}

#[tokio::test]
async fn a_question_is_repeated_and_a_deed_is_not() {
    let they = Companies::open().await;
    for mode in ["error", "unavailable", "lost_reply", "lost_request", "too_many"] {
        they.fault(json!({ "operation": "price", "mode": mode })).await;
        assert_eq!(they.airline.price(&itinerary(), euros(1)).await, Outcome::Done(()), "{mode}");
    }
    assert_eq!(asked(&they, "price").await, 10);
    they.fault(json!({ "operation": "book", "mode": "error" })).await;
    assert_eq!(they.ask("o:book", "Lovelace", false).await, Outcome::Unknown);
    assert_eq!(asked(&they, "book").await, 1, "the saga repeats it, and nobody else");
}

#[tokio::test]
async fn a_company_that_says_no_is_well() {
    let they = Companies::open().await;
    for nth in 0..30 {
        let no =
            they.payments.authorize(&format!("{nth}:authorize"), euros(1), "tok_decline").await;
        assert!(matches!(no, Outcome::Refused(_)), "{no:?}");
        they.fault(json!({ "operation": "void", "mode": "in_flight" })).await;
        assert_eq!(they.payments.void("o:void", "auth_1").await, Outcome::Unknown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_13_orders_wait_for_a_provider_and_searches_do_not() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    lab.fault("authorize", "error", 1_000_000).await;
    let mut orders = Vec::new();
    for _ in 0..12 {
        let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
        orders.push(id(&ada.book(&new_key(), &body).await.is(202)));
    }
    let asked = || async { lab.books().await["asked"]["authorize"].as_u64().unwrap_or(0) };
    until("the breaker has seen enough", || async { asked().await >= FAILURES_MAX }).await;
    for _ in 0..20 {
        let began = Clock::instant();
        post(&lab, "eu-central", "/v1/offer-requests", &question()).await.is(201);
        assert!(began.elapsed() < AT_ONCE, "a search waited for the payment provider");
    }
    // Twelve orders that ask again and again; the provider hears a handful of calls.
    until("every order has been looked at several times", || async {
        count(&lab.database, "SELECT sum(epoch)::INT8 FROM orders").await >= 12 * 5
    })
    .await;
    assert!(asked().await <= 2 * FAILURES_MAX, "{} calls reached the provider", asked().await);
    for order in &orders {
        assert_eq!(ada.wait(order, "pending").await["charged"], "no");
    }
    lab.fault("authorize", "error", 0).await;
    for order in &orders {
        ada.wait(order, "ticketed").await;
    }
    for operation in ["authorize", "book", "capture", "tickets"] {
        assert_eq!(lab.journal(operation).await, 12, "{operation}");
    }
}
