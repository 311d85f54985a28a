//! A broker with its topics, behind a line.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use crate::broker::Broker;
use crate::line::Line;
use crate::log::{self, Read};

/// One for each family, all with as many partitions.
pub(crate) const TOPICS: &[&str] = &["meridian.order", "meridian.payment"];
pub(crate) const PARTITIONS: i32 = 6;

/// A broker behind a line, with its topics.
pub(crate) struct Place {
    pub(crate) broker: Broker,
    pub(crate) line: Line,
}

impl Place {
    /// A new one.
    pub(crate) async fn new() -> Self {
        let line = Line::new().await;
        let broker = Broker::start(Some(line.port()));
        line.join(broker.port());
        let place = Self { broker, line };
        make_topics(&place.brokers()).await;
        place
    }

    /// What clients are told.
    pub(crate) fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.line.port())
    }

    /// Everything in the topics, these ids at least.
    pub(crate) fn read(&self, at_least: &[String]) -> Vec<Read> {
        log::read(&self.brokers(), TOPICS, at_least)
    }
}

/// Makes the topics, as an operator does.
pub(crate) async fn make_topics(brokers: &str) {
    let mut client = ClientConfig::new();
    let admin: AdminClient<DefaultClientContext> =
        client.set("bootstrap.servers", brokers).create().unwrap();
    let new = |name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
    let topics: Vec<NewTopic<'_>> = TOPICS.iter().copied().map(new).collect();
    for made in admin.create_topics(&topics, &AdminOptions::new()).await.unwrap() {
        made.unwrap();
    }
}
