//! What stands in the topics, as any reader of them finds it.

use std::collections::{BTreeMap, HashSet};
use std::mem::ManuallyDrop;
use std::time::Duration;

use meridian_event_stream::Event;
use rdkafka::consumer::{BaseConsumer, Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::sync::mpsc;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long a look for an event may take.
const LOOK: Duration = Duration::from_millis(100);
/// Looks without an event, in a row, after which a log is at its end.
const QUIET_LOOKS: usize = 10;
/// Looks without an event, all together, after which there is none.
const LOOKS_MAX: usize = 600;

/// An event as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) seq: i64,
    pub(crate) payload: String,
    pub(crate) timestamp: i64,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Read {
    pub(crate) fn of(message: &BorrowedMessage<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers: BTreeMap<String, String> = message
            .headers()
            .unwrap()
            .iter()
            .map(|header| (header.key.to_owned(), text(header.value.unwrap())))
            .collect();
        Self {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            key: text(message.key().unwrap()),
            id: headers["ce_id"].clone(),
            seq: headers["ce_sequence"].parse().unwrap(),
            payload: text(message.payload().unwrap()),
            timestamp: message.timestamp().to_millis().unwrap(),
            headers,
        }
    }
}

/// Everything that some topics hold, these ids at least; a partition's stand in their
/// order. The end is where nothing comes any more: not every broker knows where its log ends.
pub(crate) fn read(brokers: &str, topics: &[&str], at_least: &[String]) -> Vec<Read> {
    let mut client = client(brokers);
    // Assigning wants a group's name, and has none of it.
    client.set("group.id", "none").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = client.create().unwrap();
    let mut wanted = TopicPartitionList::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
        for partition in metadata.topics()[0].partitions() {
            wanted.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
        }
    }
    consumer.assign(&wanted).unwrap();
    let mut missing: HashSet<&str> = at_least.iter().map(String::as_str).collect();
    let (mut found, mut looks, mut quiet) = (Vec::new(), 0, 0);
    while !missing.is_empty() || quiet < QUIET_LOOKS {
        assert!(looks < LOOKS_MAX, "{} events are not in the log", missing.len());
        match consumer.poll(LOOK) {
            Some(message) => {
                let read = Read::of(&message.unwrap());
                missing.remove(read.id.as_str());
                found.push(read);
                quiet = 0;
            }
            None => {
                looks += 1;
                quiet += 1;
            }
        }
    }
    found
}

/// A member of a group that reads some topics from their beginning and commits by itself. It ends
/// with the process: dropped, it would wait for a broker that may be gone by then.
pub(crate) fn member(brokers: &str, group: &str, topics: &[&str]) -> ManuallyDrop<StreamConsumer> {
    let consumer: StreamConsumer = client(brokers)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", "range")
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "500")
        .set("topic.metadata.refresh.interval.ms", "500")
        .create()
        .unwrap();
    consumer.subscribe(topics).unwrap();
    ManuallyDrop::new(consumer)
}

/// Sends on what a member of a group reads.
pub(crate) async fn consume(
    who: usize,
    member: ManuallyDrop<StreamConsumer>,
    to: mpsc::UnboundedSender<(usize, Read)>,
) {
    loop {
        // Errors are the connection's, and pass.
        if let Ok(message) = member.recv().await
            && to.send((who, Read::of(&message))).is_err()
        {
            return;
        }
    }
}

/// What a group reads until it has met these ids.
pub(crate) async fn until_all_met(
    from: &mut mpsc::UnboundedReceiver<(usize, Read)>,
    ids: &[String],
) -> Vec<(usize, Read)> {
    let mut missing: HashSet<&str> = ids.iter().map(String::as_str).collect();
    let mut met = Vec::new();
    let all = tokio::time::timeout(PATIENCE, async {
        while !missing.is_empty() {
            let (who, read) = from.recv().await.unwrap();
            missing.remove(read.id.as_str());
            met.push((who, read));
        }
    });
    assert!(all.await.is_ok(), "{} events were never read", missing.len());
    met
}

fn client(brokers: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", brokers)
        .set("reconnect.backoff.max.ms", "500")
        .set("fetch.wait.max.ms", "50")
        .set("allow.auto.create.topics", "true");
    client
}

/// The ids of events.
pub(crate) fn ids(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.id.clone()).collect()
}

/// The events without those whose ids came up before: what a reader that remembers ids works on.
pub(crate) fn once(events: Vec<Read>) -> Vec<Read> {
    let mut seen = HashSet::new();
    events.into_iter().filter(|event| seen.insert(event.id.clone())).collect()
}

/// Each order's numbers, in the order in which a reader of one topic meets them.
pub(crate) fn seqs(events: &[Read], topic: &str) -> BTreeMap<String, Vec<i64>> {
    let mut orders: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.topic == topic) {
        orders.entry(event.key.clone()).or_default().push(event.seq);
    }
    orders
}
