//! Questions made of parts, so that chance gets past the first check.
//!
//! Every part may be honest or lie: names in mixed case, options of odd lengths, counts that
//! promise what does not follow.

use arbitrary::Arbitrary;
use meridian_geo_routing::Asker;

use crate::input::{Choice, time};
use crate::worlds::{ORIGIN, RICH_ORIGIN, World, wire};

/// Longest name (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 255;
/// Longest label.
const LABEL_BYTES_MAX: usize = 63;
/// Most records, options and labels of a recipe; more reach nothing new and take time.
const PARTS_MAX: usize = 6;

/// Names of the zones, relative to an origin.
pub const NAMES: [&str; 30] = [
    "",
    "api",
    "eu",
    "www",
    "ns1",
    "ns2",
    "eu-central.api",
    "us-east.api",
    "ap-southeast.api",
    "eu-west.at.regions",
    "at.regions",
    "regions",
    "a.servers",
    "servers",
    "first.last",
    "last",
    "deep.er.host",
    "er.host",
    "host",
    "c1",
    "c2",
    "out",
    "beside",
    "svc",
    "large",
    "many",
    "_dns._udp",
    "_443._tcp.api",
    "hostmaster",
    "*",
];

/// Types that anything is known of here.
const TYPES: [u16; 30] = [
    1, 28, 2, 5, 6, 15, 16, 33, 35, 37, 41, 43, 44, 46, 47, 48, 50, 52, 64, 65, 13, 249, 250, 251,
    252, 253, 254, 255, 257, 0,
];

/// A question.
#[derive(Arbitrary, Debug)]
pub struct Recipe {
    world: u8,
    source: u8,
    transport: u8,
    time: u8,
    id: u16,
    name: NameRecipe,
    /// Which letters are in upper case, round and round.
    case: u16,
    qtype: Number,
    class: Class,
    edns: Option<EdnsRecipe>,
    flags: Flags,
    lies: Lies,
}

/// A name.
#[derive(Arbitrary, Debug)]
enum NameRecipe {
    /// A name of a zone.
    Known { name: u8, rich: bool },
    /// Labels in front of a name of a zone.
    Below { labels: Vec<Vec<u8>>, name: u8, rich: bool },
    /// A name of a zone below one label, filled up to a length in all.
    Long { length: u8, fill: u8, rich: bool },
    /// So many labels of one byte below a name of a zone.
    Many { labels: u8, fill: u8, name: u8, rich: bool },
    /// A pointer.
    Pointer(u16),
    /// A label and a pointer.
    LabelAndPointer(Vec<u8>, u16),
    /// Anything.
    Raw(Vec<u8>),
}

/// A type.
#[derive(Arbitrary, Debug)]
enum Number {
    Known(u8),
    Raw(u16),
}

#[derive(Arbitrary, Debug)]
enum Class {
    In,
    Chaos,
    None,
    Any,
    Raw(u16),
}

#[derive(Arbitrary, Debug)]
enum Flags {
    Plain,
    Usual { recursion: bool, checking: bool, authentic: bool },
    Raw(u16),
}

/// An OPT record.
#[derive(Arbitrary, Debug)]
struct EdnsRecipe {
    payload: Payload,
    dnssec_ok: bool,
    options: Vec<OptionRecipe>,
    odd: Option<OddEdns>,
}

#[derive(Arbitrary, Debug)]
enum Payload {
    Usual,
    Large,
    Raw(u16),
}

/// What is wrong with an OPT record.
#[derive(Arbitrary, Debug)]
enum OddEdns {
    Extended { code: u8, version: u8, flags: u16 },
    Owner(Vec<u8>),
    Length(u16),
    Twice,
    Trailing(Vec<u8>),
}

/// An option.
#[derive(Arbitrary, Debug)]
enum OptionRecipe {
    /// As RFC 7871 wants it.
    Subnet {
        v6: bool,
        prefix: u8,
        address: [u8; 16],
    },
    /// Any family, any length, bits behind the prefix.
    OddSubnet {
        family: u16,
        prefix: u8,
        scope: u8,
        address: Vec<u8>,
    },
    /// The client's half.
    ClientCookie([u8; 8]),
    /// A whole cookie, made at a time.
    Cookie {
        client: [u8; 8],
        made: u8,
    },
    OddCookie(Vec<u8>),
    Nsid(Vec<u8>),
    Keepalive(Option<u16>),
    Padding(u8),
    Raw {
        code: u16,
        value: Vec<u8>,
    },
    /// A length that lies.
    Lie {
        code: u8,
        length: u16,
        value: Vec<u8>,
    },
}

