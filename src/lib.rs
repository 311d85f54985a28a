//! Meridian: the traveller-facing core of a travel company.
//!
//! The rooms, in reading order. `ARCHITECTURE.md` says who may call whom.

/// The command line and the environment.
pub mod config;
/// The only clock.
pub mod clock;
/// Logs, spans and metrics, without anything about a person.
pub mod telemetry;
/// Pure values.
pub mod domain;
/// The database floor: only here is SQL known.
pub mod store;
/// Real places, a generated schedule.
pub mod catalogue;
/// Finding a place by what somebody types.
pub mod places;
/// Airlines and the payment provider, and a sandbox of them.
pub mod suppliers;
/// What a seat costs.
pub mod pricing;
/// From a question to offers.
pub mod search;
/// Keys, seals and the audit.
pub mod privacy;
/// Accounts and sessions.
pub mod travellers;
/// Bookings and their life.
pub mod orders;
/// The region's worker.
pub mod worker;
/// The JSON API.
pub mod http;
/// Pages for travellers.
pub mod web;
/// One region's API and worker in this process.
pub mod node;
/// The house on one machine.
pub mod demo;
