//! A reader of packets that trusts nobody: where the sections and records of a message are.
//!
//! It is more lenient than any server may be, and allocates for records only. What it cannot walk,
//! nobody can.

/// Bytes of a message's header.
const HEADER_BYTES: usize = 12;
/// Longest name (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 255;
/// Type of the OPT record.
const TYPE_OPT: u16 = 41;

/// A message, as far as it could be walked.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// Id, flags and counts.
    pub header: [u16; 6],
    /// Where the first question's name ends; its type and class are behind it.
    pub name_end: Option<usize>,
    /// Records of the three sections, in their order.
    pub records: Vec<Seen>,
    /// Where the walk ended: the packet's length if nothing was wrong and nothing follows.
    pub end: usize,
    /// Whether everything that the header announces was there.
    pub whole: bool,
}

/// A record.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Where its owner begins.
    pub owner: usize,
    /// 1 answer, 2 authority, 3 additional.
    pub section: usize,
    /// Its type.
    pub rtype: u16,
    /// Its class; of an OPT record the payload.
    pub class: u16,
    /// Its time to live; of an OPT record the extended code, version and flags.
    pub ttl: u32,
    /// Where its data begin.
    pub data: usize,
    /// Bytes of its data.
    pub length: usize,
}

impl Walk {
    /// Walks a packet; `None` if it has no header.
    pub fn new(packet: &[u8]) -> Option<Self> {
        let mut walk = Self { end: HEADER_BYTES, ..Self::default() };
        for (at, field) in walk.header.iter_mut().enumerate() {
            *field = u16_at(packet, at * 2)?;
        }
        walk.whole = walk.sections(packet).is_some();
        Some(walk)
    }

    fn sections(&mut self, packet: &[u8]) -> Option<()> {
        for _ in 0..self.header[2] {
            let name_end = name_end(packet, self.end)?;
            self.name_end.get_or_insert(name_end);
            packet.get(name_end..name_end + 4)?;
            self.end = name_end + 4;
        }
        for section in 1..=3 {
            for _ in 0..self.header[2 + section] {
                let owner = self.end;
                let head = name_end(packet, owner)?;
                let ttl = u32::from(u16_at(packet, head + 4)?) << 16;
                let ttl = ttl | u32::from(u16_at(packet, head + 6)?);
                let length = usize::from(u16_at(packet, head + 8)?);
                let (rtype, class) = (u16_at(packet, head)?, u16_at(packet, head + 2)?);
                let data = head + 10;
                packet.get(data..data + length)?;
                self.records.push(Seen { owner, section, rtype, class, ttl, data, length });
                self.end = data + length;
            }
        }
        Some(())
    }

    /// The first OPT record.
    pub fn opt(&self) -> Option<&Seen> {
        self.records.iter().find(|it| it.section == 3 && it.rtype == TYPE_OPT)
    }

    /// The name, type and class of the first question, as they stand there.
    pub fn question<'p>(&self, packet: &'p [u8]) -> Option<&'p [u8]> {
        packet.get(HEADER_BYTES..self.name_end? + 4)
    }

    /// The options of the first OPT record with a code, as far as they can be walked.
    pub fn options<'p>(&self, packet: &'p [u8], code: u16) -> Vec<&'p [u8]> {
        let mut found = Vec::new();
        let Some(opt) = self.opt() else { return found };
        let mut rest = &packet[opt.data..opt.data + opt.length];
        while let (Some(known), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
            let Some(value) = rest.get(4..4 + usize::from(length)) else { break };
            if known == code {
                found.push(value);
            }
            rest = &rest[4 + value.len()..];
        }
        found
    }

    /// Whether an answer is so far what a code of no error and no trouble looks like.
    pub fn rcode(&self) -> u16 {
        let high = self.opt().map_or(0, |opt| opt.ttl >> 24);
        (self.header[1] & 0xf) | u16::try_from(high << 4).unwrap_or_default()
    }
}

/// Two bytes at a place.
pub fn u16_at(packet: &[u8], at: usize) -> Option<u16> {
    let bytes = packet.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// Where a name ends: behind its last label, or behind the first pointer.
fn name_end(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match packet.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(*length),
            0xc0..=0xff => return packet.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

/// A whole name in lower case, with its pointers followed; `None` if they lead round in circles or
/// anywhere but back.
pub fn name_at(packet: &[u8], mut at: usize) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    let mut before = at + 1;
    loop {
        let length = *packet.get(at)?;
        match length {
            0 => {
                name.push(0);
                return (name.len() <= NAME_BYTES_MAX).then_some(name);
            }
            1..=63 => {
                name.push(length);
                let label = packet.get(at + 1..at + 1 + usize::from(length))?;
                name.extend(label.iter().map(u8::to_ascii_lowercase));
                at += 1 + usize::from(length);
            }
            0xc0..=0xff => {
                at = usize::from(u16_at(packet, at)? & 0x3fff);
                if at >= before {
                    return None;
                }
                before = at;
            }
            _ => return None,
        }
        if name.len() > NAME_BYTES_MAX {
            return None;
        }
    }
}
