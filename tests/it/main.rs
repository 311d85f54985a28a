//! Stories on the public surface: real PostgreSQL, real HTTP, real DNS, real processes. Only other
//! companies are played, by the sandbox, which behaves badly on purpose.
//!
//! One server for the run, one migrated template, one database for each test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop loudly")]

#[path = "../../event-stream/tests/it/broker.rs"]
mod broker;
#[path = "../../event-stream/tests/it/line.rs"]
mod line;
#[expect(dead_code, reason = "the event stream's own stories need more")]
#[path = "../../event-stream/tests/it/log.rs"]
mod log;
#[path = "../../event-stream/tests/it/place.rs"]
mod place;

mod asker;
mod lab;

mod accounts;
mod audit;
mod booking;
mod endpoints;
mod idempotency;
mod input;
mod lifecycle;
mod moving;
mod origins;
mod processes;
mod receiver;
mod relay;
mod residence;
mod runbooks;
mod saga;
mod schema;
mod search;
mod statements;
mod stream;
mod telemetry;
mod transactions;
mod webhooks;
