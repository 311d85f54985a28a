//! Two relays that know nothing of each other publish the same orders, forget what they did, and
//! meet failing brokers, all by chance. No event is in the log before its order's earlier ones.

use std::collections::BTreeSet;
use std::time::Duration;

use meridian_event_stream::{Event, EventStream};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::sync::watch;

use crate::errors::{event, short_stream};
use crate::log;
use crate::place::{PARTITIONS, TOPICS};

/// Orders, and events of each.
const ORDERS: usize = 20;
const EVENTS: usize = 8;
/// Events of an order that a call publishes at most.
const BATCH_MAX: usize = 4;
/// Rounds of trouble, and calls of a relay in one.
const ROUNDS: u64 = 3;
const CALLS: usize = 3;
/// What brokers say in their bad moments.
const SAYINGS: &[RDKafkaRespErr] = &[
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
];

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// Chance that can be had again (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(limit).unwrap()).unwrap()
    }
}

fn events_of(order: usize) -> Vec<Event> {
    let kind = |seq: usize| if seq.is_multiple_of(3) { "payment.captured" } else { "order.held" };
    let key = format!("ord_{order}");
    (0..EVENTS).map(|seq| event(&key, i64::try_from(seq).unwrap(), kind(seq))).collect()
}

/// Publishes all orders from their beginning, now and then forgetting how far it was; ends early
/// after some calls.
async fn relay(stream: &EventStream, mut chance: Chance, calls_max: usize) {
    let orders: Vec<Vec<Event>> = (0..ORDERS).map(events_of).collect();
    let mut done = [0; ORDERS];
    for _ in 0..calls_max {
        if done.iter().all(|it| *it == EVENTS) {
            return;
        }
        let mut batch = Vec::new();
        for (order, events) in orders.iter().enumerate() {
            let end = EVENTS.min(done[order] + chance.below(BATCH_MAX + 1));
            batch.extend_from_slice(&events[done[order]..end]);
        }
        let acknowledged: BTreeSet<String> = match stream.publish(&batch).await {
            Ok(()) => batch.iter().map(|event| event.id.clone()).collect(),
            Err(error) => error.acknowledged.into_iter().collect(),
        };
        // A relay that dies before it has written down what it did.
        let dies = chance.below(8) == 0;
        for (order, events) in orders.iter().enumerate() {
            while !dies && done[order] < EVENTS && acknowledged.contains(&events[done[order]].id) {
                done[order] += 1;
            }
            if dies {
                done[order] -= chance.below(done[order] + 1);
            }
        }
    }
}

/// Makes brokers fail, one way after another, until told to stop.
async fn trouble(cluster: &Cluster, mut chance: Chance, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        match chance.below(5) {
            0 => {
                let said: Vec<_> =
                    (0..=chance.below(3)).map(|_| SAYINGS[chance.below(SAYINGS.len())]).collect();
                cluster.request_errors(RDKafkaApiKey::Produce, &said);
            }
            1 => {
                let slow = [20, 500, 1500][chance.below(3)];
                cluster.broker_round_trip_time(-1, Duration::from_millis(slow)).unwrap();
            }
            // Of one topic, of the other, of both.
            _ => cluster.broker_down([1, 2, -1][chance.below(3)]).unwrap(),
        }
        let lasts = Duration::from_millis([100, 500, 2500][chance.below(3)]);
        let _ = tokio::time::timeout(lasts, stop.changed()).await;
        heal(cluster);
    }
}

fn heal(cluster: &Cluster) {
    cluster.broker_up(-1).unwrap();
    cluster.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    cluster.clear_request_errors(RDKafkaApiKey::Produce);
}

/// Two relays that work beside each other, until both have come to an end.
async fn relays(brokers: &str, seed: u64, calls_max: usize) {
    let (one, other) = (short_stream(brokers), short_stream(brokers));
    tokio::join!(relay(&one, Chance(seed), calls_max), relay(&other, Chance(seed + 1), calls_max));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_and_whoever_dies_no_event_is_ahead_of_its_order() {
    let seed = std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
    // Each topic has a broker of its own, so that one can be written to and the other cannot.
    let cluster = Cluster::new(2).unwrap();
    for (topic, leader) in TOPICS.iter().zip(1..) {
        cluster.create_topic(topic, PARTITIONS, 1).unwrap();
        for partition in 0..PARTITIONS {
            cluster.partition_leader(topic, partition, Some(leader)).unwrap();
        }
    }
    let brokers = cluster.bootstrap_servers();
    for round in 0..ROUNDS {
        let (stop, stopped) = watch::channel(false);
        let seed = seed * 1000 + round;
        let troubled = async {
            relays(&brokers, seed, CALLS).await;
            stop.send_replace(true);
        };
        tokio::join!(troubled, trouble(&cluster, Chance(!seed), stopped));
        // Nothing is under way: across topics, too, an order's events are all up to some number.
        let held = log::once(log::read(&brokers, TOPICS, &[]));
        for order in 0..ORDERS {
            let key = format!("ord_{order}");
            let of_order = held.iter().filter(|read| read.key == key);
            let seqs: BTreeSet<i64> = of_order.map(|read| read.seq).collect();
            let whole = seqs.iter().copied().eq(0..i64::try_from(seqs.len()).unwrap());
            assert!(whole, "{key} has {seqs:?} in the log, seed {seed}");
        }
    }
    relays(&brokers, seed, usize::MAX).await;
    let events: Vec<Event> = (0..ORDERS).flat_map(events_of).collect();
    let held = log::read(&brokers, TOPICS, &log::ids(&events));
    let (all, worked_on) = (held.len(), log::once(held));
    assert!(all > events.len(), "nothing was published twice, so nothing was tried");
    for topic in TOPICS {
        let met = log::seqs(&worked_on, topic);
        for order in 0..ORDERS {
            let of_topic = events_of(order).into_iter();
            let of_topic =
                of_topic.filter(|event| event.kind.starts_with(&topic["meridian.".len()..]));
            let expected: Vec<i64> = of_topic.map(|event| event.seq).collect();
            assert_eq!(met[&format!("ord_{order}")], expected, "{topic}, seed {seed}");
        }
    }
}
