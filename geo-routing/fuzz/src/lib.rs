//! What the fuzz targets share: tables to ask, questions to ask them, and what must hold of every
//! answer.
//!
//! The targets themselves are in `fuzz_targets/`; `scripts/fuzz-dns` builds and runs them. Nothing
//! here knows how the name server does its work: packets are walked by a reader of this crate's
//! own, so that a mistake of the server's is not made twice.

/// Tables to ask, made once a process.
pub mod worlds;

/// A reader of packets that trusts nobody.
pub mod walk;

/// What must hold of every answer.
pub mod verdict;

/// Questions made of parts, so that chance gets past the first check.
pub mod recipe;

/// Bytes to who asks which table what.
pub mod input;

/// Zone files, and questions to what became of them.
pub mod parish;
