//! From a packet to a packet: pure functions that every transport calls.
//!
//! There are two. [`fast`] handles the questions that nearly everybody asks, from prepared bytes
//! and without allocating; it declines all else, and [`respond`] handles everything, with hickory.
//! For a question that the first one answers, both say the same bytes; a test holds them together.

/// Server cookies.
pub(crate) mod cookie;

/// The usual questions, from prepared bytes.
pub(crate) mod fast;

/// Packet to question.
mod query;

/// Every question, with hickory.
mod respond;

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;

pub use fast::answer as respond_fast;
pub use respond::respond;
pub(crate) use respond::slip;

/// Largest answer over UDP in bytes, whatever the asker offers: what passes every path without
/// fragments (DNS flag day 2020).
pub(crate) const UDP_PAYLOAD_MAX: u16 = 1232;

/// Largest answer in bytes to an asker without EDNS (RFC 1035, 4.2.1).
pub(crate) const UDP_PAYLOAD_PLAIN: u16 = 512;

/// Bytes of a message's header (RFC 1035, 4.1.1).
const HEADER_BYTES: usize = 12;

/// The highest EDNS version there is (RFC 6891).
const EDNS_VERSION_MAX: u8 = 0;

/// Option codes of EDNS.
mod option {
    /// Name server identifier (RFC 5001).
    pub(super) const NSID: u16 = 3;
    /// Client subnet (RFC 7871).
    pub(super) const CLIENT_SUBNET: u16 = 8;
    /// Cookie (RFC 7873).
    pub(super) const COOKIE: u16 = 10;
    /// TCP keepalive (RFC 7828).
    pub(super) const KEEPALIVE: u16 = 11;
    /// Padding (RFC 7830).
    pub(super) const PADDING: u16 = 12;
}

/// How a packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// A datagram: the answer is cut to what the asker takes.
    Udp,
    /// A stream: 65535 bytes.
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
}

impl Transport {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Udp, Self::Tcp, Self::Tls, Self::Https];

    /// Its name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Https => "https",
        }
    }

    fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Https)
    }
}

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// Where the packet came from.
    pub source: IpAddr,
    /// How it came.
    pub transport: Transport,
    /// Seconds since 1970, for cookies.
    pub now: u32,
}

/// What kind of an answer it is; the same question asked often is the same kind and subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Records of a name, by its number.
    Records(u32),
    /// A name of ours without such records, by its number.
    NoData(u32),
    /// No such name, in a zone of ours by its number.
    NoName(u32),
    /// Not ours.
    Refused,
    /// The question is wrong.
    Error,
}

/// What an answer is, for the counters and for rate limits.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Its response code.
    pub rcode: ResponseCode,
    /// What kind of an answer.
    pub kind: Kind,
    /// The region it names, if it names one, by its place among the regions.
    pub region: Option<usize>,
    /// Whether that region was chosen although nothing inside the fence takes newcomers.
    pub fail_static: bool,
    /// Whether it was cut, so that the asker comes back over TCP.
    pub truncated: bool,
    /// Whether the asker showed a cookie of ours, and is who its address says.
    pub known: bool,
}

/// An answer ready to be sent.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The packet.
    pub bytes: Vec<u8>,
    /// What it is.
    pub outcome: Outcome,
}

/// Bytes of the smallest IP and UDP headers, which a forged flood pays for, too.
const HEADERS_BYTES: usize = 28;

/// The largest answer that an asker takes.
fn size_max(transport: Transport, payload: Option<u16>) -> u16 {
    match (transport, payload) {
        (Transport::Udp, None) => UDP_PAYLOAD_PLAIN,
        (Transport::Udp, Some(payload)) => payload.clamp(UDP_PAYLOAD_PLAIN, UDP_PAYLOAD_MAX),
        (Transport::Tcp | Transport::Tls | Transport::Https, _) => u16::MAX,
    }
}

/// The largest unsigned answer over UDP to somebody who may not be who the address says: with its
/// headers less than twice the question, so that forged questions are not worth the trouble. What
/// is larger comes over TCP, or to whoever shows a cookie.
fn size_max_stranger(question: &[u8]) -> usize {
    2 * (question.len() + HEADERS_BYTES) - HEADERS_BYTES - 1
}
