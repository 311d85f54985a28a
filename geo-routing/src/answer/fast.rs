//! The usual questions, answered from prepared bytes into the caller's buffer, without allocating.
//!
//! It declines whatever it is not sure of, and [`super::respond`] answers that: what is malformed,
//! what needs a signature made now, and aliases.

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;

use super::cookie::{CLIENT_BYTES, COOKIE_BYTES};
use super::query::{is_cookie, next_option, subnet};
use super::{Asker, EDNS_VERSION_MAX, HEADER_BYTES, Kind, Outcome, Transport, UDP_PAYLOAD_MAX};
use super::{option, size_max, size_max_stranger};
use crate::ground::{Ground, Leaf, Manners, Node, Section, Stands};
use crate::location::Found;
use crate::policy::Client;
use crate::table::RoutingTable;

/// Longest name (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 255;
/// Longest label.
const LABEL_BYTES_MAX: u8 = 63;
/// Labels in front of a zone's name in a question that is answered here; hickory keeps so many
/// names to compress against, and some more.
const LABELS_MAX: usize = 32;
/// Bytes of an OPT record without options: root, type, class, ttl, length.
const OPT_BYTES: usize = 11;
const OPT_TYPE: u16 = 41;
const CLASS_IN: u16 = 1;

const TYPE_RRSIG: u16 = 46;
const TYPE_NSEC: u16 = 47;
const TYPE_IXFR: u16 = 251;
const TYPE_AXFR: u16 = 252;
const TYPE_ANY: u16 = 255;

/// Bits of the third and fourth byte of a header.
const QR_AND_OPCODE: u8 = 0xf8;
const QR: u8 = 0x80;
const AA: u8 = 0x04;
const RD: u8 = 0x01;
const CD: u8 = 0x10;
const DO: u8 = 0x80;

/// A question that is understood, and what stands at its name.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'p, 't> {
    /// Name, type and class, to be repeated.
    question: &'p [u8],
    qtype: u16,
    edns: Option<Edns<'p>>,
    at: At<'t>,
}

/// What stands at a name, as far as the type that is asked for goes.
#[derive(Clone, Copy)]
enum At<'t> {
    /// The same for everybody.
    Leaf(&'t Node, &'t Leaf),
    /// One leaf a region, for a client.
    Geo { node: &'t Node, policy: usize, leaves: &'t [Leaf], client: Client },
    /// Nothing, in a zone of ours by its number.
    Nothing(usize),
    /// Not ours.
    Outside,
}

/// What the asker said in its OPT record.
#[derive(Clone, Copy, Default)]
struct Edns<'a> {
    payload: u16,
    dnssec_ok: bool,
    subnet: Option<(&'a [u8], Client)>,
    cookie: Option<&'a [u8]>,
}

impl Asked<'_, '_> {
    fn dnssec_ok(&self) -> bool {
        self.edns.as_ref().is_some_and(|edns| edns.dnssec_ok)
    }

    /// Whom it matters to place before the question can be answered.
    pub(crate) fn client(&self) -> Option<Client> {
        match self.at {
            At::Geo { client, .. } => Some(client),
            At::Leaf(..) | At::Nothing(_) | At::Outside => None,
        }
    }
}

/// What is said, before it is written.
struct Said<'a> {
    rcode: ResponseCode,
    kind: Kind,
    section: Option<&'a Section>,
    /// Whether signatures are in it.
    signed: bool,
    scope: u8,
    /// The leaf that was picked for the client.
    leaf: Option<&'a Leaf>,
    fail_static: bool,
}

impl Said<'_> {
    /// For everybody, without records.
    fn nothing(rcode: ResponseCode, kind: Kind) -> Self {
        let (section, leaf) = (None, None);
        Self { rcode, kind, section, signed: false, scope: 0, leaf, fail_static: false }
    }
}

/// Answers a packet into `out` and returns the answer's length; `None` leaves it to the slow path.
pub fn answer(
    table: &RoutingTable,
    packet: &[u8],
    asker: &Asker,
    out: &mut [u8],
) -> Option<(usize, Outcome)> {
    let asked = read(table, packet, asker)?;
    let found = asked.client().map(|client| table.locate(client)).unwrap_or_default();
    finish(table, packet, &asked, found, asker, out)
}

