//! Goes over a bundle's files, line by line, and says where they begin to be wrong.
//!
//! A chain's checkpoints come before its records, as the names sort, so that records are held
//! against what was signed while they go by: no more of them is in memory than one checkpoint
//! signs, and nothing is read beyond what the manifest says is there.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use sha2::{Digest, Sha256};

use crate::bundle::{CHAINS, CHECKPOINTS, FileFacts, RECORDS};
use crate::chain::{Chain, Hash, LINE_BYTES_MAX, Record, genesis};
use crate::checkpoint::Checkpoint;
use crate::merkle;
use crate::signing::PublicKey;
use crate::verify::{End, tampered};

/// How much of a file without lines is read at once.
const PART_BYTES: usize = 64 * 1024;

/// What was gone over so far.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    keys: &'a [PublicKey],
    signed: BTreeMap<String, Vec<Checkpoint>>,
    violated: Vec<String>,
}

/// A file's lines, counted and hashed as they go by.
struct Lines<'a> {
    from: &'a mut dyn BufRead,
    hash: Sha256,
    bytes: u64,
}

impl<'a> Lines<'a> {
    fn of(from: &'a mut dyn BufRead) -> Self {
        Self { from, hash: Sha256::new(), bytes: 0 }
    }

    /// The next line without its end; `None` at the file's end. A line that has no end, or is too
    /// long, is wrong.
    fn next(&mut self) -> Result<Option<String>, String> {
        let mut raw = Vec::new();
        let most = LINE_BYTES_MAX as u64 + 1;
        let mut part = (&mut self.from).take(most);
        part.read_until(b'\n', &mut raw).map_err(|error| error.to_string())?;
        self.hash.update(&raw);
        self.bytes += raw.len() as u64;
        match raw.pop() {
            None => Ok(None),
            Some(b'\n') => String::from_utf8(raw).map(Some).map_err(|_| "is no UTF-8".to_owned()),
            Some(_) if raw.len() as u64 + 1 == most => Err("is longer than any record".to_owned()),
            Some(_) => Err("has no end: it was cut off".to_owned()),
        }
    }

    /// Holds the whole file against the manifest.
    fn same(self, name: &str, facts: &FileFacts) -> Result<(), End> {
        same(name, facts, self.bytes, self.hash)
    }
}

fn same(name: &str, facts: &FileFacts, bytes: u64, hash: Sha256) -> Result<(), End> {
    if bytes != facts.bytes {
        let why = format!("has {bytes} bytes, and {} are due", facts.bytes);
        return tampered(name, None, why);
    }
    if Hash(hash.finalize().into()) != facts.sha256 {
        return tampered(name, None, "was changed: its SHA-256 is another");
    }
    Ok(())
}

/// Where a chain that begins with a line may be gone into, and the checkpoints from there on;
/// `None` when no checkpoint ends before the line.
fn enter<'a>(
    chain: &str,
    line: &str,
    signed: &'a [Checkpoint],
) -> Option<(Chain, &'a [Checkpoint])> {
    let record: Option<Record> = serde_json::from_str(line).ok();
    let Some(Record { seq, previous, .. }) = record.filter(|it| it.seq > 0) else {
        return Some((Chain::begin(chain), signed));
    };
    let ends = |it: &Checkpoint| it.records == seq && it.head == previous;
    let before = signed.iter().position(ends)?;
    Some((Chain::resume(seq, previous), &signed[before + 1..]))
}

/// Records of a window on their way to the next checkpoint.
struct Span<'a> {
    chain: &'a str,
    ahead: &'a [Checkpoint],
    leaves: Vec<Hash>,
}

impl Span<'_> {
    fn checkpoints(&self) -> String {
        format!("{CHAINS}{}{CHECKPOINTS}", self.chain)
    }

    /// Takes the next record's hash, which makes so many records of the chain; `at` is its place in
    /// the file.
    fn take(&mut self, name: &str, at: u64, hash: Hash, records: u64) -> Result<(), End> {
        let Some((next, rest)) = self.ahead.split_first() else { return Ok(()) };
        self.leaves.push(hash);
        if records < next.records {
            return Ok(());
        }
        if hash != next.head {
            let why = format!("is not the one that checkpoint {} signs", next.number);
            return tampered(name, Some(at), why);
        }
        if merkle::root(&self.leaves) != next.root {
            let why = "signs another root than that of the records";
            return tampered(&self.checkpoints(), Some(next.number), why);
        }
        self.ahead = rest;
        self.leaves.clear();
        Ok(())
    }

    /// Nothing that is signed may be behind the last record.
    fn end(&self) -> Result<(), End> {
        match self.ahead.first() {
            None => Ok(()),
            Some(next) => {
                let why = "signs records that are not in the bundle";
                tampered(&self.checkpoints(), Some(next.number), why)
            }
        }
    }
}

impl<'a> Contents<'a> {
    /// Nothing yet; signatures are held against these keys.
    pub(crate) fn new(keys: &'a [PublicKey]) -> Self {
        Self { keys, signed: BTreeMap::new(), violated: Vec::new() }
    }

    /// Goes over a file.
    pub(crate) fn read(
        &mut self,
        name: &str,
        facts: &FileFacts,
        from: &mut dyn BufRead,
    ) -> Result<(), End> {
        let title = name.strip_suffix(RECORDS);
        let window = title.and_then(|it| it.strip_prefix(CHAINS));
        let signed = name.strip_prefix(CHAINS).and_then(|it| it.strip_suffix(CHECKPOINTS));
        match (signed, window, title) {
            (Some(chain), ..) => self.checkpoints(chain, name, facts, from),
            (_, Some(chain), _) => self.window(chain, name, facts, from),
            (_, _, Some(title)) => self.records(title, name, facts, from),
            _ => plain(name, facts, from),
        }
    }

