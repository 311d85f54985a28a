//! Signed evidence that anybody can check offline, with the public key alone and without trusting
//! whoever made it: canonical JSON, hash chains, Merkle trees, signed checkpoints, and bundles of
//! them. `docs/evidence.md` says every byte of it, so that a stranger could write another verifier.
//!
//! Nothing here knows a database, a network or a clock.

/// A bundle: a directory or a ZIP whose every byte is accounted for.
pub mod bundle;
/// One way to write a value down (RFC 8785).
pub mod canonical;
/// Records that each carry the hash of the one before.
pub mod chain;
/// How far a chain went, signed.
pub mod checkpoint;
/// Goes over a bundle's files, line by line.
mod contents;
/// One hash for many records, and a short proof for each (RFC 6962).
pub mod merkle;
/// Signatures: Ed25519 (RFC 8032) in DSSE envelopes.
pub mod signing;
/// Whether a bundle is sound, and if not, where it begins to be wrong.
pub mod verify;
