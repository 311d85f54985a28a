//! Brokers that are away, slow, or say no: the client library's mock cluster plays them.

use std::time::Duration;

use meridian_event_stream::{
    ConfigError, Event, EventStream, Login, PublishError, Security, StreamConfig, Why,
};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::log::{self, PATIENCE};

/// Longest that a call may take, where nothing is wrong with time.
const WITHIN: Duration = Duration::from_secs(20);
/// The same, where it is used up. A first call may need more, to reach the brokers.
const SHORT: Duration = Duration::from_secs(2);
/// What a busy machine may add to it.
const SLACK: Duration = Duration::from_secs(3);
/// Payload that no broker takes.
const TOO_LARGE: usize = 2_000_000;

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// A stream to some brokers.
pub(crate) fn stream(brokers: &str) -> EventStream {
    EventStream::open(&config(brokers)).unwrap()
}

/// A stream whose calls end soon.
pub(crate) fn short_stream(brokers: &str) -> EventStream {
    EventStream::open(&StreamConfig { publish_within: SHORT, ..config(brokers) }).unwrap()
}

/// How to reach some brokers.
pub(crate) fn config(brokers: &str) -> StreamConfig {
    StreamConfig {
        brokers: brokers.to_owned(),
        topic_prefix: "meridian".to_owned(),
        client_id: "test".to_owned(),
        publish_within: WITHIN,
        security: Security::Plain,
    }
}

/// An event of an order.
pub(crate) fn event(order: &str, seq: i64, kind: &str) -> Event {
    Event {
        id: format!("wev_{order}_{seq}"),
        kind: kind.to_owned(),
        key: order.to_owned(),
        seq,
        occurred_at: "2026-11-01T10:00:00.25Z".parse().unwrap(),
        payload: format!("{{\"order_id\":\"{order}\",\"seq\":{seq}}}").into_bytes(),
        traceparent: None,
    }
}

/// Publishes until everything is acknowledged, as a relay does that remembers nothing of a failed
/// call.
pub(crate) async fn publish_at_last(stream: &EventStream, events: &[Event]) {
    let mut last = String::new();
    let acknowledged = tokio::time::timeout(PATIENCE, async {
        while let Err(error) = stream.publish(events).await {
            last = error.to_string();
        }
    });
    assert!(acknowledged.await.is_ok(), "never acknowledged: {last}");
}

fn cluster() -> Cluster {
    let cluster = MockCluster::new(3).unwrap();
    for topic in ["meridian.order", "meridian.payment"] {
        cluster.create_topic(topic, 4, 3).unwrap();
    }
    cluster
}

/// What a call comes to, which has to be in time.
async fn in_time(stream: &EventStream, events: &[Event]) -> Result<(), PublishError> {
    let call = tokio::time::timeout(SHORT + SLACK, stream.publish(events)).await;
    call.expect("a call ends in time")
}

fn whys(error: &PublishError) -> Vec<(&str, Why)> {
    error.failures.iter().map(|it| (it.id.as_str(), it.why)).collect()
}

