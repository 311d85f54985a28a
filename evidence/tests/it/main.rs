//! Bundles that somebody laid hands on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop loudly")]

mod mutant;
mod tampering;
