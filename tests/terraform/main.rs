//! Terraform itself, run for real: what it refuses, what it computes, what it would change.
//!
//! What needs Terraform on the PATH is marked as ignored: `make terraform-test`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop loudly")]

/// Region files of another revision.
mod revision;

/// Terraform in a directory.
mod root;

/// What it makes of the files.
mod records;

/// What Route 53 makes of that.
mod model;

/// Bad input.
mod fixtures;

/// Route 53 and our own server.
mod one_truth;

/// What a step of a region's life changes.
mod blast;

/// What a state knows things by.
mod addresses;

/// Renames that say so, and those that do not.
mod moved;
