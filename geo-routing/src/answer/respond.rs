//! Every question, with hickory: what is rare, odd or wrong, and the measure of the fast path.
//!
//! It holds the rules of the protocol (header bits, EDNS, sizes); which region is answered is the
//! table's business.

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};

use super::cookie::CLIENT_BYTES;
use super::query::{self, Asked};
use super::{Asker, HEADER_BYTES, Kind, Outcome, Reply, Transport};
use super::{UDP_PAYLOAD_MAX, UDP_PAYLOAD_PLAIN};
use super::{option, size_max, size_max_stranger};
use crate::ground::Manners;
use crate::policy::Client;
use crate::table::RoutingTable;

/// What a client of a stream is told to close an idle connection after, in tenths of a second
/// (RFC 7828): as long as the server waits.
const KEEPALIVE: u16 = 100;

/// Answers on encrypted transports are filled up to a multiple of this (RFC 8467, 4.1).
const PADDING_BLOCK: usize = 468;

/// Answers a packet. `None` means silence: it was no question.
pub fn respond(table: &RoutingTable, packet: &[u8], asker: &Asker) -> Option<Reply> {
    let asked = query::read(packet)?;
    let manners = &table.ground().manners;
    let mut message =
        Message::new(asked.metadata.id, MessageType::Response, asked.metadata.op_code);
    message.metadata = reflect(&asked.metadata, asked.fault.unwrap_or(ResponseCode::NoError));
    let mut outcome = Outcome {
        rcode: message.metadata.response_code,
        kind: Kind::Error,
        region: None,
        fail_static: false,
        truncated: false,
        known: false,
    };
    let mut scope = None;
    if let (Some(question), None) = (&asked.question, asked.fault) {
        scope = Some(0);
        outcome.kind = Kind::Refused;
        if question.query_class() == DNSClass::IN {
            let edns = asked.edns.as_ref();
            let subnet = edns.and_then(|edns| edns.subnet.as_ref());
            let client = subnet.map_or(Client::Address(asker.source), |subnet| subnet.client);
            let dnssec_ok = edns.is_some_and(|edns| edns.dnssec_ok);
            let (name, qtype) = (question.name().to_lowercase(), question.query_type());
            let answer = table.answer(&name, qtype, client, dnssec_ok);
            message.metadata.response_code = answer.rcode;
            message.metadata.authoritative = answer.authoritative();
            scope = Some(answer.scope);
            outcome.kind = answer.kind;
            (outcome.region, outcome.fail_static) = (answer.region, answer.fail_static);
            message.answers = answer.answers;
            message.authorities = answer.authorities;
            message.additionals = answer.additionals;
        } else {
            message.metadata.response_code = ResponseCode::Refused;
        }
    }
    outcome.known = shows_cookie(&asked, manners, asker);
    if asked.question.is_none() && asked.fault.is_none() {
        scope = Some(0);
        message.metadata.response_code = cookie_only(&asked, manners, outcome.known);
    }
    message.queries.extend(asked.question.as_ref().map(in_lower_case));
    message.edns = edns(&asked, scope, manners, asker);
    outcome.rcode = message.metadata.response_code;
    let mut size_max = size_max(asker.transport, asked.edns.as_ref().map(|edns| edns.payload));
    if asker.transport == Transport::Udp && !outcome.known {
        let size_max_stranger = u16::try_from(size_max_stranger(packet)).unwrap_or(u16::MAX);
        if !is_signed(&message) {
            size_max = size_max.min(size_max_stranger);
        } else if encode(&message, size_max_stranger).is_none() {
            // Signatures are what was asked for; glue is not.
            message.additionals.clear();
        }
    }
    let padded = asker.transport.is_encrypted() && asked.edns.is_some_and(|edns| edns.padding);
    let (mut bytes, truncated) = fit(message, size_max, padded);
    if let Some(question) = &asked.question {
        restore_case(question, &mut bytes);
    }
    outcome.truncated = truncated;
    Some(Reply { bytes, outcome })
}

fn is_signed(message: &Message) -> bool {
    let records = message.answers.iter().chain(&message.authorities);
    records.into_iter().any(|record| record.record_type() == RecordType::RRSIG)
}

/// The answer to a question for nothing but a cookie (RFC 7873, 5.4).
fn cookie_only(asked: &Asked, manners: &Manners, known: bool) -> ResponseCode {
    let cookie = asked.edns.as_ref().and_then(|edns| edns.cookie.as_ref());
    let client_only = cookie.is_some_and(|cookie| cookie.len() == CLIENT_BYTES);
    match &manners.cookies {
        None => ResponseCode::FormErr,
        Some(_) if known || client_only => ResponseCode::NoError,
        Some(_) => ResponseCode::BADCOOKIE,
    }
}

/// What an asker over its rate is sent now and then: that it show its cookie again if it has one
/// (BADCOOKIE), else that it come back over TCP. The second value says which.
pub(crate) fn slip(table: &RoutingTable, packet: &[u8], asker: &Asker) -> Option<(Vec<u8>, bool)> {
    let asked = query::read(packet)?;
    let manners = &table.ground().manners;
    let has_cookie = asked.edns.as_ref().is_some_and(|edns| edns.cookie.is_some());
    let asks_cookie = has_cookie && manners.cookies.is_some();
    let rcode = if asks_cookie { ResponseCode::BADCOOKIE } else { ResponseCode::NoError };
    let mut message =
        Message::new(asked.metadata.id, MessageType::Response, asked.metadata.op_code);
    message.metadata = reflect(&asked.metadata, rcode);
    message.metadata.truncation = !asks_cookie;
    message.queries.extend(asked.question.clone());
    message.edns = edns(&asked, Some(0), manners, asker);
    Some((encode(&message, UDP_PAYLOAD_MAX)?, asks_cookie))
}