/// All that the mock cluster holds, these at least.
fn read(cluster: &Cluster, at_least: &[Event]) -> Vec<log::Read> {
    log::read(
        &cluster.bootstrap_servers(),
        &["meridian.order", "meridian.payment"],
        &log::ids(at_least),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn while_brokers_are_away_nothing_is_claimed_and_later_everything_goes_out() {
    let cluster = cluster();
    let stream = short_stream(&cluster.bootstrap_servers());
    cluster.broker_down(-1).unwrap();
    let events = [event("a", 0, "order.created"), event("a", 1, "order.held")];
    let error = in_time(&stream, &events).await.unwrap_err();
    assert_eq!(error.acknowledged, [] as [&str; 0]);
    assert_eq!(whys(&error), [("wev_a_0", Why::NoAnswer)]);
    assert!(error.to_string().contains("look whether the brokers are up"), "{error}");
    assert!(!error.to_string().contains("wev_a"), "an error names an order: {error}");
    cluster.broker_up(-1).unwrap();
    publish_at_last(&stream, &events).await;
    assert_eq!(log::seqs(&log::once(read(&cluster, &events)), "meridian.order")["a"], [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_holds_back_its_own_order_only() {
    let cluster = cluster();
    let stream = stream(&cluster.bootstrap_servers());
    let huge = Event { payload: vec![b' '; TOO_LARGE], ..event("a", 1, "payment.authorized") };
    let error = stream
        .publish(&[
            event("a", 0, "order.created"),
            event("b", 0, "order.created"),
            huge,
            event("b", 1, "order.held"),
            event("a", 2, "order.confirmed"),
            event("c", 0, "homeless"),
            event("c", 1, "order.held"),
        ])
        .await
        .unwrap_err();
    let mut acknowledged = error.acknowledged.clone();
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, ["wev_a_0", "wev_b_0", "wev_b_1"]);
    let mut failed = whys(&error);
    failed.sort_unstable_by_key(|(id, _)| *id);
    assert_eq!(failed, [("wev_a_1", Why::TooLarge), ("wev_c_0", Why::NoFamily)]);
    assert!(failed.iter().all(|(_, why)| !why.may_pass()));
    let mut held: Vec<String> = read(&cluster, &[]).into_iter().map(|event| event.id).collect();
    held.sort_unstable();
    assert_eq!(held, acknowledged, "what follows a failed event was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_that_brokers_refuse_stops_an_order_across_topics() {
    for (said, why, advice) in [
        (
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            Why::Forbidden,
            "allow this user",
        ),
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, Why::NoTopic, "make it"),
    ] {
        let cluster = cluster();
        let stream = stream(&cluster.bootstrap_servers());
        cluster.topic_error("meridian.payment", said).unwrap();
        let events = [
            event("a", 0, "order.created"),
            event("a", 1, "payment.authorized"),
            event("a", 2, "order.confirmed"),
        ];
        let error = stream.publish(&events).await.unwrap_err();
        assert_eq!(error.acknowledged, ["wev_a_0"], "{why:?}");
        assert_eq!(whys(&error), [("wev_a_1", why)]);
        assert_eq!(error.failures[0].topic.as_deref(), Some("meridian.payment"));
        assert!(error.to_string().contains(advice), "{error}");
        assert!(why.may_pass());
        let held: Vec<String> =
            log::read(&cluster.bootstrap_servers(), &["meridian.order"], &log::ids(&events[..1]))
                .into_iter()
                .map(|event| event.id)
                .collect();
        assert_eq!(held, ["wev_a_0"]);
        cluster
            .topic_error("meridian.payment", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR)
            .unwrap();
        publish_at_last(&stream, &events[1..]).await;
        assert_eq!(log::seqs(&read(&cluster, &events), "meridian.order")["a"], [0, 2]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_brokers_refuse_for_a_moment_is_in_the_log_once() {
    let cluster = cluster();
    let stream = stream(&cluster.bootstrap_servers());
    for said in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
    ] {
        cluster.request_errors(RDKafkaApiKey::Produce, &[said]);
        stream.publish(&[event(&format!("{said:?}"), 0, "order.created")]).await.unwrap();
    }
    assert_eq!(read(&cluster, &[]).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_broker_costs_time_and_duplicates_and_never_order() {
    let cluster = cluster();
    let stream = short_stream(&cluster.bootstrap_servers());
    publish_at_last(&stream, &[event("a", 0, "order.created")]).await;
    cluster.broker_round_trip_time(-1, 2 * SHORT).unwrap();
    let events = [event("a", 1, "order.held"), event("a", 2, "order.confirmed")];
    let error = in_time(&stream, &events).await.unwrap_err();
    assert_eq!(whys(&error), [("wev_a_1", Why::NoAnswer)]);
    cluster.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    publish_at_last(&stream, &events).await;
    assert_eq!(log::seqs(&log::once(read(&cluster, &events)), "meridian.order")["a"], [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_order_is_cut_where_the_time_ends_and_goes_on_from_there() {
    let cluster = cluster();
    let stream = short_stream(&cluster.bootstrap_servers());
    cluster.broker_round_trip_time(-1, Duration::from_millis(200)).unwrap();
    let events: Vec<Event> = (0..12).map(|seq| event("a", seq, "order.held")).collect();
    let mut left = &events[..];
    let mut calls = 0;
    loop {
        let Err(error) = in_time(&stream, left).await else { break };
        calls += 1;
        let done = error.acknowledged.len();
        let expected: Vec<&str> = left[..done].iter().map(|event| event.id.as_str()).collect();
        assert_eq!(error.acknowledged, expected, "what is acknowledged begins the call");
        assert_eq!(error.failures.len(), 1);
        left = &left[done..];
        assert!(calls < 100, "it does not go on: {error}");
    }
    assert!(calls > 0, "a call had time for everything");
    cluster.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    let held = log::once(read(&cluster, &events));
    assert_eq!(log::seqs(&held, "meridian.order")["a"], (0..12).collect::<Vec<i64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_is_broken_for_good_is_replaced() {
    let cluster = cluster();
    let stream = stream(&cluster.bootstrap_servers());
    stream.publish(&[event("a", 0, "order.created")]).await.unwrap();
    let lost = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    cluster.request_errors(RDKafkaApiKey::Produce, &[lost]);
    let events = [event("a", 1, "order.held"), event("a", 2, "order.confirmed")];
    let error = stream.publish(&events).await.unwrap_err();
    assert_eq!(error.failures[0].id, "wev_a_1");
    assert!(error.failures[0].why.may_pass(), "{error}");
    stream.publish(&events).await.unwrap();
    assert_eq!(log::seqs(&read(&cluster, &events), "meridian.order")["a"], [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_leaves_the_stream_whole() {
    let cluster = cluster();
    let stream = short_stream(&cluster.bootstrap_servers());
    cluster.broker_round_trip_time(-1, Duration::from_millis(300)).unwrap();
    let events = [event("a", 0, "order.created"), event("a", 1, "order.held")];
    let cut = tokio::time::timeout(Duration::from_millis(50), stream.publish(&events)).await;
    assert!(cut.is_err(), "it was too quick to be dropped");
    cluster.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    publish_at_last(&stream, &events).await;
    assert_eq!(log::seqs(&log::once(read(&cluster, &events)), "meridian.order")["a"], [0, 1]);
}

#[test]
fn what_cannot_be_a_stream_is_told_with_what_to_write() {
    let right = config("localhost:9092");
    let said = |config: StreamConfig| EventStream::open(&config).err().unwrap().to_string();
    let none = said(StreamConfig { brokers: " ".into(), ..right.clone() });
    assert!(none.contains("write host:port"), "{none}");
    let prefix = said(StreamConfig { topic_prefix: "a b".into(), ..right.clone() });
    assert!(prefix.contains("\"a b\""), "{prefix}");
    let short = StreamConfig { publish_within: Duration::from_millis(1999), ..right.clone() };
    assert!(said(short).contains("give it 2s"));
    let login = Login { user: "meridian".into(), password: "swordfish".into() };
    assert!(!format!("{login:?}").contains("swordfish"), "a password is printed");
    let tls = StreamConfig { security: Security::Tls { ca: None, login: Some(login) }, ..right };
    let opened = EventStream::open(&tls).map(drop);
    assert_eq!(matches!(opened, Err(ConfigError::NoTls)), !cfg!(feature = "tls"), "{opened:?}");
}
