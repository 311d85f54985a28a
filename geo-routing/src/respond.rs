//! From a packet to a packet: the pure function that every transport calls.
//!
//! It holds the rules of the protocol (header bits, EDNS, sizes); which region is answered is the
//! table's business, and sockets are the server's.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, ResponseCode};
use hickory_proto::rr::DNSClass;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};
use meridian_regions::RegionId;

use crate::query::{self, Asked, OPTION_CLIENT_SUBNET};
use crate::table::{Client, RoutingTable};

/// Largest answer over UDP in bytes, whatever the asker offers: what passes every path without
/// fragments (DNS flag day 2020).
const UDP_PAYLOAD_MAX: u16 = 1232;

/// Largest answer in bytes to an asker without EDNS (RFC 1035, 4.2.1).
const UDP_PAYLOAD_PLAIN: u16 = 512;

/// How a packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: the answer is cut to what the asker takes.
    Udp,
    /// A stream: 65535 bytes.
    Tcp,
}

/// An answer ready to be sent, and what the counters want to know of it.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The packet.
    pub bytes: Vec<u8>,
    /// Its response code.
    pub rcode: ResponseCode,
    /// The region it names, if it names one.
    pub region: Option<RegionId>,
    /// Whether that region was chosen although nothing inside the fence takes newcomers.
    pub fail_static: bool,
    /// Whether it was cut, so that the asker comes back over TCP.
    pub truncated: bool,
}

/// Answers a packet that came from `source`. `None` means silence: it was no question.
pub fn respond(
    table: &RoutingTable,
    packet: &[u8],
    source: IpAddr,
    transport: Transport,
) -> Option<Reply> {
    let asked = query::read(packet)?;
    let mut message =
        Message::new(asked.metadata.id, MessageType::Response, asked.metadata.op_code);
    message.metadata = reflect(&asked.metadata, asked.fault.unwrap_or(ResponseCode::NoError));
    let (mut region, mut fail_static) = (None, false);
    let mut scope = None;
    if let (Some(question), None) = (&asked.question, asked.fault) {
        let subnet = asked.edns.as_ref().and_then(|edns| edns.subnet.as_ref());
        let client = subnet.map_or(Client::Address(source), |subnet| subnet.client);
        scope = Some(0);
        if question.query_class() == DNSClass::IN {
            let answer = table.answer(question.name(), question.query_type(), client);
            message.metadata.response_code = answer.rcode;
            message.metadata.authoritative = answer.authoritative();
            scope = Some(answer.scope);
            (region, fail_static) = (answer.region, answer.fail_static);
            message.answers = answer.answers;
            message.authorities = answer.authorities;
            message.additionals = answer.additionals;
        } else {
            message.metadata.response_code = ResponseCode::Refused;
        }
    }
    message.queries.extend(asked.question.clone());
    message.edns = edns(&asked, scope);
    let rcode = message.metadata.response_code;
    let (bytes, truncated) = fit(message, size_max(&asked, transport));
    Some(Reply { bytes, rcode, region, fail_static, truncated })
}

/// The header of an answer: id, opcode, RD and CD as asked; RA and AD stay clear.
fn reflect(asked: &Metadata, rcode: ResponseCode) -> Metadata {
    let mut metadata = Metadata::new(asked.id, MessageType::Response, asked.op_code);
    metadata.recursion_desired = asked.recursion_desired;
    metadata.checking_disabled = asked.checking_disabled;
    metadata.response_code = rcode;
    metadata
}

/// The OPT record of an answer: there is one if and only if there was one in the question. The
/// client subnet is repeated in every answer, but not in the refusal of a faulty question.
fn edns(asked: &Asked, scope: Option<u8>) -> Option<Edns> {
    let theirs = asked.edns.as_ref()?;
    let mut ours = Edns::new();
    ours.set_max_payload(UDP_PAYLOAD_MAX);
    ours.set_dnssec_ok(theirs.dnssec_ok);
    if let (Some(scope), Some(subnet)) = (scope, &theirs.subnet) {
        let echo = EdnsOption::Unknown(OPTION_CLIENT_SUBNET, subnet.echo(scope));
        ours.options_mut().insert(echo);
    }
    Some(ours)
}

fn size_max(asked: &Asked, transport: Transport) -> u16 {
    match (transport, &asked.edns) {
        (Transport::Tcp, _) => u16::MAX,
        (Transport::Udp, None) => UDP_PAYLOAD_PLAIN,
        (Transport::Udp, Some(edns)) => edns.payload.clamp(UDP_PAYLOAD_PLAIN, UDP_PAYLOAD_MAX),
    }
}

/// Encodes within a size. Glue goes first and silently, as it is a courtesy; then all records go
/// and TC is set. hickory would cut the OPT record first, and with it the client subnet.
fn fit(mut message: Message, size_max: u16) -> (Vec<u8>, bool) {
    if let Some(bytes) = encode(&message, size_max) {
        return (bytes, false);
    }
    message.additionals.clear();
    if let Some(bytes) = encode(&message, size_max) {
        return (bytes, false);
    }
    let cut = message.truncate();
    (encode(&cut, size_max).expect("a header, one question and an OPT are below 512 bytes"), true)
}

fn encode(message: &Message, size_max: u16) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::from(UDP_PAYLOAD_PLAIN));
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(u16::MAX);
    message.emit(&mut encoder).ok()?;
    (bytes.len() <= usize::from(size_max)).then_some(bytes)
}
