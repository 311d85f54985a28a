//! What must hold of every answer, whoever asks whatever.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::net::IpAddr;

use hickory_proto::op::Message;
use meridian_geo_routing::{Asker, Outcome, Reply, Transport, respond, respond_fast};

use crate::walk::{Seen, Walk, name_at, u16_at};
use crate::worlds::World;

/// Largest answer over UDP, whatever the asker offers (DNS flag day 2020).
const UDP_BYTES_MAX: u16 = 1232;
/// Largest answer over UDP to an asker without EDNS (RFC 1035, 4.2.1).
const UDP_BYTES_PLAIN: u16 = 512;
/// Bytes of the smallest IP and UDP headers.
const HEADERS_BYTES: usize = 28;
/// Encrypted answers are filled up to a multiple of this (RFC 8467, 4.1).
const PADDING_BLOCK: usize = 468;

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const TYPE_OPT: u16 = 41;
const TYPE_RRSIG: u16 = 46;

const OPTION_SUBNET: u16 = 8;
const OPTION_COOKIE: u16 = 10;
const OPTION_PADDING: u16 = 12;

const QR: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;
const RESERVED_AND_AD: u16 = 0x0060;

const FORMERR: u16 = 1;
const NXDOMAIN: u16 = 3;
const NOTIMP: u16 = 4;
const REFUSED: u16 = 5;
const BADVERS: u16 = 16;
const BADCOOKIE: u16 = 23;

thread_local! {
    /// Room for the fast path.
    static OUT: RefCell<Vec<u8>> = RefCell::new(vec![0; 65_535]);
    /// What is being asked, to be told if it ends the process.
    static ASKED: Cell<Option<(&'static str, Asker)>> = const { Cell::new(None) };
    static PACKET: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes every panic say which packet it was and who sent it.
pub fn watch() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some((world, asker)) = ASKED.get() {
            let packet = PACKET.with_borrow(|packet| hex(packet));
            eprintln!("world:  {world}\nasker:  {asker:?}\npacket: {packet}");
        }
        before(panic);
    }));
}

/// Asks a table, and panics if the answer breaks a rule. Returns the answer.
pub fn judge(world: &'static World, packet: &[u8], asker: &Asker) -> Option<Reply> {
    judge_unkept(world, world.name, packet, asker)
}

/// The same for a world that is not kept, under a name that is.
pub fn judge_unkept(
    world: &World,
    name: &'static str,
    packet: &[u8],
    asker: &Asker,
) -> Option<Reply> {
    ASKED.set(Some((name, *asker)));
    PACKET.with_borrow_mut(|kept| {
        kept.clear();
        kept.extend(packet);
    });
    let slow = respond(&world.table, packet, asker);
    let broken = OUT.with_borrow_mut(|out| {
        let fast = respond_fast(&world.table, packet, asker, out);
        fast.and_then(|(length, outcome)| same(&out[..length], &outcome, slow.as_ref()))
    });
    let broken = broken.or_else(|| match &slow {
        Some(reply) => Case::new(world, packet, asker, reply).broken(),
        None => silent(packet),
    });
    if let Some(broken) = broken {
        let answer = slow.map_or("none".to_owned(), |reply| hex(&reply.bytes));
        panic!("{broken}\nanswer: {answer}");
    }
    ASKED.set(None);
    slow
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

/// Both paths say the same.
fn same(fast: &[u8], outcome: &Outcome, slow: Option<&Reply>) -> Option<String> {
    let Some(slow) = slow else { return Some("the fast path answers, the slow one not".into()) };
    if fast != slow.bytes {
        return Some(format!("the fast path says {}", hex(fast)));
    }
    let told =
        |it: &Outcome| (it.rcode, it.kind, it.region, it.fail_static, it.truncated, it.known);
    (told(outcome) != told(&slow.outcome))
        .then(|| format!("the fast path means {outcome:?}, the slow one {:?}", slow.outcome))
}

/// Only what is too short or an answer itself is met with silence.
fn silent(packet: &[u8]) -> Option<String> {
    let question = u16_at(packet, 10).is_some() && packet[2] & 0x80 == 0;
    question.then(|| "a question is met with silence".to_owned())
}

/// A question and its answer.
struct Case<'a> {
    world: &'a World,
    asker: &'a Asker,
    packet: &'a [u8],
    asked: Walk,
    bytes: &'a [u8],
    said: Walk,
    outcome: &'a Outcome,
}