/// Reads a question of the usual shape: one question of class IN, and at most an OPT record.
pub(crate) fn read<'p, 't>(
    table: &'t RoutingTable,
    packet: &'p [u8],
    asker: &Asker,
) -> Option<Asked<'p, 't>> {
    let ground = table.ground();
    let header = packet.first_chunk::<HEADER_BYTES>()?;
    let [_, _, flags, _, 0, 1, 0, 0, 0, 0, 0, additionals @ 0..=1] = *header else {
        return None;
    };
    if flags & QR_AND_OPCODE != 0 {
        return None;
    }
    let body = &packet[HEADER_BYTES..];
    let mut name = [0; NAME_BYTES_MAX];
    let length = read_name(body, &mut name)?;
    let name = &name[..length];
    let (tail, rest) = body[length..].split_first_chunk::<4>()?;
    let [type_high, type_low, class_high, class_low] = *tail;
    let qtype = u16::from_be_bytes([type_high, type_low]);
    let transfer = matches!(qtype, TYPE_AXFR | TYPE_IXFR);
    if u16::from_be_bytes([class_high, class_low]) != CLASS_IN || transfer {
        return None;
    }
    let edns = match (additionals, rest.is_empty()) {
        (1, _) => Some(read_edns(rest, asker.transport, &ground.manners)?),
        (_, true) => None,
        (_, false) => return None,
    };
    let at = match ground.nodes.get(name) {
        Some(node) => stands(ground, node, qtype, edns.as_ref(), asker.source)?,
        None => {
            let dnssec_ok = edns.as_ref().is_some_and(|edns| edns.dnssec_ok);
            no_name(ground, name, dnssec_ok)?
        }
    };
    Some(Asked { question: &body[..length + 4], qtype, edns, at })
}

/// Reads a name in lower case and returns its length.
fn read_name(body: &[u8], name: &mut [u8; NAME_BYTES_MAX]) -> Option<usize> {
    let mut at = 0;
    loop {
        let length = *body.get(at)?;
        let end = at + 1 + usize::from(length);
        if length > LABEL_BYTES_MAX || end > NAME_BYTES_MAX {
            return None;
        }
        name[at] = length;
        for (to, from) in name[at + 1..end].iter_mut().zip(body.get(at + 1..end)?) {
            *to = from.to_ascii_lowercase();
        }
        at = end;
        if length == 0 {
            return Some(at);
        }
    }
}

/// What stands at a name that is ours.
fn stands<'t>(
    ground: &'t Ground,
    node: &'t Node,
    qtype: u16,
    edns: Option<&Edns<'_>>,
    source: IpAddr,
) -> Option<At<'t>> {
    let signed = ground.zones[node.zone].keys.is_some();
    if signed && matches!(qtype, TYPE_RRSIG | TYPE_NSEC) {
        return None;
    }
    match &node.stands {
        Stands::Alias(_) => None,
        Stands::Same(leaf) => Some(At::Leaf(node, leaf)),
        Stands::Geo { policy, leaves, .. } => {
            if !leaves.iter().any(|leaf| leaf.encoded.positive(qtype).is_some()) {
                return Some(At::Leaf(node, &leaves[0]));
            }
            let subnet = edns.and_then(|edns| edns.subnet);
            let client = subnet.map_or(Client::Address(source), |(_, client)| client);
            Some(At::Geo { node, policy: *policy, leaves, client })
        }
    }
}

/// Where a name that is not there lies: below a name that is, or outside.
fn no_name<'t>(ground: &Ground, name: &[u8], dnssec_ok: bool) -> Option<At<'t>> {
    let (mut at, mut labels) = (0, 0);
    while name[at] != 0 {
        at += 1 + usize::from(name[at]);
        labels += 1;
        let Some(encloser) = ground.nodes.get(&name[at..]) else { continue };
        let zone = &ground.zones[encloser.zone];
        let proven = zone.keys.is_some() && dnssec_ok;
        let compressed_otherwise = zone.soa_names.iter().any(|it| name.ends_with(it));
        let declined = proven || compressed_otherwise || labels > LABELS_MAX;
        return (!declined).then_some(At::Nothing(encloser.zone));
    }
    Some(At::Outside)
}