/// What is wrong with a packet.
#[derive(Arbitrary, Debug)]
enum Lies {
    None,
    /// No question at all.
    NoQuestion,
    /// Counts that are not those of what follows.
    Counts([u8; 4]),
    /// Records around the OPT record, each in a section.
    Records(Vec<(u8, Number, Vec<u8>)>),
    /// The same question once more.
    TwoQuestions,
    /// Bytes cut off the end.
    Cut(u8),
    /// Bytes behind the end.
    Trailing(Vec<u8>),
    /// A byte changed.
    Flip {
        at: u16,
        with: u8,
    },
}

impl Recipe {
    /// Whom to ask, who asks, and the packet.
    pub fn cook(&self) -> (&'static World, Asker, Vec<u8>) {
        let Self { world, source, transport, time, .. } = *self;
        let (world, asker) = Choice { world, source, transport, time }.asker();
        let packet = self.packet(world, &asker);
        (world, asker, packet)
    }

    fn packet(&self, world: &World, asker: &Asker) -> Vec<u8> {
        let mut question = self.name.bytes();
        self.mix(&mut question);
        question.extend(self.qtype.bytes());
        question.extend(self.class.bytes());
        let opt = self.edns.as_ref().map(|edns| edns.record(world, asker)).unwrap_or_default();
        let twice = self.edns.as_ref().is_some_and(EdnsRecipe::is_twice);
        let mut counts = [1, 0, 0, u8::from(self.edns.is_some()) + u8::from(twice)];
        let mut sections = [Vec::new(), Vec::new(), Vec::new()];
        match &self.lies {
            Lies::NoQuestion => {
                counts[0] = 0;
                question.clear();
            }
            Lies::TwoQuestions => {
                counts[0] = 2;
                question.extend(question.clone());
            }
            Lies::Records(records) => {
                for (section, rtype, data) in records.iter().take(PARTS_MAX) {
                    let section = usize::from(section % 3);
                    counts[section + 1] += 1;
                    sections[section].extend(record(&[0], rtype.bytes(), data));
                }
            }
            Lies::Counts(lie) => counts = *lie,
            Lies::None | Lies::Cut(_) | Lies::Trailing(_) | Lies::Flip { .. } => {}
        }
        let mut packet = self.id.to_be_bytes().to_vec();
        packet.extend(self.flags.bits().to_be_bytes());
        packet.extend(counts.iter().flat_map(|count| [0, *count]));
        packet.extend(question);
        packet.extend(sections.into_iter().flatten());
        packet.extend(opt);
        self.lies.bend(&mut packet);
        packet
    }

    /// Puts letters into upper case.
    fn mix(&self, name: &mut [u8]) {
        let letters = name.iter_mut().filter(|byte| byte.is_ascii_lowercase());
        for (at, letter) in letters.enumerate() {
            if self.case >> (at % 16) & 1 == 1 {
                letter.make_ascii_uppercase();
            }
        }
    }
}

impl NameRecipe {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Known { name, rich } => known(*name, *rich),
            Self::Below { labels, name, rich } => {
                let mut bytes = Vec::new();
                labels.iter().take(PARTS_MAX).for_each(|it| label(&mut bytes, it));
                bytes.extend(known(*name, *rich));
                bytes
            }
            Self::Long { length, fill, rich } => {
                let end = known(0, *rich);
                let mut missing = usize::from(*length).saturating_sub(end.len());
                let mut bytes = Vec::with_capacity(NAME_BYTES_MAX);
                while missing > 1 {
                    let next = (missing - 1).min(LABEL_BYTES_MAX);
                    label(&mut bytes, &vec![*fill; next]);
                    missing -= next + 1;
                }
                bytes.extend(end);
                bytes
            }
            Self::Many { labels, fill, name, rich } => {
                let mut bytes = [1, *fill].repeat(usize::from(*labels) % (NAME_BYTES_MAX / 2));
                bytes.extend(known(*name, *rich));
                bytes
            }
            Self::Pointer(to) => pointer(*to).to_vec(),
            Self::LabelAndPointer(first, to) => {
                let mut bytes = Vec::new();
                label(&mut bytes, first);
                bytes.extend(pointer(*to));
                bytes
            }
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

/// A name of a zone as it is sent.
fn known(name: u8, rich: bool) -> Vec<u8> {
    let origin = if rich { RICH_ORIGIN } else { ORIGIN };
    wire(&format!("{}.{origin}", NAMES[usize::from(name) % NAMES.len()]))
}

/// Adds a label; an empty one is left out, since it would end the name.
fn label(bytes: &mut Vec<u8>, text: &[u8]) {
    let text = &text[..text.len().min(LABEL_BYTES_MAX)];
    if let Ok(length @ 1..) = u8::try_from(text.len()) {
        bytes.push(length);
        bytes.extend(text);
    }
}

fn pointer(to: u16) -> [u8; 2] {
    (to | 0xc000).to_be_bytes()
}

impl Number {
    fn bytes(&self) -> [u8; 2] {
        match self {
            Self::Known(index) => TYPES[usize::from(*index) % TYPES.len()].to_be_bytes(),
            Self::Raw(number) => number.to_be_bytes(),
        }
    }
}

impl Class {
    fn bytes(&self) -> [u8; 2] {
        let number = match self {
            Self::In => 1,
            Self::Chaos => 3,
            Self::None => 254,
            Self::Any => 255,
            Self::Raw(number) => *number,
        };
        number.to_be_bytes()
    }
}

impl Flags {
    fn bits(&self) -> u16 {
        match self {
            Self::Plain => 0,
            Self::Usual { recursion, checking, authentic } => {
                u16::from(*recursion) << 8 | u16::from(*checking) << 4 | u16::from(*authentic) << 5
            }
            Self::Raw(bits) => *bits,
        }
    }
}

/// A record of no time to live, with a class that is none of ours.
fn record(owner: &[u8], rtype: [u8; 2], data: &[u8]) -> Vec<u8> {
    let mut record = owner.to_vec();
    record.extend(rtype);
    record.extend([0, 255, 0, 0, 0, 0]);
    record.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
    record.extend(data);
    record
}

impl EdnsRecipe {
    fn is_twice(&self) -> bool {
        matches!(self.odd, Some(OddEdns::Twice))
    }

