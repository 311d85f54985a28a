//! The name server as a resolver sees it: real questions over UDP and TCP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop loudly")]

#[expect(dead_code, reason = "the bench asks more of it")]
#[path = "../../benches/dns/addresses.rs"]
mod addresses;
mod asker;
mod cities;
mod dnssec;
mod encrypted;
mod fence;
mod geography;
mod health;
#[expect(dead_code, reason = "the bench asks more of it")]
#[path = "../../benches/dns/mmdb.rs"]
mod mmdb;
mod paths;
mod protocol;
mod shares;
mod subnet;
mod zones;
