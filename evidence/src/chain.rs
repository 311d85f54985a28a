//! Records that each carry the hash of the one before: a record that is changed, left out, put in
//! or moved breaks every hash behind it.
//!
//! A record's hash is SHA-256 over the byte 0x00 and its line; the first record of a chain carries
//! SHA-256 over the byte 0x02 and the chain's name. Merkle nodes begin with 0x01 (RFC 6962), so
//! that none can be taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::canonical::{Malformed, canonical};

/// What a record's hash begins with; the same as a leaf's in RFC 6962.
pub(crate) const RECORD: u8 = 0x00;
/// What the hash begins with that stands before a chain's first record.
const GENESIS: u8 = 0x02;
/// Longest line of a chain.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// SHA-256 of something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Stands where there is nothing before.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of bytes as they are, as `sha256sum` prints it.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    fn prefixed(prefix: u8, bytes: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update([prefix]);
        hash.update(bytes);
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = || Malformed("a hash is 64 lower-case hexadecimal digits".to_owned());
        let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 64 || !lower {
            return Err(wrong());
        }
        let mut bytes = [0_u8; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let pair = &text[index * 2..index * 2 + 2];
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What the first record of a chain carries as the hash before it.
pub fn genesis(chain: &str) -> Hash {
    Hash::prefixed(GENESIS, chain.as_bytes())
}

/// The hash of a record, by its line without the line's end.
pub fn record_hash(line: &str) -> Hash {
    Hash::prefixed(RECORD, line.as_bytes())
}

/// Something that happened, in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its number: 0 and up without a gap.
    pub seq: u64,
    /// When, RFC 3339.
    pub at: String,
    /// What.
    pub kind: String,
    /// About whom: a keyed hash.
    pub subject: Option<String>,
    /// Codes and counts.
    pub body: Value,
    /// The hash of the record before.
    pub previous: Hash,
}

impl Record {
    /// Its line, without the line's end.
    pub fn line(&self) -> Result<String, Malformed> {
        let bytes = canonical(self)?;
        if bytes.len() > LINE_BYTES_MAX {
            return Err(Malformed(format!("a record has at most {LINE_BYTES_MAX} bytes")));
        }
        String::from_utf8(bytes).map_err(|error| Malformed(error.to_string()))
    }
}

/// Why a line is not the next record of its chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No record, or not spelt in the one way.
    #[error("is no record in its one spelling: {0}")]
    Unreadable(String),
    /// Another number was due.
    #[error("has number {found}, and {due} is due: something was left out, put in or moved")]
    Number {
        /// Of this line.
        found: u64,
        /// Of the next record.
        due: u64,
    },
    /// The record before is another one.
    #[error("carries another hash than that of the record before it, which was changed")]
    Previous,
}

/// The end of a chain, to which records are added or against which they are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Number of the next record.
    pub next: u64,
    /// Hash of the last one.
    pub head: Hash,
}

impl Chain {
    /// A chain without records.
    pub fn begin(name: &str) -> Self {
        Self { next: 0, head: genesis(name) }
    }

    /// A chain that went so far.
    pub fn resume(next: u64, head: Hash) -> Self {
        Self { next, head }
    }

    /// Adds what happened; its line and its hash.
    pub fn append(
        &mut self,
        at: &str,
        kind: &str,
        subject: Option<&str>,
        body: Value,
    ) -> Result<(String, Hash), Malformed> {
        let record = Record {
            seq: self.next,
            at: at.to_owned(),
            kind: kind.to_owned(),
            subject: subject.map(str::to_owned),
            body,
            previous: self.head,
        };
        let line = record.line()?;
        self.head = record_hash(&line);
        self.next += 1;
        Ok((line, self.head))
    }

    /// Goes over the next line; the record in it, if it is the next one.
    pub fn check(&mut self, line: &str) -> Result<Record, Fault> {
        let unreadable = |why: String| Fault::Unreadable(why);
        let record: Record =
            serde_json::from_str(line).map_err(|error| unreadable(error.to_string()))?;
        let spelt = record.line().map_err(|error| unreadable(error.to_string()))?;
        if spelt != line {
            return Err(unreadable("another spelling".to_owned()));
        }
        if record.seq != self.next {
            return Err(Fault::Number { found: record.seq, due: self.next });
        }
        if record.previous != self.head {
            return Err(Fault::Previous);
        }
        self.head = record_hash(line);
        self.next += 1;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn three() -> Vec<String> {
        let mut chain = Chain::begin("eu-central");
        let line = |chain: &mut Chain, n: u64| {
            chain.append("2026-01-01T00:00:00Z", "k", None, json!({ "n": n })).expect("whole").0
        };
        (0..3).map(|n| line(&mut chain, n)).collect()
    }

    fn held(name: &str, lines: &[String]) -> Result<(), (usize, Fault)> {
        let mut chain = Chain::begin(name);
        lines
            .iter()
            .enumerate()
            .try_for_each(|(at, line)| chain.check(line).map(drop).map_err(|fault| (at, fault)))
    }

    #[test]
    fn a_chain_is_held_from_its_begin_and_no_other() {
        assert_eq!(held("eu-central", &three()), Ok(()));
        assert_eq!(held("eu-west", &three()), Err((0, Fault::Previous)));
    }

    #[test]
    fn the_first_wrong_record_is_named() {
        let lines = three();
        let swapped = [lines[0].clone(), lines[2].clone(), lines[1].clone()];
        assert_eq!(held("eu-central", &swapped), Err((1, Fault::Number { found: 2, due: 1 })));
        let cut = [lines[0].clone(), lines[2].clone()];
        assert_eq!(held("eu-central", &cut), Err((1, Fault::Number { found: 2, due: 1 })));
        let changed = [lines[0].replace("\"n\":0", "\"n\":9"), lines[1].clone()];
        assert_eq!(held("eu-central", &changed), Err((1, Fault::Previous)));
        let spaced = [lines[0].replace("\"n\":0", "\"n\": 0")];
        assert!(matches!(held("eu-central", &spaced), Err((0, Fault::Unreadable(_)))));
        let more = [lines[0].replace("\"seq\":0", "\"seq\":0,\"x\":1")];
        assert!(matches!(held("eu-central", &more), Err((0, Fault::Unreadable(_)))));
    }

    #[test]
    fn a_resumed_chain_goes_on() {
        let lines = three();
        let mut chain = Chain::resume(2, record_hash(&lines[1]));
        assert_eq!(chain.check(&lines[2]).expect("the next").seq, 2);
    }
}
