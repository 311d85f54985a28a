//! Meridian: the traveller-facing core of a travel company.
//!
//! The rooms, in reading order. `ARCHITECTURE.md` says who may call whom.

/// Real places, a generated schedule.
pub mod catalogue;
/// The only clock.
pub mod clock;
/// The command line and the environment.
pub mod config;
/// The house on one machine.
pub mod demo;
/// Pure values.
pub mod domain;
/// The JSON API.
pub mod http;
/// Who takes nobody new, and whether what is there is what the files say.
pub mod lifecycle;
/// One region's API and worker in this process.
pub mod node;
/// Bookings and their life.
pub mod orders;
/// Finding a place by what somebody types.
pub mod places;
/// What a seat costs.
pub mod pricing;
/// Keys, seals and the audit.
pub mod privacy;
/// What happened, on its way to whoever wants to be told.
pub mod relay;
/// From a question to offers.
pub mod search;
/// The database floor: only here is SQL known.
pub mod store;
/// Airlines and the payment provider, and a sandbox of them.
pub mod suppliers;
/// Logs, spans and metrics, without anything about a person.
pub mod telemetry;
/// Accounts and sessions.
pub mod travellers;
/// Pages for travellers.
pub mod web;
/// Where travellers' own programs are told what happens to their orders.
pub mod webhooks;
/// The region's worker.
pub mod worker;
