//! The name server as a resolver sees it: real questions over UDP and TCP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop loudly")]

mod asker;
mod cities;
mod fence;
mod health;
mod protocol;
mod subnet;
