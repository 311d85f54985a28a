//! Answers in the bytes they are sent in: what stands between the question and the OPT record.
//!
//! They are made by the same encoder that the slow path uses, so both paths say the same bytes.
//! Compression pointers lead into the question, whose case the names take.

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, Record, RecordType};

use super::leaf::Rrset;
use crate::zone::Zone;

/// Bytes of a message's header.
const HEADER_BYTES: usize = 12;
/// Bytes of type, class, time to live and length, between a record's owner and its data.
const RECORD_HEAD_BYTES: usize = 10;
/// Bytes of type and class behind the name asked for.
const QUESTION_TAIL_BYTES: usize = 4;

/// Encoded records of the three sections behind the question.
pub(crate) struct Section {
    pub(crate) bytes: Box<[u8]>,
    /// Answers, authorities and additional records.
    pub(crate) counts: [u16; 3],
    /// Where the pointers stand, in a section that is moved to other questions.
    pub(crate) pointers: Box<[u16]>,
    /// Bytes of the name in the question it was made for.
    pub(crate) made_for: usize,
}

/// One answer, without signatures and, in a signed zone, with them.
pub(crate) struct Prepared {
    pub(crate) plain: Section,
    pub(crate) signed: Option<Section>,
}

impl Prepared {
    /// What an asker with or without the DO bit gets.
    pub(crate) fn section(&self, dnssec_ok: bool) -> &Section {
        self.signed.as_ref().filter(|_| dnssec_ok).unwrap_or(&self.plain)
    }
}

/// Every answer that a name gives.
pub(crate) struct Encoded {
    by_type: Box<[(u16, Prepared)]>,
    pub(crate) any: Prepared,
    pub(crate) nodata: Prepared,
}

impl Encoded {
    /// The answer to a type, if there are such records.
    pub(crate) fn positive(&self, qtype: u16) -> Option<&Prepared> {
        self.by_type.iter().find(|(rtype, _)| *rtype == qtype).map(|(_, prepared)| prepared)
    }
}

/// Encodes every answer of a name.
pub(super) fn encode(
    name: &Name,
    rrsets: &[Rrset],
    any: &Rrset,
    proof: Option<&Rrset>,
    glue: &[Rrset],
    soa: &Rrset,
) -> Encoded {
    let both = |make: &dyn Fn(bool) -> Section| Prepared {
        plain: make(false),
        signed: proof.is_some().then(|| make(true)),
    };
    let positive = |rrset: &Rrset| {
        both(&|signed| {
            let mut message = Message::query();
            message.answers.extend(rrset.records(name, signed));
            if rrset.rtype == RecordType::NS {
                let glue = glue.iter().flat_map(|set| set.records(&set.owner, signed));
                message.additionals.extend(glue);
            }
            section(name, message)
        })
    };
    let by_type = rrsets.iter().map(|rrset| (u16::from(rrset.rtype), positive(rrset)));
    let nodata = both(&|signed| {
        let mut message = Message::query();
        message.authorities.extend(soa.records(&soa.owner, signed));
        let proof = proof.into_iter().filter(|_| signed);
        message.authorities.extend(proof.flat_map(|proof| proof.records(&proof.owner, true)));
        section(name, message)
    });
    Encoded { by_type: by_type.collect(), any: positive(any), nodata }
}

fn section(name: &Name, mut message: Message) -> Section {
    message.add_query(Query::query(name.clone(), RecordType::A));
    let count = |records: &[Record]| u16::try_from(records.len()).expect("few records a name");
    let counts =
        [count(&message.answers), count(&message.authorities), count(&message.additionals)];
    let bytes = message.to_vec().expect("records of a checked zone can be encoded");
    let made_for = super::Ground::wire(name).len();
    let bytes = bytes[HEADER_BYTES + made_for + QUESTION_TAIL_BYTES..].into();
    Section { bytes, counts, pointers: Box::default(), made_for }
}

/// The authority section of NXDOMAIN: the SOA, with its pointers marked, since the names it is
/// sent for are not known.
pub(super) fn nxdomain(zone: &Zone, soa: &Rrset) -> Section {
    let missing = zone.origin.prepend_label("*").expect("the origin leaves room for a label");
    let mut message = Message::query();
    message.authorities.extend(soa.records(&soa.owner, false));
    let mut section = section(&missing, message);
    let (mut at, mut pointers) = (0, Vec::new());
    for skip in [RECORD_HEAD_BYTES, 0, 0] {
        let (after, pointer) = after_name(&section.bytes, at);
        pointers.extend(pointer);
        at = after + skip;
    }
    section.pointers = pointers.into();
    section
}

/// Where a name ends, and where its pointer stands if it ends in one.
fn after_name(bytes: &[u8], mut at: usize) -> (usize, Option<u16>) {
    loop {
        match usize::from(bytes[at]) {
            0 => return (at + 1, None),
            label @ 1..=63 => at += label + 1,
            _ => return (at + 2, u16::try_from(at).ok()),
        }
    }
}
