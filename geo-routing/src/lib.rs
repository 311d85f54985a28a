//! Authoritative GeoDNS: which region a traveller's resolver is told.
//!
//! The decision is pure and made ahead of time: a [`RoutingTable`] is an immutable snapshot
//! compiled from the regions, the zone and what is known of each region's health, and answering a
//! packet is a function of that table and the packet. The sockets and the prober stand around it
//! and only ever swap one table for the next.
//!
//! It is a preference, not a control: one address in a hundred is placed differently by different
//! databases, and travellers travel. The node that receives a request enforces the law again.

// In reading order; the blank lines keep the formatter from sorting it.

/// The only clock.
mod clock;

/// Where an address is.
mod location;

/// Which region, and why.
mod policy;

/// Which names there are.
mod zone;

/// All decisions, made ahead: the immutable snapshot.
mod table;

/// Packet to question.
mod query;

/// Packet to packet.
mod respond;

/// The sockets around it.
mod server;

/// The prober that moves it.
mod health;

/// A resolver in one question.
mod client;

/// Twenty cities of the world with a network in each one's country: `city,country,lat,lon,subnet`.
pub const CITIES: &str = include_str!("../data/cities.csv");

pub use client::{AskError, ask};
pub use health::{Prober, ProberConfig};
pub use location::{Geography, Location, Place, Subnet, SubnetError, TableError};
pub use policy::{Candidate, Condition, Explanation, Live, Skip, Whereabouts};
pub use respond::{Reply, Transport, respond};
pub use server::datagram;
pub use server::{Control, Counts, Handle, Server, ServerConfig, ServerError};
pub use table::{Answer, Client, RoutingTable, explain};
pub use zone::{Zone, ZoneError};