    fn record(&self, world: &World, asker: &Asker) -> Vec<u8> {
        let mut data = Vec::new();
        for option in self.options.iter().take(PARTS_MAX) {
            option.write(world, asker, &mut data);
        }
        let payload = match self.payload {
            Payload::Usual => 1232,
            Payload::Large => u16::MAX,
            Payload::Raw(payload) => payload,
        };
        let (mut owner, mut extended) = (vec![0], [0, 0, 0, 0]);
        extended[2] = u8::from(self.dnssec_ok) << 7;
        let mut length = u16::try_from(data.len()).unwrap_or(u16::MAX);
        match &self.odd {
            Some(OddEdns::Extended { code, version, flags }) => {
                let [high, low] = flags.to_be_bytes();
                extended = [*code, *version, high, low];
            }
            Some(OddEdns::Owner(text)) => {
                owner.clear();
                label(&mut owner, text);
                owner.push(0);
            }
            Some(OddEdns::Length(lie)) => length = *lie,
            Some(OddEdns::Trailing(more)) => data.extend(more),
            Some(OddEdns::Twice) | None => {}
        }
        let mut record = owner;
        record.extend([0, 41]);
        record.extend(payload.to_be_bytes());
        record.extend(extended);
        record.extend(length.to_be_bytes());
        record.extend(data);
        if self.is_twice() {
            record.extend(record.clone());
        }
        record
    }
}

impl OptionRecipe {
    fn write(&self, world: &World, asker: &Asker, out: &mut Vec<u8>) {
        match self {
            Self::Subnet { v6, prefix, address } => {
                let (family, bits) = if *v6 { (2, 128) } else { (1, 32) };
                let prefix = prefix % (bits + 1);
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                let address = (u128::from_be_bytes(*address) & mask).to_be_bytes();
                let mut value = vec![0, family, prefix, 0];
                value.extend(&address[..usize::from(prefix).div_ceil(8)]);
                option(out, 8, &value);
            }
            Self::OddSubnet { family, prefix, scope, address } => {
                let mut value = family.to_be_bytes().to_vec();
                value.extend([*prefix, *scope]);
                value.extend(address);
                option(out, 8, &value);
            }
            Self::ClientCookie(client) => option(out, 10, client),
            Self::Cookie { client, made } => {
                let then = Asker { now: time(*made), ..*asker };
                option(out, 10, &world.cookie(*client, &then));
            }
            Self::OddCookie(value) => option(out, 10, value),
            Self::Nsid(value) => option(out, 3, value),
            Self::Keepalive(None) => option(out, 11, &[]),
            Self::Keepalive(Some(value)) => option(out, 11, &value.to_be_bytes()),
            Self::Padding(length) => option(out, 12, &vec![0; usize::from(*length)]),
            Self::Raw { code, value } => option(out, *code, value),
            Self::Lie { code, length, value } => {
                out.extend([0, *code]);
                out.extend(length.to_be_bytes());
                out.extend(value);
            }
        }
    }
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    out.extend(code.to_be_bytes());
    out.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(value);
}

impl Lies {
    fn bend(&self, packet: &mut Vec<u8>) {
        match self {
            Self::Cut(bytes) => packet.truncate(packet.len().saturating_sub((*bytes).into())),
            Self::Trailing(bytes) => packet.extend(bytes),
            Self::Flip { at, with } => {
                let at = usize::from(*at) % packet.len().max(1);
                if let Some(byte) = packet.get_mut(at) {
                    *byte ^= with;
                }
            }
            Self::None
            | Self::NoQuestion
            | Self::Counts(_)
            | Self::Records(_)
            | Self::TwoQuestions => {}
        }
    }
}
