//! Stories of the stream: against the client library's own mock cluster, which can be told to
//! fail, and against a real broker on this machine, through a line that can be cut.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop loudly")]

mod broker;
mod line;
mod log;
mod place;

mod chance;
mod errors;
mod kafka;
#[cfg(feature = "tls")]
mod tls;
