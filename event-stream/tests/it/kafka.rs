//! Against a real broker: what readers find, groups, lost answers, restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use meridian_event_stream::{Event, EventStream};
use tokio::sync::{mpsc, watch};

use crate::errors::{event, publish_at_last, short_stream, stream};
use crate::log::{self, Read, consume, ids, until_all_met};
use crate::place::{PARTITIONS, Place, TOPICS, make_topics};

/// How long a broker is away or unheard.
const OUTAGE: Duration = Duration::from_millis(1500);
/// Rounds of events until two members share them.
const ROUNDS_MAX: usize = 300;

/// Orders with events in two topics, all orders' first events first.
fn orders(count: usize, events: i64) -> Vec<Event> {
    let kind = |seq: i64| if seq % 3 == 1 { "payment.captured" } else { "order.held" };
    let of_all = |seq| (0..count).map(move |it| event(&format!("ord_{it}"), seq, kind(seq)));
    (0..events).flat_map(of_all).collect()
}

/// What each order's readers of a topic have to meet.
fn expected(events: &[Event], topic: &str) -> BTreeMap<String, Vec<i64>> {
    let mut orders: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind.starts_with(&topic["meridian.".len()..])) {
        orders.entry(event.key.clone()).or_default().push(event.seq);
    }
    orders
}

