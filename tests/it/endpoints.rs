//! Endpoints that behave badly: they fail, ask for time, lead elsewhere, are gone, or never answer.
//! Nothing is lost, nothing is followed, and nobody else waits.

use std::time::Duration;

use meridian::webhooks::guard::Reach;
use serde_json::{Value, json};

use crate::asker::{Person, hold, id, new_key};
use crate::lab::{Lab, Plan, count, sql, until};
use crate::receiver::{Manner, Receiver};
use crate::webhooks::{TICKETED, no_more_waiting, reaching};

/// Seconds from now on until a delivery is tried next.
fn pause(delivery: &Value) -> f64 {
    let at =
        |field: &str| -> jiff::Timestamp { delivery[field].as_str().unwrap().parse().unwrap() };
    at("next_attempt_at").duration_since(at("attempted_at")).as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_later_and_still_in_order() {
    let lab = Lab::plan(reaching()).await;
    let ada = Person::berliner(&lab).await;
    let receiver = Receiver::start().await;
    let hook = ada.hook(&receiver.url).await;
    receiver.answers(Manner::status(500));
    ada.ticket(&lab, "Lovelace").await;
    let failed =
        |tries: i64| move |it: &Value| it["attempts"] == tries && it["last_failure"] == "status";
    let first = ada.oldest(&hook, "tried", failed(1)).await;
    assert_eq!((&first["state"], &first["last_status"]), (&json!("pending"), &json!(500)));
    assert!((5.0..=5.6).contains(&pause(&first)), "{}", pause(&first));
    until("all events wait for the first one", || async { ada.deliveries(&hook).await.len() == 5 })
        .await;
    no_more_waiting(&lab).await;
    let second = ada.oldest(&hook, "tried twice", failed(2)).await;
    assert!((300.0..=331.0).contains(&pause(&second)), "{}", pause(&second));
    let later =
        ada.newest(&hook, "put off", |it| it["next_attempt_at"] == second["next_attempt_at"]);
    assert_eq!(later.await["attempts"], 0, "nobody looks at it before");
    assert_eq!(receiver.firsts().len(), 1, "later events wait for the first one");

    receiver
        .answers(Manner { header: Some(("retry-after", "3600".into())), ..Manner::status(429) });
    no_more_waiting(&lab).await;
    let third = ada.oldest(&hook, "tried three times", failed(3)).await;
    assert!((3600.0..=3961.0).contains(&pause(&third)), "{}", pause(&third));

    receiver.answers(Manner::status(200));
    no_more_waiting(&lab).await;
    ada.newest(&hook, "delivered", |it| it["state"] == "delivered").await;
    let names: Vec<String> = receiver.names().split_off(3);
    assert_eq!(names, TICKETED);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_ten_tries_a_delivery_is_dead_until_its_traveller_asks_again() {
    let lab = Lab::plan(reaching()).await;
    let ada = Person::berliner(&lab).await;
    let receiver = Receiver::start().await;
    let hook = ada.hook(&receiver.url).await;
    receiver.answers(Manner::status(503));
    let offer = crate::asker::an_offer(&lab).await;
    let order = id(&ada.book(&new_key(), &hold(&offer)).await.is(202));
    ada.wait(&order, "held").await;
    for tries in 1..=10 {
        ada.oldest(&hook, "tried", |it| it["attempts"] == tries).await;
        no_more_waiting(&lab).await;
    }
    let dead = ada.oldest(&hook, "dead", |it| it["state"] == "dead").await;
    assert_eq!((&dead["attempts"], &dead["next_attempt_at"]), (&json!(10), &Value::Null));
    // What comes after a dead event waits for it no longer.
    receiver.answers(Manner::status(204));
    no_more_waiting(&lab).await;
    ada.newest(&hook, "delivered", |it| it["state"] == "delivered").await;

    let event = dead["event_id"].as_str().unwrap();
    ada.ask(&hook, &format!("/deliveries/{event}/redeliver")).await.is(202);
    let again = ada.oldest(&hook, "delivered", |it| it["state"] == "delivered").await;
    assert_eq!((&again["event_id"], &again["attempts"]), (&json!(event), &json!(1)));
    assert_eq!(receiver.seen().last().unwrap().id(), event, "the same id");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_gone_is_told_nothing_more() {
    let lab = Lab::plan(reaching()).await;
    let ada = Person::berliner(&lab).await;
    let (gone, stays) = (Receiver::start().await, Receiver::start().await);
    let (hook, other) = (ada.hook(&gone.url).await, ada.hook(&stays.url).await);
    gone.answers(Manner::status(410));
    ada.ticket(&lab, "Lovelace").await;
    stays.wait(5).await;
    assert_eq!(gone.seen().len(), 1, "the first 410 was the last word");
    let first = ada.oldest(&hook, "dead", |it| it["state"] == "dead").await;
    assert_eq!((&first["last_failure"], &first["last_status"]), (&json!("gone"), &json!(410)));
    let list = ada.get("/v1/webhooks").await.is(200).json();
    assert_eq!(list["data"][0]["disabled_why"], "gone");
    assert_eq!(list["data"][1]["disabled_at"], Value::Null);
    let event = first["event_id"].as_str().unwrap();
    for rest in ["/ping".to_owned(), format!("/deliveries/{event}/redeliver")] {
        ada.ask(&hook, &rest).await.refuses(409, "webhook_disabled");
    }
    ada.ask(&other, "/ping").await.is(202);
    stays.wait(6).await;
    let pending = "SELECT count(*) FROM webhook_delivery WHERE state = 'pending'";
    until("nothing is left to be tried", || async { count(&lab.database, pending).await == 0 })
        .await;
    assert_eq!(gone.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_leads_elsewhere_is_not_followed() {
    let lab = Lab::plan(reaching()).await;
    let ada = Person::berliner(&lab).await;
    let (receiver, inside) = (Receiver::start().await, Receiver::start().await);
    let hook = ada.hook(&receiver.url).await;
    for status in [301, 302, 307, 308] {
        let header = Some(("location", inside.url.clone()));
        receiver.answers(Manner { header, ..Manner::status(status) });
        ada.ask(&hook, "/ping").await.is(202);
        let failed = ada.newest(&hook, "failed", |it| it["last_status"] == status).await;
        assert_eq!(
            (&failed["state"], &failed["last_failure"]),
            (&json!("pending"), &json!("redirect"))
        );
        no_more_waiting(&lab).await;
    }
    assert!(inside.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_allowed_once_is_looked_at_again_before_every_try() {
    // Registered where webhooks may go anywhere; delivered by a node that may reach the world only.
    let lab = Lab::plan(Plan { work: false, ..reaching() }).await;
    let ada = Person::berliner(&lab).await;
    let receiver = Receiver::start().await;
    let hook = ada.hook(&receiver.url).await;
    let strict = lab.another("eu-central", &Plan { reach: Reach::World, ..reaching() }).await;
    ada.ask(&hook, "/ping").await.is(202);
    let failed = ada.newest(&hook, "tried", |it| it["attempts"] == 1).await;
    assert_eq!(
        (&failed["last_failure"], &failed["last_status"]),
        (&json!("forbidden"), &Value::Null)
    );
    assert!(receiver.seen().is_empty());
    strict.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_never_answer_keep_nobody_else_waiting() {
    let lab = Lab::plan(reaching()).await;
    let (mute, fast) = (Receiver::start().await, Receiver::start().await);
    mute.answers(Manner { after: Duration::from_secs(3600), ..Manner::status(204) });
    let mut people = Vec::new();
    for _ in 0..12 {
        let eve = Person::berliner(&lab).await;
        for nth in 0..6 {
            eve.hook(&format!("{}/{nth}", mute.url)).await;
        }
        people.push(eve);
    }
    // 72 endpoints of one host that never answers: more than a node delivers at once.
    for eve in &people {
        eve.ticket(&lab, "Lovelace").await;
    }
    let ada = Person::berliner(&lab).await;
    let hook = ada.hook(&fast.url.replace("127.0.0.1", "localhost")).await;
    ada.ticket(&lab, "Lovelace").await;
    let seen = fast.wait(5).await;
    assert_eq!(fast.names(), TICKETED);
    assert!(seen.iter().all(|received| received.is_signed_with(&hook.secret)));
    assert!(mute.seen().len() <= 4, "a host has a lane, and a lane has room for four");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_settled_a_month_ago_is_forgotten_and_nothing_else() {
    let lab = Lab::plan(reaching()).await;
    let ada = Person::berliner(&lab).await;
    let receiver = Receiver::start().await;
    let hook = ada.hook(&receiver.url).await;
    ada.ticket(&lab, "Lovelace").await;
    receiver.wait(5).await;
    ada.newest(&hook, "delivered", |it| it["state"] == "delivered").await;
    let kept = "SELECT count(*) FROM webhook_delivery WHERE due_at > now() + interval '29 days'";
    assert_eq!(count(&lab.database, kept).await, 5);
    let month = "UPDATE webhook_delivery SET due_at = now() - interval '1 second' WHERE seq < 3";
    sql(&lab.database, month).await;
    until("it is forgotten", || async { ada.deliveries(&hook).await.len() == 2 }).await;
    assert_eq!(receiver.seen().len(), 5, "and was not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_lets_go_what_it_has_not_finished() {
    let lab = Lab::plan(Plan { work: false, ..reaching() }).await;
    let ada = Person::berliner(&lab).await;
    let receiver = Receiver::start().await;
    receiver.answers(Manner { after: Duration::from_secs(3600), ..Manner::status(204) });
    let hook = ada.hook(&receiver.url).await;
    let first = lab.another("eu-central", &reaching()).await;
    ada.ask(&hook, "/ping").await.is(202);
    receiver.wait(1).await;
    first.stop().await;
    let leased = "SELECT count(*) FROM webhook_delivery WHERE lease_until IS NOT NULL";
    assert_eq!(count(&lab.database, leased).await, 0);
    receiver.answers(Manner::status(204));
    let second = lab.another("eu-central", &reaching()).await;
    ada.newest(&hook, "delivered", |it| it["state"] == "delivered").await;
    assert_eq!((receiver.seen().len(), receiver.firsts().len()), (2, 1), "twice, with one id");
    second.stop().await;
}
