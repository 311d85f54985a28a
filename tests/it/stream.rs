//! Orders that are booked through the API come to a Kafka cluster: at least once and in order per
//! order, whatever happens to the broker and to whoever relays.

use std::collections::BTreeMap;
use std::time::Duration;

use meridian::domain::event::told_as;
use tokio::sync::mpsc;

use crate::asker::{Person, an_offer, id, instant, new_key};
use crate::lab::{Lab, Plan, until};
use crate::log::{self, Read, consume, until_all_met};
use crate::place::{Place, TOPICS};
use crate::processes::{Killed, meridian, run, serve, words};

/// How long the broker is away.
const OUTAGE: Duration = Duration::from_millis(1500);

/// Events of an order that is booked and paid at once.
const EVENTS: i64 = 5;

/// Orders that somebody has booked and that are ticketed.
async fn booked(lab: &Lab, ada: &Person, count: usize) -> Vec<String> {
    let body = instant(&an_offer(lab).await, "Canaryson", "tok_visa");
    let mut orders = Vec::new();
    for _ in 0..count {
        orders.push(id(&ada.book(&new_key(), &body).await.is(202)));
    }
    for order in &orders {
        ada.wait(order, "ticketed").await;
    }
    orders
}

/// The ids of all events of some orders.
fn ids(orders: &[String]) -> Vec<String> {
    let of_order = |order: &String| {
        let hex = order.rsplit('_').next().unwrap().to_owned();
        (0..EVENTS).map(move |seq| format!("wev_{hex}_{seq}"))
    };
    orders.iter().flat_map(of_order).collect()
}

/// A node of a region that publishes to a cluster.
fn publishing(lab: &Lab, place: &Place) -> (Killed, String) {
    serve(lab, "eu-central", &["--kafka-brokers", &place.brokers()])
}

/// What the readers work on is what the API tells of each order, in its order.
async fn is_what_the_api_tells(ada: &Person, orders: &[String], worked_on: &[Read]) {
    let mut told: BTreeMap<(&str, &str), Vec<(i64, &str)>> = BTreeMap::new();
    for read in worked_on {
        let kind = read.headers["ce_type"].as_str();
        let of_topic = told.entry((&read.key, &read.topic)).or_default();
        of_topic.push((read.seq, kind));
        let body: serde_json::Value = serde_json::from_str(&read.payload).unwrap();
        assert_eq!(body["data"]["order_id"], read.key);
        assert_eq!((&body["id"], &body["type"]), (&read.id.as_str().into(), &kind.into()));
        let all = format!("{read:?}");
        assert!(!all.contains("Canaryson") && !all.contains("tok_visa"), "{all}");
    }
    for order in orders {
        let kinds = ada.events(order).await;
        for topic in TOPICS {
            let of_topic = (0..).zip(kinds.iter().map(|kind| told_as(kind)));
            let expected: Vec<(i64, &str)> = of_topic
                .filter(|(_, kind)| format!("meridian.{kind}").starts_with(&format!("{topic}.")))
                .collect();
            assert_eq!(told[&(order.as_str(), *topic)], expected, "{order} in {topic}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_come_to_kafka_in_order_while_the_broker_and_the_relay_die() {
    let lab = Lab::plan(Plan { work: false, ..Plan::default() }).await;
    let mut place = Place::new().await;
    let (to, mut from) = mpsc::unbounded_channel();
    for who in 0..2 {
        let member = log::member(&place.brokers(), "boarding", TOPICS);
        tokio::spawn(consume(who, member, to.clone()));
    }
    let (victim, url) = publishing(&lab, &place);
    let ada = Person { url: url.clone(), ..Person::berliner(&lab).await };
    let mut orders = booked(&lab, &ada, 3).await;
    let mut met = until_all_met(&mut from, &ids(&orders)).await;

    // While the broker is away people book on, and what happened is published later.
    place.line.cut();
    if place.broker.keeps_its_log() {
        place.broker.kill();
        place.broker.start_again();
    }
    let meanwhile = booked(&lab, &ada, 3).await;
    tokio::time::sleep(OUTAGE).await;
    place.line.join(place.broker.port());
    met.extend(until_all_met(&mut from, &ids(&meanwhile)).await);

    // The relay dies when the broker has its events and it has not heard so.
    place.line.lose_answers();
    let unheard = booked(&lab, &ada, 3).await;
    until("an event was not acknowledged", || async {
        let metrics = reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap();
        metrics.contains("meridian_stream_failed_total{topic=\"meridian.order\"")
    })
    .await;
    drop(victim);
    place.line.cut();
    place.line.join(place.broker.port());
    let (_heir, url) = publishing(&lab, &place);
    let ada = Person { url, ..ada };
    let later = booked(&lab, &ada, 3).await;
    for more in [meanwhile, unheard, later] {
        orders.extend(more);
    }
    met.extend(until_all_met(&mut from, &ids(&orders[6..])).await);

    let read: Vec<Read> = met.into_iter().map(|(_, read)| read).collect();
    let (all, worked_on) = (read.len(), log::once(read));
    assert!(all > worked_on.len(), "nothing came twice, so nobody died at the right moment");
    assert_eq!(worked_on.len(), ids(&orders).len());
    is_what_the_api_tells(&ada, &orders, &worked_on).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_regions_orders_are_not_on_this_regions_brokers() {
    let lab = Lab::plan(Plan { work: false, ..Plan::default() }).await;
    let place = Place::new().await;
    let (_here, here) = publishing(&lab, &place);
    let (_there, there) = serve(&lab, "us-east", &[]);
    let ada = Person { url: here, ..Person::berliner(&lab).await };
    let grace = Person { url: there, ..Person::resident(&lab, "US", "us-east").await };
    let hers = booked(&lab, &grace, 1).await;
    let orders = booked(&lab, &ada, 1).await;
    let held = place.read(&ids(&orders));
    assert!(held.iter().all(|read| orders.contains(&read.key)), "{hers:?} is in {held:?}");
}

#[test]
fn a_stream_that_cannot_be_is_told_before_the_node_starts() {
    let refused = |more: &[&str]| {
        let mut command = meridian();
        command
            .args(["serve", "--region", "eu-central", "--listen", "127.0.0.1:0"])
            .args(["--profile", "tiny", "--keys", "/nowhere", "--kafka-brokers", "127.0.0.1:1"])
            .args(["--database-url", "host=127.0.0.1 port=1 user=nobody dbname=none"])
            .args(["--payments-url", "http://127.0.0.1:1", "--airline-url", "http://127.0.0.1:1"])
            .args(more);
        let output = run(&mut command);
        (output.status.code(), words(&output))
    };
    let (code, said) = refused(&["--kafka-topic-prefix", "a b"]);
    assert!(code == Some(1) && said.contains("no topic can begin with"), "{said}");
    let (code, said) = refused(&["--kafka-tls"]);
    assert!(cfg!(feature = "kafka-tls") || code == Some(1) && said.contains("kafka-tls"), "{said}");
    let (code, said) = refused(&["--kafka-user", "meridian", "--kafka-password", "swordfish"]);
    assert!(code == Some(64) && said.contains("--kafka-tls"), "{said}");
    assert!(!said.contains("swordfish"), "a password is printed: {said}");
}