impl<'a> Case<'a> {
    fn new(world: &'a World, packet: &'a [u8], asker: &'a Asker, reply: &'a Reply) -> Self {
        let asked = Walk::new(packet).unwrap_or_default();
        let said = Walk::new(&reply.bytes).unwrap_or_default();
        let (bytes, outcome) = (&reply.bytes[..], &reply.outcome);
        Self { world, asker, packet, asked, bytes, said, outcome }
    }

    fn broken(&self) -> Option<String> {
        let rules = [
            Self::form,
            Self::header,
            Self::size,
            Self::amplification,
            Self::fence,
            Self::question,
            Self::edns,
            Self::subnet,
            Self::cookie,
            Self::padding,
            Self::parses,
        ];
        rules.iter().find_map(|rule| rule(self)).map(str::to_owned)
    }

    /// Whether the question was understood, so that its options are answered.
    fn understood(&self) -> bool {
        !matches!(self.said.rcode(), FORMERR | NOTIMP | BADVERS)
    }

    fn form(&self) -> Option<&'static str> {
        if !self.said.whole || self.said.end != self.bytes.len() {
            return Some("the answer is not as long as its counts say");
        }
        if self.said.header[2] > 1 {
            return Some("the answer repeats more than one question");
        }
        let opts = self.said.records.iter().filter(|it| it.rtype == TYPE_OPT).count();
        (opts > 1).then_some("the answer has two OPT records")
    }

    fn header(&self) -> Option<&'static str> {
        let (asked, said) = (self.asked.header[1], self.said.header[1]);
        if self.asked.header[0] != self.said.header[0] {
            return Some("the answer has another id");
        }
        if said & QR == 0 || said & (RA | RESERVED_AND_AD) != 0 {
            return Some("QR is clear, or RA, Z or AD is set");
        }
        if (asked ^ said) & (OPCODE | RD) != 0 {
            return Some("the answer has another opcode or RD");
        }
        let rcode = self.said.rcode();
        if u16::from(self.outcome.rcode) != rcode {
            return Some("the outcome has another code");
        }
        if !matches!(rcode, 0 | FORMERR | NXDOMAIN | NOTIMP | REFUSED | BADVERS | BADCOOKIE) {
            return Some("the answer has a code that no rule gives");
        }
        let authoritative = matches!(rcode, 0 | NXDOMAIN) && self.said.header[2] == 1;
        if (said & AA != 0) != authoritative {
            return Some("AA is set without authority, or clear with it");
        }
        if (said & TC != 0) != self.outcome.truncated {
            return Some("TC is not what the outcome says");
        }
        let cut = self.outcome.truncated && self.asker.transport != Transport::Udp;
        cut.then_some("an answer on a stream was cut")
    }

    fn size(&self) -> Option<&'static str> {
        if self.asker.transport != Transport::Udp {
            return (self.bytes.len() > 65_535)
                .then_some("the answer is longer than a stream takes");
        }
        let offered = self.asked.opt().map_or(UDP_BYTES_PLAIN, |opt| opt.class);
        let most = offered.clamp(UDP_BYTES_PLAIN, UDP_BYTES_MAX);
        (self.bytes.len() > usize::from(most))
            .then_some("the answer is longer than the asker takes")
    }

    /// A forged question is not worth the trouble.
    fn amplification(&self) -> Option<&'static str> {
        let signed = self.said.records.iter().any(|it| it.rtype == TYPE_RRSIG);
        if self.asker.transport != Transport::Udp || self.outcome.known || signed {
            return None;
        }
        let worth = self.bytes.len() + HEADERS_BYTES >= 2 * (self.packet.len() + HEADERS_BYTES);
        worth.then_some("the answer to a stranger is twice the question or more")
    }

    fn fence(&self) -> Option<&'static str> {
        let outside = |record: &&Seen| {
            let data = &self.bytes[record.data..record.data + record.length];
            let address = match (record.rtype, data.len()) {
                (TYPE_A, 4) => IpAddr::from(<[u8; 4]>::try_from(data).unwrap_or_default()),
                (TYPE_AAAA, 16) => IpAddr::from(<[u8; 16]>::try_from(data).unwrap_or_default()),
                _ => return false,
            };
            let Some(owner) = name_at(self.bytes, record.owner) else { return true };
            self.world.fenced.contains(&owner) && !self.world.inside.contains(&address)
        };
        let found = self.said.records.iter().find(outside);
        found.map(|_| "an address outside the fence, or of a name that leads nowhere")
    }

    /// The question is repeated as it came, unless its name was compressed or could not be read.
    fn question(&self) -> Option<&'static str> {
        let said = self.said.question(self.bytes);
        if self.asked.header[2] != 1 || !self.understood() {
            return None;
        }
        let asked = self.asked.question(self.packet);
        let compressed = asked.is_some_and(|asked| is_compressed(&asked[..asked.len() - 4]));
        (asked != said && !compressed).then_some("the answer repeats another question")
    }

    fn edns(&self) -> Option<&'static str> {
        let (asked, said) = (self.asked.opt(), self.said.opt());
        let Some(said) = said else {
            let missing = asked.is_some() && self.understood();
            return missing.then_some("a question with EDNS is answered without");
        };
        let Some(asked) = asked else { return Some("a question without EDNS is answered with it") };
        if (said.class, said.ttl >> 16 & 0xff) != (UDP_BYTES_MAX, 0) {
            return Some("the answer's OPT record has another payload or version");
        }
        let differs = self.understood() && (said.ttl ^ asked.ttl) & 0x8000 != 0;
        differs.then_some("the answer's DO bit is not the question's")
    }

    fn subnet(&self) -> Option<&'static str> {
        if !self.understood() {
            return None;
        }
        let asked = self.asked.options(self.packet, OPTION_SUBNET);
        let said = self.said.options(self.bytes, OPTION_SUBNET);
        match (&asked[..], &said[..]) {
            ([], []) => None,
            ([asked], [said]) if asked.len() == said.len() && asked.len() >= 4 => {
                let bits = if asked[1] == 2 { 128 } else { 32 };
                let moved = asked[..3] != said[..3] || asked[4..] != said[4..];
                let scoped = said[3] > bits || (asked[2] == 0 && said[3] != 0);
                (moved || scoped).then_some("the client subnet is not that of the question")
            }
            _ => Some("a client subnet is lost, made up or doubled"),
        }
    }

    fn cookie(&self) -> Option<&'static str> {
        if !self.understood() {
            return None;
        }
        let asked = self.asked.options(self.packet, OPTION_COOKIE);
        let said = self.said.options(self.bytes, OPTION_COOKIE);
        match (asked.first(), &said[..]) {
            (Some(_), []) if !self.world.cookies => None,
            (None, []) if !self.outcome.known => None,
            (Some(asked), [said]) if self.world.cookies && said.len() == 24 => {
                (asked[..8] != said[..8]).then_some("the cookie is for another client")
            }
            _ => Some("a cookie is lost, made up or doubled"),
        }
    }

    fn padding(&self) -> Option<&'static str> {
        let encrypted = matches!(self.asker.transport, Transport::Tls | Transport::Https);
        let asked = encrypted && !self.asked.options(self.packet, OPTION_PADDING).is_empty();
        let said = !self.said.options(self.bytes, OPTION_PADDING).is_empty();
        if said && !asked {
            return Some("nobody asked for padding");
        }
        let whole = self.bytes.len().is_multiple_of(PADDING_BLOCK);
        let due = asked && self.understood();
        (due && !(said && whole)).then_some("the padding is missing or wrong")
    }

    /// Other people's software reads it. hickory itself cannot read a client subnet of no family,
    /// which is what `dig +subnet=0` sends and RFC 7871 has repeated.
    fn parses(&self) -> Option<&'static str> {
        let subnets = self.said.options(self.bytes, OPTION_SUBNET);
        let unread = subnets.iter().any(|option| option.first_chunk() == Some(&[0, 0]));
        (!unread && Message::from_vec(self.bytes).is_err())
            .then_some("hickory cannot read the answer")
    }
}

/// Whether a name as it is sent ends in a pointer.
fn is_compressed(name: &[u8]) -> bool {
    let mut at = 0;
    while let Some(length @ 1..=63) = name.get(at) {
        at += 1 + usize::from(*length);
    }
    name.get(at) != Some(&0)
}