/// Writes the answer to a question whose client was found; `None` leaves it to the slow path.
pub(crate) fn finish(
    table: &RoutingTable,
    packet: &[u8],
    asked: &Asked<'_, '_>,
    found: Found,
    asker: &Asker,
    out: &mut [u8],
) -> Option<(usize, Outcome)> {
    let ground = table.ground();
    let said = look_up(table, asked, found)?;
    let cookie = asked.edns.as_ref().and_then(|edns| edns.cookie);
    let known = match (cookie, &ground.manners.cookies) {
        (Some(cookie), Some(secret)) => secret.is_good(cookie, asker.source, asker.now),
        _ => false,
    };
    let payload = asked.edns.as_ref().map(|edns| edns.payload);
    let mut room = out.len().min(usize::from(size_max(asker.transport, payload)));
    let has_glue = said.section.is_some_and(|section| section.counts[2] > 0);
    if asker.transport == Transport::Udp && !known && (!said.signed || has_glue) {
        room = room.min(size_max_stranger(packet));
    }
    let length = write(packet, asked, &said, &ground.manners, asker, &mut out[..room])?;
    let outcome = Outcome {
        rcode: said.rcode,
        kind: said.kind,
        region: said.leaf.and_then(|leaf| leaf.region),
        fail_static: said.fail_static,
        truncated: false,
        known,
    };
    Some((length, outcome))
}

/// Reads an OPT record that ends the packet.
fn read_edns<'a>(record: &'a [u8], transport: Transport, manners: &Manners) -> Option<Edns<'a>> {
    let (head, mut data) = record.split_first_chunk::<OPT_BYTES>()?;
    let [root, t0, t1, p0, p1, _, version, flags, _, l0, l1] = *head;
    let fits = usize::from(u16::from_be_bytes([l0, l1])) == data.len();
    let is_opt = root == 0 && u16::from_be_bytes([t0, t1]) == OPT_TYPE;
    if !fits || !is_opt || version > EDNS_VERSION_MAX {
        return None;
    }
    let mut edns = Edns {
        payload: u16::from_be_bytes([p0, p1]),
        dnssec_ok: flags & DO != 0,
        ..Edns::default()
    };
    while !data.is_empty() {
        let (code, value, rest) = next_option(data)?;
        match code {
            option::CLIENT_SUBNET if edns.subnet.is_some() => return None,
            option::CLIENT_SUBNET => edns.subnet = Some((value, subnet(value)?)),
            option::COOKIE if !is_cookie(value) => return None,
            option::COOKIE => drop(edns.cookie.get_or_insert(value)),
            option::NSID if manners.nsid.is_some() => return None,
            option::KEEPALIVE if transport != Transport::Udp => return None,
            option::PADDING if transport.is_encrypted() => return None,
            _ => {}
        }
        data = rest;
    }
    Some(edns)
}

fn look_up<'t>(table: &'t RoutingTable, asked: &Asked<'_, 't>, found: Found) -> Option<Said<'t>> {
    match asked.at {
        At::Leaf(node, leaf) => {
            let geo = matches!(node.stands, Stands::Geo { .. });
            let said = from_leaf(node, leaf, asked)?;
            // What no region has was not picked for anybody.
            Some(Said { leaf: said.leaf.filter(|_| !geo), ..said })
        }
        At::Geo { node, policy, leaves, client } => {
            let chosen = table.choose_at(policy, client, found);
            let said = from_leaf(node, &leaves[chosen.index], asked)?;
            Some(Said { scope: chosen.scope, fail_static: chosen.fail_static, ..said })
        }
        At::Nothing(zone) => {
            let section = Some(&table.ground().zones[zone].nxdomain);
            let kind = Kind::NoName(u32::try_from(zone).unwrap_or(u32::MAX));
            Some(Said { section, ..Said::nothing(ResponseCode::NXDomain, kind) })
        }
        At::Outside => Some(Said::nothing(ResponseCode::Refused, Kind::Refused)),
    }
}