/// The partition that Java's clients choose (Kafka's `BuiltInPartitioner`: murmur2).
fn javas_partition(key: &str) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let bytes = key.as_bytes();
    let mut hash = 0x9747_b28c_u32 ^ u32::try_from(bytes.len()).unwrap();
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(M);
        word = (word ^ (word >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |last, byte| (last << 8) | u32::from(*byte));
        hash = (hash ^ last).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^= hash >> 15;
    i32::try_from(hash & 0x7fff_ffff).unwrap() % PARTITIONS
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_read_as_a_cloud_event_with_its_order_as_key() {
    let place = Place::new().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = Event { traceparent: Some(trace.to_owned()), ..event("ord_7", 3, "order.held") };
    let other = event("ord_7", 4, "payment.captured");
    let events = [traced, other];
    stream(&place.brokers()).publish(&events).await.unwrap();
    let mut held = place.read(&ids(&events));
    held.sort_unstable_by_key(|read| read.seq);
    let [first, second] = &held[..] else { panic!("{held:?}") };
    let header = |name: &str| first.headers.get(name).map(String::as_str);
    for (name, value) in [
        ("content-type", "application/json"),
        ("ce_specversion", "1.0"),
        ("ce_id", "wev_ord_7_3"),
        ("ce_type", "order.held"),
        ("ce_source", "/meridian"),
        ("ce_subject", "ord_7"),
        ("ce_time", "2026-11-01T10:00:00.25Z"),
        ("ce_sequence", "0000000003"),
        ("traceparent", trace),
    ] {
        assert_eq!(header(name), Some(value), "{name}");
    }
    assert_eq!(first.headers.len(), 9);
    assert_eq!((first.topic.as_str(), first.key.as_str()), ("meridian.order", "ord_7"));
    assert_eq!(first.payload, r#"{"order_id":"ord_7","seq":3}"#);
    assert_eq!(first.timestamp, 1_793_527_200_250);
    assert_eq!(second.topic, "meridian.payment");
    assert_eq!(second.headers.get("traceparent"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_has_the_same_partition_in_every_topic_and_the_one_that_java_chooses() {
    let place = Place::new().await;
    let events = orders(40, 3);
    stream(&place.brokers()).publish(&events).await.unwrap();
    let held = place.read(&ids(&events));
    assert_eq!(held.len(), events.len());
    for read in &held {
        assert_eq!(read.partition, javas_partition(&read.key), "{} in {}", read.key, read.topic);
    }
    let used: BTreeSet<i32> = held.iter().map(|read| read.partition).collect();
    assert!(used.len() > 1, "all keys lie in one partition, so nothing was seen");
    for topic in TOPICS {
        assert_eq!(log::seqs(&held, topic), expected(&events, topic));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_make_duplicates_that_ids_tell() {
    let place = Place::new().await;
    let events = orders(10, 4);
    let stream = short_stream(&place.brokers());
    // Both topics are known to the producer afterwards.
    publish_at_last(&stream, &events[..20]).await;
    place.line.lose_answers();
    let error = stream.publish(&events[20..]).await.unwrap_err();
    assert_eq!(error.acknowledged, [] as [&str; 0], "nobody heard of an acknowledgement");
    assert_eq!(error.failures.len(), 10);
    place.line.cut();
    place.line.join(place.broker.port());
    // Another node, whose producer the broker cannot know.
    publish_at_last(&self::stream(&place.brokers()), &events[20..]).await;
    let held = place.read(&ids(&events));
    assert!(held.len() > events.len(), "nothing was written twice, so nothing was seen");
    let worked_on = log::once(held);
    for topic in TOPICS {
        assert_eq!(log::seqs(&worked_on, topic), expected(&events, topic));
    }
}

/// Publishes batch by batch, each until it is acknowledged; says how many batches are.
async fn publish_all(
    stream: &EventStream,
    events: &[Event],
    batch: usize,
    done: &watch::Sender<usize>,
) {
    for some in events.chunks(batch) {
        publish_at_last(stream, some).await;
        done.send_modify(|done| *done += 1);
    }
}

/// Publishes orders until both members of a group have read some: then each order is read by one of
/// them, whatever topics its events are in.
async fn until_two_share(stream: &EventStream, from: &mut mpsc::UnboundedReceiver<(usize, Read)>) {
    for round in 0..ROUNDS_MAX {
        let kinds = ["order.created", "payment.captured"];
        let of_round = |it| kinds.map(|kind| event(&format!("early_{round}_{it}"), 0, kind));
        let mut early: Vec<Event> = (0..20).flat_map(of_round).collect();
        early.iter_mut().for_each(|event| event.id = format!("{}_{}", event.id, event.kind));
        publish_at_last(stream, &early).await;
        let mut readers: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for (who, read) in until_all_met(from, &ids(&early)).await {
            readers.entry(read.key).or_default().insert(who);
        }
        let both: BTreeSet<usize> = readers.values().flatten().copied().collect();
        if both.len() == 2 && readers.values().all(|of_order| of_order.len() == 1) {
            return;
        }
    }
    panic!("two members never shared the orders");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_two_shares_the_orders_while_the_broker_goes_and_comes() {
    let mut place = Place::new().await;
    let brokers = place.brokers();
    let (to, mut from) = mpsc::unbounded_channel();
    for who in 0..2 {
        let member = log::member(&brokers, "boarding", TOPICS);
        tokio::spawn(consume(who, member, to.clone()));
    }
    let stream = short_stream(&brokers);
    until_two_share(&stream, &mut from).await;
    let events = orders(30, 12);
    let (done, mut seen) = watch::channel(0);
    let trouble = async {
        seen.wait_for(|done| *done >= 3).await.unwrap();
        place.line.cut();
        if place.broker.keeps_its_log() {
            place.broker.kill();
            place.broker.start_again();
        }
        tokio::time::sleep(OUTAGE).await;
        place.line.join(place.broker.port());
        seen.wait_for(|done| *done >= 6).await.unwrap();
        place.line.lose_answers();
        tokio::time::sleep(OUTAGE).await;
        place.line.cut();
        place.line.join(place.broker.port());
    };
    tokio::join!(publish_all(&stream, &events, 36, &done), trouble);
    let met = until_all_met(&mut from, &ids(&events)).await;
    let read: Vec<Read> = met.into_iter().map(|(_, read)| read).collect();
    let worked_on: Vec<Read> =
        log::once(read).into_iter().filter(|read| read.key.starts_with("ord_")).collect();
    for topic in TOPICS {
        assert_eq!(log::seqs(&worked_on, topic), expected(&events, topic));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_and_comes_back_is_published_to_again() {
    let mut place = Place::new().await;
    let events = orders(10, 6);
    let (before, after) = events.split_at(30);
    let stream = short_stream(&place.brokers());
    publish_at_last(&stream, before).await;
    place.broker.kill();
    let error = stream.publish(after).await.unwrap_err();
    assert_eq!(error.acknowledged, [] as [&str; 0]);
    place.broker.start_again();
    // What a broker acknowledged and lost is not published again by anybody.
    let kept = if place.broker.keeps_its_log() {
        &events
    } else {
        make_topics(&place.brokers()).await;
        after
    };
    publish_at_last(&stream, after).await;
    let worked_on = log::once(place.read(&ids(kept)));
    for topic in TOPICS {
        assert_eq!(log::seqs(&worked_on, topic), expected(kept, topic));
    }
}