    /// How many signed checkpoints there were, and the controls that the report found violated.
    pub(crate) fn end(self) -> (usize, Vec<String>) {
        (self.signed.values().map(Vec::len).sum(), self.violated)
    }

    /// A chain's checkpoints, each of which follows the one before it.
    fn checkpoints(
        &mut self,
        chain: &str,
        name: &str,
        facts: &FileFacts,
        from: &mut dyn BufRead,
    ) -> Result<(), End> {
        let mut lines = Lines::of(from);
        let (mut signed, mut before) = (Vec::<Checkpoint>::new(), Hash::ZERO);
        loop {
            let number = signed.len() as u64;
            let text = match lines.next() {
                Ok(Some(text)) => text,
                Ok(None) => break,
                Err(why) => return tampered(name, Some(number), why),
            };
            let checkpoint = match Checkpoint::open(&text, self.keys) {
                Ok(checkpoint) => checkpoint,
                Err(fault) => return tampered(name, Some(number), fault),
            };
            let records = signed.last().map_or(0, |it| it.records);
            let follows = checkpoint.chain == *chain
                && checkpoint.number == number
                && checkpoint.previous == before
                && checkpoint.first == records
                && checkpoint.records > records;
            if !follows {
                return tampered(name, Some(number), "does not follow the one before it");
            }
            if lines.bytes > facts.bytes {
                return tampered(name, Some(number), "is one too many");
            }
            before = Hash::of(text.as_bytes());
            signed.push(checkpoint);
        }
        if lines.bytes < facts.bytes {
            return tampered(name, Some(signed.len() as u64), "is missing");
        }
        lines.same(name, facts)?;
        self.signed.insert(chain.to_owned(), signed);
        Ok(())
    }

    /// A window of a chain, which begins where a checkpoint ends or where the chain begins.
    fn window(
        &self,
        chain: &str,
        name: &str,
        facts: &FileFacts,
        from: &mut dyn BufRead,
    ) -> Result<(), End> {
        let Some(signed) = self.signed.get(chain) else {
            return tampered(&format!("{CHAINS}{chain}{CHECKPOINTS}"), None, "is missing");
        };
        // Nothing happened since the last checkpoint, if nothing at all is in the file.
        let quiet = signed.last().map_or_else(|| genesis(chain), |it| it.head);
        let mut span = Span { chain, ahead: &[], leaves: Vec::new() };
        go_over(name, facts, from, quiet, |state, at, line| {
            let going = match state {
                Some(going) => going,
                None => {
                    let Some((entered, ahead)) = enter(chain, line, signed) else {
                        return tampered(name, Some(at), "begins where no checkpoint ends");
                    };
                    span.ahead = ahead;
                    state.insert(entered)
                }
            };
            if let Err(fault) = going.check(line) {
                return tampered(name, Some(at), fault);
            }
            span.take(name, at, going.head, going.next)
        })?;
        span.end()
    }

    /// A chain of its own, called as its file is.
    fn records(
        &mut self,
        title: &str,
        name: &str,
        facts: &FileFacts,
        from: &mut dyn BufRead,
    ) -> Result<(), End> {
        go_over(name, facts, from, genesis(title), |state, at, line| {
            match state.get_or_insert_with(|| Chain::begin(title)).check(line) {
                Ok(record) => {
                    self.violated.extend(violated(&record));
                    Ok(())
                }
                Err(fault) => tampered(name, Some(at), fault),
            }
        })
    }
}

/// The control that a record finds violated.
fn violated(record: &Record) -> Option<String> {
    let found = record.kind == "verdict" && record.body["verdict"] == "violated";
    found.then(|| record.body["control"].as_str().unwrap_or("a control").to_owned())
}

/// Goes over a file of records and holds its end against the manifest; `empty` is where a chain
/// stands that has none here.
fn go_over(
    name: &str,
    facts: &FileFacts,
    from: &mut dyn BufRead,
    empty: Hash,
    mut with: impl FnMut(&mut Option<Chain>, u64, &str) -> Result<(), End>,
) -> Result<(), End> {
    let due = facts.records.unwrap_or(0);
    let mut lines = Lines::of(from);
    let (mut chain, mut count) = (None, 0);
    loop {
        let text = match lines.next() {
            Ok(Some(text)) => text,
            Ok(None) => break,
            Err(why) => return tampered(name, Some(count), why),
        };
        with(&mut chain, count, &text)?;
        if count == due {
            return tampered(name, Some(count), format!("is one too many: {due} are due"));
        }
        count += 1;
    }
    if count < due {
        return tampered(name, Some(count), format!("is missing: {due} are due"));
    }
    if facts.head != Some(chain.map_or(empty, |it| it.head)) {
        let why = "is not where the manifest says that the records end";
        return tampered(name, count.checked_sub(1), why);
    }
    lines.same(name, facts)
}

/// Any other file.
fn plain(name: &str, facts: &FileFacts, from: &mut dyn BufRead) -> Result<(), End> {
    let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
    let mut part = vec![0_u8; PART_BYTES];
    loop {
        match from.read(&mut part) {
            Ok(0) => return same(name, facts, bytes, hash),
            Ok(read) => {
                hash.update(&part[..read]);
                bytes += read as u64;
                if bytes > facts.bytes {
                    return tampered(name, None, "is longer than it was");
                }
            }
            Err(error) => return tampered(name, None, error),
        }
    }
}
