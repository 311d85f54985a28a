//! Reads a question packet from its raw bytes, and says what is wrong with it.
//!
//! hickory's own message type gives up on a client subnet it does not know and forgets that the
//! asker spoke EDNS, and it accepts options that RFC 7871 tells a server to refuse. So the records
//! are walked here, and only names and types are left to hickory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Header, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};

use super::cookie::{CLIENT_BYTES, COOKIE_BYTES_MAX};
use super::{EDNS_VERSION_MAX, option};
use crate::location::Subnet;
use crate::policy::Client;

/// Bytes that a server's half of a cookie has at least (RFC 7873, 4).
const SERVER_HALF_MIN: usize = 8;

/// A question as far as it could be read.
pub(super) struct Asked {
    pub(super) metadata: Metadata,
    pub(super) question: Option<Query>,
    pub(super) edns: Option<Edns>,
    /// What to refuse it with, when something is wrong.
    pub(super) fault: Option<ResponseCode>,
}

/// What the asker said in its OPT record.
#[derive(Default)]
pub(super) struct Edns {
    /// Bytes of the largest answer it takes over UDP.
    pub(super) payload: u16,
    pub(super) dnssec_ok: bool,
    pub(super) subnet: Option<AskedSubnet>,
    /// The whole cookie, of a length that RFC 7873 knows.
    pub(super) cookie: Option<Vec<u8>>,
    pub(super) nsid: bool,
    pub(super) keepalive: bool,
    pub(super) padding: bool,
}

/// A client subnet option that RFC 7871 finds nothing wrong with.
pub(super) struct AskedSubnet {
    pub(super) client: Client,
    /// The option as it came, for the echo.
    raw: Vec<u8>,
}

impl AskedSubnet {
    /// The option of the answer: family, source and address as asked, and the scope.
    pub(super) fn echo(&self, scope: u8) -> Vec<u8> {
        let mut echo = self.raw.clone();
        echo[3] = scope;
        echo
    }
}

/// Reads a packet. `None` is for what must not be answered at all: too short to be a message, or
/// itself an answer, which two servers could throw at each other for ever.
pub(super) fn read(packet: &[u8]) -> Option<Asked> {
    let mut decoder = BinDecoder::new(packet);
    let header = Header::read(&mut decoder).ok()?;
    if header.metadata.message_type == MessageType::Response {
        return None;
    }
    let mut asked = Asked { metadata: header.metadata, question: None, edns: None, fault: None };
    let walked = walk(&mut decoder, &header, &mut asked);
    asked.fault = if header.metadata.op_code != OpCode::Query {
        // An unknown operation may well have an unknown body, so this comes before its faults.
        Some(ResponseCode::NotImp)
    } else {
        walked.err().map(|fault| fault.0)
    };
    Some(asked)
}

/// The code to refuse with.
struct Fault(ResponseCode);

impl From<DecodeError> for Fault {
    fn from(_: DecodeError) -> Self {
        Self(ResponseCode::FormErr)
    }
}

/// Walks the sections. Whatever was read before a fault stays in `asked`, so that the refusal can
/// repeat the question and speak EDNS.
fn walk(decoder: &mut BinDecoder<'_>, header: &Header, asked: &mut Asked) -> Result<(), Fault> {
    // RFC 9619: a query has exactly one question. RFC 7873, 5.4: or none, to ask for a cookie.
    match header.counts.queries {
        0 => {}
        1 => asked.question = Some(Query::read(decoder)?),
        _ => return Err(Fault(ResponseCode::FormErr)),
    }
    for _ in 0..u32::from(header.counts.answers) + u32::from(header.counts.authorities) {
        skip_record(decoder)?;
    }
    let mut fault = None;
    for _ in 0..header.counts.additionals {
        let record = skip_record(decoder)?;
        if record.rtype != RecordType::OPT {
            continue;
        }
        // RFC 6891, 6.1.1: one OPT, owned by the root.
        if asked.edns.is_some() || !record.name.is_root() {
            asked.edns.get_or_insert_default();
            return Err(Fault(ResponseCode::FormErr));
        }
        let edns = asked.edns.insert(Edns {
            payload: record.class,
            dnssec_ok: record.ttl & 0x8000 != 0,
            ..Edns::default()
        });
        let [_, version, ..] = record.ttl.to_be_bytes();
        fault = if version > EDNS_VERSION_MAX {
            // The options of a version nobody knows are not looked at.
            Some(ResponseCode::BADVERS)
        } else {
            options(record.data, edns).err()
        };
    }
    // Nothing may follow the records that were announced.
    if !decoder.is_empty() {
        return Err(Fault(fault.unwrap_or(ResponseCode::FormErr)));
    }
    let for_nothing =
        asked.question.is_none() && asked.edns.as_ref().is_none_or(|edns| edns.cookie.is_none());
    match fault {
        None if for_nothing => Err(Fault(ResponseCode::FormErr)),
        None => Ok(()),
        Some(code) => Err(Fault(code)),
    }
}

