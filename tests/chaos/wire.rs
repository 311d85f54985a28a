//! As much of PostgreSQL's protocol (version 3, "Message Formats") as tells a COMMIT on its way and
//! its answer on the way back. It finds the ends of messages in whatever pieces they come and looks
//! at their first bytes; it changes nothing.

/// Bytes of a message that are kept to look at.
const LOOKED_AT: usize = 32;
/// A start-up message's version: 3.0 and its successors.
const VERSION_3: u32 = 3;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The program.
    Client,
    /// The database.
    Server,
}

/// A message that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The client asks for a COMMIT.
    CommitAsked,
    /// The server says that it has committed.
    Committed,
}

/// Reads one direction of one connection.
#[derive(Debug)]
pub(crate) struct Reader {
    sender: Sender,
    /// Before a client's start-up message has passed, its messages have no type.
    started: bool,
    /// Type and length, as far as they have come.
    head: Vec<u8>,
    /// First bytes of the body.
    body: Vec<u8>,
    /// Bytes of the body that are still to come, once the head is whole.
    left: Option<usize>,
}

impl Reader {
    pub(crate) fn new(sender: Sender) -> Self {
        let started = sender == Sender::Server;
        Self { sender, started, head: Vec::new(), body: Vec::new(), left: None }
    }

    /// Reads on; what ended in these bytes and matters.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<Seen> {
        let mut seen = None;
        let mut at = 0;
        while at < bytes.len() {
            match self.left {
                None => {
                    self.head.push(bytes[at]);
                    at += 1;
                    self.left = self.length();
                }
                Some(left) => {
                    let now = left.min(bytes.len() - at);
                    let room = LOOKED_AT.saturating_sub(self.body.len());
                    self.body.extend_from_slice(&bytes[at..at + now.min(room)]);
                    at += now;
                    self.left = Some(left - now);
                }
            }
            if self.left == Some(0) {
                seen = self.message().or(seen);
                (self.left, self.started) = (None, self.started || self.starts());
                self.head.clear();
                self.body.clear();
            }
        }
        seen
    }

    /// The length of the body, once type and length are there. A length counts its own four bytes.
    fn length(&self) -> Option<usize> {
        let length = if self.started { self.head.get(1..5) } else { self.head.get(..4) };
        let length = u32::from_be_bytes(length?.try_into().expect("four bytes"));
        Some((length as usize).saturating_sub(4))
    }

    /// Whether this untyped message starts a session; requests for TLS come before it.
    fn starts(&self) -> bool {
        let version = self.body.get(..4).map(|it| u32::from_be_bytes(it.try_into().expect("four")));
        version.is_some_and(|version| version >> 16 == VERSION_3)
    }

    fn message(&self) -> Option<Seen> {
        if !self.started {
            return None;
        }
        match (self.sender, self.head[0]) {
            (Sender::Client, b'Q') if self.body.starts_with(b"COMMIT") => Some(Seen::CommitAsked),
            (Sender::Server, b'C') if self.body.starts_with(b"COMMIT\0") => Some(Seen::Committed),
            _ => None,
        }
    }
}

/// Holds the reader against messages as the protocol's description has them.
pub(crate) fn check() {
    let message = |kind: u8, body: &[u8]| {
        let length = u32::try_from(body.len() + 4).expect("short");
        [&[kind], &length.to_be_bytes()[..], body].concat()
    };
    let startup = [&15_u32.to_be_bytes()[..], &(3_u32 << 16).to_be_bytes(), b"user\0a\0"].concat();
    let asked = [startup, message(b'Q', b"BEGIN; SELECT 'COMMIT'\0"), message(b'Q', b"COMMIT\0")];
    let asked = asked.concat();
    let told = [message(b'D', &[b'C'; 300]), message(b'C', b"COMMIT\0"), message(b'Z', b"I")];
    let told = told.concat();
    let rolled_back = message(b'C', b"ROLLBACK\0");
    for (sender, bytes, wanted) in [
        (Sender::Client, &asked, Some(Seen::CommitAsked)),
        (Sender::Server, &told, Some(Seen::Committed)),
        (Sender::Server, &rolled_back, None),
        (Sender::Client, &asked[..asked.len() - 1].to_vec(), None),
    ] {
        for piece in [1, 7, bytes.len()] {
            let mut reader = Reader::new(sender);
            let seen: Vec<Seen> = bytes.chunks(piece).filter_map(|it| reader.feed(it)).collect();
            assert_eq!(seen, wanted.into_iter().collect::<Vec<_>>(), "in pieces of {piece}");
        }
    }
}
