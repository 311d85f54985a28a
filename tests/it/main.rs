//! Stories on the public surface: real PostgreSQL, real HTTP, real DNS, real processes. Only other
//! companies are played, by the sandbox, which behaves badly on purpose.
//!
//! One server for the run, one migrated template, one database for each test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop loudly")]

mod lab;
mod asker;

mod residence;
mod accounts;
mod search;
mod booking;
mod idempotency;
mod saga;
mod transactions;
mod schema;
mod audit;
mod input;
mod telemetry;
mod statements;
mod processes;