/// The header of an answer: id, opcode, RD and CD as asked; RA and AD stay clear.
fn reflect(asked: &Metadata, rcode: ResponseCode) -> Metadata {
    let mut metadata = Metadata::new(asked.id, MessageType::Response, asked.op_code);
    metadata.recursion_desired = asked.recursion_desired;
    // The bit means something in queries only.
    metadata.checking_disabled = asked.checking_disabled && asked.op_code == OpCode::Query;
    metadata.response_code = rcode;
    metadata
}

/// The OPT record of an answer: there is one if and only if there was one in the question. The
/// client subnet is repeated in every answer, but not in the refusal of a faulty question.
fn edns(asked: &Asked, scope: Option<u8>, manners: &Manners, asker: &Asker) -> Option<Edns> {
    let theirs = asked.edns.as_ref()?;
    let mut ours = Edns::new();
    ours.set_max_payload(UDP_PAYLOAD_MAX);
    ours.set_dnssec_ok(theirs.dnssec_ok);
    let Some(scope) = scope else {
        return Some(ours);
    };
    let mut say = |code, value| ours.options_mut().insert(EdnsOption::Unknown(code, value));
    if let Some(subnet) = &theirs.subnet {
        say(option::CLIENT_SUBNET, subnet.echo(scope));
    }
    if let (Some(cookie), Some(secret)) = (&theirs.cookie, &manners.cookies) {
        let client = cookie.first_chunk::<CLIENT_BYTES>().expect("its length was checked");
        say(option::COOKIE, secret.make(*client, asker.source, asker.now).to_vec());
    }
    if let (true, Some(nsid)) = (theirs.nsid, &manners.nsid) {
        say(option::NSID, nsid.clone());
    }
    if theirs.keepalive && matches!(asker.transport, Transport::Tcp | Transport::Tls) {
        say(option::KEEPALIVE, KEEPALIVE.to_be_bytes().to_vec());
    }
    Some(ours)
}

fn shows_cookie(asked: &Asked, manners: &Manners, asker: &Asker) -> bool {
    let cookie = asked.edns.as_ref().and_then(|edns| edns.cookie.as_ref());
    let (Some(cookie), Some(secret)) = (cookie, &manners.cookies) else {
        return false;
    };
    secret.is_good(cookie, asker.source, asker.now)
}

/// The question as names are kept. All names are compressed against it, whatever the case it was
/// asked in, and take that case when it is restored: one name is one name (RFC 4343).
fn in_lower_case(question: &Query) -> Query {
    let mut lower = Query::query(question.name().to_lowercase(), question.query_type());
    lower.set_query_class(question.query_class());
    lower
}

/// Writes the name of the question as it was asked, which some resolvers check (0x20).
fn restore_case(question: &Query, bytes: &mut [u8]) {
    let mut at = HEADER_BYTES;
    for label in question.name().iter() {
        bytes[at + 1..=at + label.len()].copy_from_slice(label);
        at += 1 + label.len();
    }
}

/// Encodes within a size. Glue goes first and silently, as it is a courtesy, and so is what an
/// alias leads to; then all records go and TC is set. hickory would cut the OPT record first, and
/// with it the client subnet.
fn fit(mut message: Message, size_max: u16, padded: bool) -> (Vec<u8>, bool) {
    if padded {
        pad(&mut message, size_max);
    }
    if let Some(bytes) = encode(&message, size_max) {
        return (bytes, false);
    }
    message.additionals.clear();
    if let Some(bytes) = encode(&message, size_max) {
        return (bytes, false);
    }
    if leave_the_alias(&mut message)
        && let Some(bytes) = encode(&message, size_max)
    {
        return (bytes, false);
    }
    let mut cut = message.truncate();
    // What is said beside the answer goes before the asker goes without one.
    for code in [option::NSID, option::COOKIE] {
        if let Some(bytes) = encode(&cut, size_max) {
            return (bytes, true);
        }
        if let Some(edns) = &mut cut.edns {
            edns.options_mut().remove(EdnsCode::from(code));
        }
    }
    (encode(&cut, u16::MAX).expect("a header, one question and an OPT can be encoded"), true)
}

/// Leaves only the alias of an answer that follows one; whoever asked will ask on. False if there
/// is nothing to leave out.
fn leave_the_alias(message: &mut Message) -> bool {
    let owner = message.queries.first().map(Query::name).cloned();
    let is_alias = message.answers.first().is_some_and(|it| it.record_type() == RecordType::CNAME);
    let before = message.answers.len() + message.authorities.len();
    if is_alias {
        message.answers.retain(|record| Some(&record.name) == owner.as_ref());
        message.authorities.clear();
    }
    message.answers.len() < before
}

/// Fills an answer up, so that its length says little of what is in it. The option's own head of
/// four bytes counts.
fn pad(message: &mut Message, size_max: u16) {
    let (Some(bytes), Some(edns)) = (encode(message, size_max), &mut message.edns) else {
        return;
    };
    let with_head = bytes.len() + 4;
    let whole = with_head.next_multiple_of(PADDING_BLOCK).min(usize::from(size_max));
    if let Some(missing) = whole.checked_sub(with_head) {
        edns.options_mut().insert(EdnsOption::Unknown(option::PADDING, vec![0; missing]));
    }
}

fn encode(message: &Message, size_max: u16) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::from(UDP_PAYLOAD_PLAIN));
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(u16::MAX);
    message.emit(&mut encoder).ok()?;
    (bytes.len() <= usize::from(size_max)).then_some(bytes)
}
