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
mod authority;
mod lab;
mod recorder;

#[path = "../chaos/chance.rs"]
#[expect(dead_code, reason = "chaos needs more of it")]
mod chance;
#[path = "../chaos/proxy.rs"]
#[expect(dead_code, reason = "chaos needs more of it")]
mod proxy;
#[path = "../chaos/wire.rs"]
mod wire;

mod accounts;
mod audit;
mod booking;
mod callbacks;
mod changes;
mod cluster;
mod commits;
mod crashes;
mod endpoints;
mod evidence;
mod forwarding;
mod idempotency;
mod input;
mod keys;
mod ledger;
mod lifecycle;
mod links;
mod listing;
mod matrix;
mod moving;
mod nonsense;
mod origins;
mod outage;
mod oversell;
mod processes;
mod protocol;
mod receiver;
mod relay;
mod residence;
mod retention;
mod rights;
mod rows;
mod runbooks;
mod saga;
mod schema;
mod search;
mod staff;
mod standing;
mod statements;
mod stream;
mod suppliers;
mod telemetry;
mod transactions;
mod webhooks;
mod whole_life;
