//! The house on one machine: its database, its regions, its GeoDNS, and a tour through it.

pub mod bundle;
pub mod postgres;
pub mod progress;
pub mod house;
pub mod client;
pub mod tour;
