//! Publishing: orders beside each other, an order's events one after the other.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use rdkafka::producer::FutureRecord;

use crate::clock::Span;
use crate::config::StreamConfig;
use crate::error::{ConfigError, Failure, PublishError, Why};
use crate::event::Event;
use crate::producer::{Client, Learned, Producers};

/// Orders that a call publishes at once.
const ORDERS_MAX: usize = 512;

/// A stream of events to a Kafka cluster; the crate's documentation has the contract.
pub struct EventStream {
    producers: Producers,
    topic_prefix: String,
    source: String,
    publish_within: Duration,
    event_within: Duration,
}

impl EventStream {
    /// Opens a stream. Brokers are reached when something is published: one that is away keeps
    /// nobody from starting.
    pub fn open(config: &StreamConfig) -> Result<Self, ConfigError> {
        let producers = Producers::new(config.client()?).map_err(ConfigError::Refused)?;
        Ok(Self {
            producers,
            topic_prefix: config.topic_prefix.clone(),
            source: config.source(),
            publish_within: config.publish_within,
            event_within: config.event_within(),
        })
    }

    /// Publishes events, those of one order in the order in which they are given.
    pub async fn publish(&self, events: &[Event]) -> Result<(), PublishError> {
        let producer = self.producers.one();
        let call = Span::begin(self.publish_within);
        let orders: Vec<_> = by_order(events)
            .into_iter()
            .map(|of_order| self.publish_order(&producer.client, of_order, call))
            .collect();
        let mut outcome = PublishError { acknowledged: Vec::new(), failures: Vec::new() };
        let mut done = stream::iter(orders).buffer_unordered(ORDERS_MAX);
        while let Some((acknowledged, failure)) = done.next().await {
            outcome.acknowledged.extend(acknowledged.iter().map(|event| event.id.clone()));
            outcome.failures.extend(failure);
        }
        drop(done);
        self.producers.give_back(producer, learned(&outcome));
        if outcome.failures.is_empty() { Ok(()) } else { Err(outcome) }
    }

    /// Publishes an order's events until one is not acknowledged.
    async fn publish_order<'e>(
        &self,
        producer: &Client,
        events: Vec<&'e Event>,
        call: Span,
    ) -> (Vec<&'e Event>, Option<Failure>) {
        let mut acknowledged = Vec::with_capacity(events.len());
        for event in events {
            let topic = event.topic(&self.topic_prefix);
            let sent = match &topic {
                Some(topic) => self.send(producer, event, topic, call).await,
                None => Err(Why::NoFamily),
            };
            if let Err(why) = sent {
                let labels = [
                    ("topic", topic.clone().unwrap_or_else(|| "none".to_owned())),
                    ("reason", why.word().to_owned()),
                ];
                metrics::counter!("meridian_stream_failed_total", &labels).increment(1);
                let (id, kind) = (event.id.clone(), event.kind.clone());
                return (acknowledged, Some(Failure { id, kind, topic, why }));
            }
            acknowledged.push(event);
        }
        (acknowledged, None)
    }

    async fn send(
        &self,
        producer: &Client,
        event: &Event,
        topic: &str,
        call: Span,
    ) -> Result<(), Why> {
        if call.left() < self.event_within {
            return Err(Why::NotSent);
        }
        let record = FutureRecord::to(topic)
            .key(&event.key)
            .payload(&event.payload)
            .timestamp(event.occurred_at.as_millisecond())
            .headers(event.headers(&self.source));
        let event_time = Span::begin(self.event_within);
        // The library looks for what is too late once a second; a call waits no longer than it may.
        let delivery = producer.send(record, Duration::ZERO);
        match tokio::time::timeout(call.left(), delivery).await {
            Ok(Ok(_)) => {
                let labels = [("topic", topic.to_owned())];
                metrics::counter!("meridian_stream_published_total", &labels).increment(1);
                let seconds = event_time.passed().as_secs_f64();
                metrics::histogram!("meridian_stream_delivery_duration_seconds", &labels)
                    .record(seconds);
                Ok(())
            }
            Ok(Err((error, _))) => Err(Why::of(&error)),
            Err(_) => Err(Why::NoAnswer),
        }
    }
}

/// What an outcome says about the producer.
fn learned(outcome: &PublishError) -> Learned {
    let mut whys = outcome.failures.iter().map(|failure| failure.why);
    if whys.clone().any(|why| why == Why::Broken) {
        Learned::Broken
    } else if outcome.acknowledged.is_empty() && whys.any(|why| why == Why::NoAnswer) {
        Learned::Silent
    } else {
        Learned::Fine
    }
}

/// Each order's events, orders as they come up first.
fn by_order(events: &[Event]) -> Vec<Vec<&Event>> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut orders: Vec<Vec<&Event>> = Vec::new();
    for event in events {
        match places.entry(event.key.as_str()) {
            Entry::Occupied(place) => orders[*place.get()].push(event),
            Entry::Vacant(place) => {
                place.insert(orders.len());
                orders.push(vec![event]);
            }
        }
    }
    orders
}
