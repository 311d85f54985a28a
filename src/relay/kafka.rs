//! The event stream as a Kafka cluster of the region; `docs/events.md` says what readers find.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use meridian_event_stream as stream;
use meridian_event_stream::{ConfigError, EventStream, StreamConfig};

use super::{EventSink, LEASE, NotPublished};
use crate::domain::event::{Event, EventId, Subject};

/// Longest that a batch may take: less than what a sink has of the lease.
pub const PUBLISH_WITHIN: Duration = Duration::from_millis(4500);
const _: () = assert!(PUBLISH_WITHIN.as_millis() < LEASE.as_millis() / 2);

/// A Kafka cluster that is told what happens to orders.
pub struct Kafka(EventStream);

impl Kafka {
    /// Opens the stream; the brokers are reached later.
    pub fn open(config: &StreamConfig) -> Result<Self, ConfigError> {
        EventStream::open(config).map(Self)
    }
}

#[async_trait]
impl EventSink for Kafka {
    async fn publish(&self, events: &[Event]) -> Result<(), NotPublished> {
        let records: Vec<stream::Event> = events.iter().map(record).collect();
        self.0.publish(&records).await.map_err(|error| {
            let ids: HashMap<String, EventId> =
                events.iter().map(|event| (event.id.to_string(), event.id)).collect();
            let taken = error.acknowledged.iter().filter_map(|id| ids.get(id).copied()).collect();
            NotPublished { why: error.to_string(), taken }
        })
    }
}

/// The same id and the same bytes as a webhook's.
fn record(event: &Event) -> stream::Event {
    let key = match &event.subject {
        Subject::Order(order, _) => order.to_string(),
        Subject::Endpoint(endpoint) => endpoint.to_string(),
    };
    stream::Event {
        id: event.id.to_string(),
        kind: event.name.clone(),
        key,
        seq: event.id.seq,
        occurred_at: event.occurred_at,
        payload: event.body(),
        traceparent: None,
    }
}
