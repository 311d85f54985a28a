//! The house on one machine: its database, its regions, its GeoDNS, and a tour through it.

pub mod bundle;
pub mod client;
pub mod house;
pub mod postgres;
pub mod progress;
pub mod tour;