struct RawRecord<'a> {
    name: Name,
    rtype: RecordType,
    class: u16,
    ttl: u32,
    data: &'a [u8],
}

fn skip_record<'a>(decoder: &mut BinDecoder<'a>) -> Result<RawRecord<'a>, DecodeError> {
    let name = Name::read(decoder)?;
    let rtype = RecordType::read(decoder)?;
    let class = decoder.read_u16()?.unverified();
    let ttl = decoder.read_u32()?.unverified();
    let length = decoder.read_u16()?.unverified();
    let data = decoder.read_slice(usize::from(length))?.unverified();
    Ok(RawRecord { name, rtype, class, ttl, data })
}

/// Walks the options of an OPT record; those that mean nothing to us are ignored, as RFC 6891 asks.
fn options(mut data: &[u8], edns: &mut Edns) -> Result<(), ResponseCode> {
    while !data.is_empty() {
        let (code, value, rest) = next_option(data).ok_or(ResponseCode::FormErr)?;
        match code {
            option::CLIENT_SUBNET => {
                let client = subnet(value).ok_or(ResponseCode::FormErr)?;
                // Two of them contradict each other; there is no telling which one is meant.
                let option = AskedSubnet { client, raw: value.to_vec() };
                if edns.subnet.replace(option).is_some() {
                    edns.subnet = None;
                    return Err(ResponseCode::FormErr);
                }
            }
            option::COOKIE if !is_cookie(value) => return Err(ResponseCode::FormErr),
            option::COOKIE => drop(edns.cookie.get_or_insert_with(|| value.to_vec())),
            option::NSID => edns.nsid = true,
            option::KEEPALIVE => edns.keepalive = true,
            option::PADDING => edns.padding = true,
            _ => {}
        }
        data = rest;
    }
    Ok(())
}

/// The first option's code and value, and what follows.
pub(super) fn next_option(data: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (head, rest) = data.split_at_checked(4)?;
    let code = u16::from_be_bytes([head[0], head[1]]);
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (value, rest) = rest.split_at_checked(length)?;
    Some((code, value, rest))
}

/// Whether it has the length of a client's half or of a whole cookie (RFC 7873, 4).
pub(super) fn is_cookie(value: &[u8]) -> bool {
    let whole = CLIENT_BYTES + SERVER_HALF_MIN..=COOKIE_BYTES_MAX;
    value.len() == CLIENT_BYTES || whole.contains(&value.len())
}

/// Reads a client subnet option by the rules of RFC 7871, 6 and 7.1.2; `None` breaks one.
pub(super) fn subnet(option: &[u8]) -> Option<Client> {
    let (head, address) = option.split_at_checked(4)?;
    let (family, source, scope) = (u16::from_be_bytes([head[0], head[1]]), head[2], head[3]);
    if scope != 0 || address.len() != usize::from(source).div_ceil(8) {
        return None;
    }
    let mut bytes = [0; 16];
    bytes.get_mut(..address.len())?.copy_from_slice(address);
    let [a, b, c, d, ..] = bytes;
    let whole: IpAddr = match family {
        // What `dig +subnet=0` sends: no family, no bits; an opt-out like the other two.
        0 if source == 0 => return Some(Client::Unknown),
        1 => Ipv4Addr::from([a, b, c, d]).into(),
        2 => Ipv6Addr::from(bytes).into(),
        _ => return None,
    };
    let masked = Subnet::new(whole, source)?;
    if masked.address() != whole {
        return None;
    }
    Some(if source == 0 { Client::Unknown } else { Client::Address(whole) })
}