fn from_leaf<'t>(node: &Node, leaf: &'t Leaf, asked: &Asked<'_, '_>) -> Option<Said<'t>> {
    let found = match asked.qtype {
        TYPE_ANY => Some(&leaf.encoded.any),
        qtype => leaf.encoded.positive(qtype),
    };
    let (prepared, kind) = match found {
        Some(prepared) => (prepared, Kind::Records(node.number)),
        None => (&leaf.encoded.nodata, Kind::NoData(node.number)),
    };
    let section = prepared.section(asked.dnssec_ok());
    let signed = asked.dnssec_ok() && prepared.signed.is_some();
    let (rcode, section) = (ResponseCode::NoError, Some(section));
    Some(Said { rcode, kind, section, signed, scope: 0, leaf: Some(leaf), fail_static: false })
}

/// Writes the answer; `None` if it does not fit.
fn write(
    packet: &[u8],
    asked: &Asked<'_, '_>,
    said: &Said<'_>,
    manners: &Manners,
    asker: &Asker,
    out: &mut [u8],
) -> Option<usize> {
    let mut writer = Writer { out, at: 0 };
    let counts = said.section.map_or([0; 3], |section| section.counts);
    let refused = said.rcode == ResponseCode::Refused;
    let authoritative = if refused { 0 } else { AA };
    writer.put(&packet[..2])?;
    writer.put(&[QR | authoritative | packet[2] & RD, packet[3] & CD | said.rcode.low()])?;
    let [answers, authorities, additionals] = counts;
    let additionals = additionals + u16::from(asked.edns.is_some());
    for count in [1, answers, authorities, additionals] {
        writer.put(&count.to_be_bytes())?;
    }
    writer.put(asked.question)?;
    if let Some(section) = said.section {
        let from = writer.at;
        writer.put(&section.bytes)?;
        for pointer in &section.pointers {
            let at = from + usize::from(*pointer);
            let name_length = asked.question.len() - 4;
            let moved = name_length.wrapping_sub(section.made_for);
            let old = usize::from(u16::from_be_bytes([writer.out[at], writer.out[at + 1]]));
            let new = u16::try_from(old.wrapping_add(moved)).ok()?;
            writer.out[at..at + 2].copy_from_slice(&new.to_be_bytes());
        }
    }
    if let Some(edns) = &asked.edns {
        write_edns(&mut writer, edns, said.scope, manners, asker)?;
    }
    Some(writer.at)
}

fn write_edns(
    writer: &mut Writer<'_>,
    edns: &Edns<'_>,
    scope: u8,
    manners: &Manners,
    asker: &Asker,
) -> Option<()> {
    let [p0, p1] = UDP_PAYLOAD_MAX.to_be_bytes();
    let flags = if edns.dnssec_ok { DO } else { 0 };
    let cookie = edns.cookie.zip(manners.cookies.as_ref());
    let subnet_bytes = edns.subnet.map_or(0, |(raw, _)| 4 + raw.len());
    let cookie_bytes = cookie.map_or(0, |_| 4 + COOKIE_BYTES);
    let [l0, l1] = u16::try_from(subnet_bytes + cookie_bytes).ok()?.to_be_bytes();
    writer.put(&[0, 0, 41, p0, p1, 0, 0, flags, 0, l0, l1])?;
    if let Some((raw, _)) = edns.subnet {
        let [l0, l1] = u16::try_from(raw.len()).ok()?.to_be_bytes();
        writer.put(&[0, 8, l0, l1])?;
        let at = writer.at;
        writer.put(raw)?;
        writer.out[at + 3] = scope;
    }
    if let Some((cookie, secret)) = cookie {
        let client = cookie.first_chunk::<CLIENT_BYTES>()?;
        writer.put(&[0, 10, 0, 24])?;
        writer.put(&secret.make(*client, asker.source, asker.now))?;
    }
    Some(())
}

/// Writes until the room ends.
struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at + bytes.len();
        self.out.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }
}
