//! What happened to orders, told to a Kafka cluster.
//!
//! # Topics, keys, headers
//!
//! An event goes to the topic of its family: `order.confirmed` to `meridian.order`,
//! `payment.captured` to `meridian.payment`. Its key is its order, so that all of an order's events
//! in a topic lie in one partition, and in the same partition of every topic that has as many. Its
//! headers are those of a CloudEvent in binary mode.
//!
//! # The contract
//!
//! **At least once.** [`EventStream::publish`] says `Ok` only when every event is acknowledged by
//! all in-sync replicas. After an error nothing is claimed but what [`PublishError::acknowledged`]
//! names; the rest may be in the log, or come later, and has to be published again. Whoever reads
//! tells duplicates by the event's id.
//!
//! **In order, per order.** An event is handed to the client library only after the log has
//! acknowledged every earlier event of its order in the call, whichever topics they went to. So
//! after a failed event no later one of its order is sent; other orders go on. Whoever calls keeps
//! the other half: events of an order are given in their order, and none before those ahead of it
//! were acknowledged to somebody. Then, however many publish the same events, however often, and
//! whoever of them dies: *when an event is in the log, all earlier events of its order already
//! are.* A reader that drops the ids it has seen gets an order's events of one topic in their
//! order. Across topics a reader may be further along in one than in the other: there the event's
//! number within its order decides, and what is missing is already on its way.
//!
//! **In time.** A call ends within [`StreamConfig::publish_within`], which has to be shorter than
//! the lease under which the caller publishes. An event is given half of it; a call whose first
//! half is over sends no further event. A call that is dropped claims nothing.
//!
//! The order needs no promise of the client library: not that it never reorders, not that a batch
//! fails as one. Its idempotent producer only keeps its own repetitions out of the log.

mod clock;
mod config;
mod error;
mod event;
mod producer;
mod stream;

pub use config::{Login, Security, StreamConfig};
pub use error::{ConfigError, Failure, PublishError, Why};
pub use event::Event;
pub use stream::EventStream;
