//! Authoritative GeoDNS: which region a traveller's resolver is told.
//!
//! The decision is pure and made ahead of time: a [`RoutingTable`] is an immutable snapshot
//! compiled from the regions, the zones and what is known of each region's health, and answering a
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

/// Signatures and proofs.
mod dnssec;

/// What does not change with health.
mod ground;

/// All decisions, made ahead: the immutable snapshot.
mod table;

/// A decision in words.
mod explain;

/// Packet to packet.
mod answer;

/// How often one network is told the same.
mod limit;

/// What was answered, counted.
mod metrics;

/// What outlives the process.
mod state;

/// The sockets around it.
mod server;

/// The prober that moves it.
mod health;

/// A resolver in one question.
mod client;

/// The command line.
mod cli;

/// Twenty cities of the world with a network in each one's country: `city,country,lat,lon,subnet`.
pub const CITIES: &str = include_str!("../data/cities.csv");

pub use answer::cookie::{Secret, SecretError};
pub use answer::{Asker, Kind, Outcome, Reply, Transport, respond, respond_fast};
pub use cli::{Cli, Outcome as CliOutcome};
pub use client::{AskError, Resolved, ask, resolve};
pub use dnssec::{KeyError, Published, make_key};
pub use explain::{Candidate, Explanation};
pub use ground::{Ground, GroundError, Manners, Sources};
pub use health::{Prober, ProberConfig};
pub use limit::RateLimit;
pub use location::{DatabaseError, Geography, Subnet, SubnetError, TableError, Whereabouts};
pub use metrics::Counts;
pub use policy::{Client, Condition, Live, Skip, Steering};
pub use server::datagram;
pub use server::{
    AdminConfig, AdminError, Control, Encrypted, Files, FilesError, Handle, Loads, RegionStatus,
    Server, ServerConfig, ServerError, Status, TlsError, TlsFiles,
};
pub use state::{Override, Overrides, StateDir, StateError};
pub use table::{Answer, RoutingTable};
pub use zone::{Zone, ZoneError};
