//! Two relays that know nothing of each other publish the same orders, forget what they did, and
//! meet failing brokers, all by chance. What a reader works on is in order all the same.

use std::collections::BTreeSet;
use std::time::Duration;

use meridian_event_stream::{Event, EventStream};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::sync::watch;

use crate::errors::{event, short_stream};
use crate::log;

/// Orders, and events of each.
const ORDERS: usize = 20;
const EVENTS: usize = 8;
/// Events of an order that a call publishes at most.
const BATCH_MAX: usize = 4;
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

/// Publishes all orders from their beginning, now and then forgetting how far it was.
async fn relay(stream: &EventStream, mut chance: Chance) {
    let orders: Vec<Vec<Event>> = (0..ORDERS).map(events_of).collect();
    let mut done = [0; ORDERS];
    while done.iter().any(|it| *it < EVENTS) {
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

/// Makes brokers fail until told to stop.
async fn trouble(
    cluster: &MockCluster<'static, DefaultProducerContext>,
    mut chance: Chance,
    mut stop: watch::Receiver<bool>,
) {
    let mut rounds = 0;
    while !*stop.borrow() {
        match chance.below(4) {
            // The first rounds are the worst; later ones let the relays come to an end.
            _ if rounds > 40 => {}
            0 => {
                let said: Vec<_> =
                    (0..=chance.below(3)).map(|_| SAYINGS[chance.below(SAYINGS.len())]).collect();
                cluster.request_errors(RDKafkaApiKey::Produce, &said);
            }
            1 => {
                let slow = [0, 0, 20, 1500][chance.below(4)];
                cluster.broker_round_trip_time(-1, Duration::from_millis(slow)).unwrap();
            }
            2 => cluster.broker_down(1).unwrap(),
            _ => cluster.broker_up(-1).unwrap(),
        }
        rounds += 1;
        if rounds > 40 {
            cluster.broker_up(-1).unwrap();
            cluster.broker_round_trip_time(-1, Duration::ZERO).unwrap();
        }
        let _ = tokio::time::timeout(Duration::from_millis(150), stop.changed()).await;
    }
    cluster.broker_up(-1).unwrap();
    cluster.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    cluster.clear_request_errors(RDKafkaApiKey::Produce);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_and_whoever_dies_the_first_of_each_id_is_in_order() {
    let seed = std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
    let cluster = MockCluster::new(1).unwrap();
    for topic in ["meridian.order", "meridian.payment"] {
        cluster.create_topic(topic, 4, 1).unwrap();
    }
    let brokers = cluster.bootstrap_servers();
    let (one, other) = (short_stream(&brokers), short_stream(&brokers));
    let (stop, stopped) = watch::channel(false);
    let relays = async {
        tokio::join!(relay(&one, Chance(seed)), relay(&other, Chance(!seed)));
        stop.send_replace(true);
    };
    tokio::join!(relays, trouble(&cluster, Chance(seed ^ 7), stopped));
    let events: Vec<Event> = (0..ORDERS).flat_map(events_of).collect();
    let held = log::read(&brokers, &["meridian.order", "meridian.payment"], &events);
    let (all, worked_on) = (held.len(), log::once(held));
    assert!(all > ORDERS * EVENTS, "nothing was published twice, so nothing was tried");
    for topic in ["meridian.order", "meridian.payment"] {
        let met = log::seqs(&worked_on, topic);
        for order in 0..ORDERS {
            let of_topic = events_of(order).into_iter();
            let of_topic = of_topic.filter(|event| event.kind.starts_with(&topic[9..]));
            let expected: Vec<i64> = of_topic.map(|event| event.seq).collect();
            assert_eq!(met[&format!("ord_{order}")], expected, "{topic}, seed {seed}");
        }
    }
}
