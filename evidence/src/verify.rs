//! Whether a bundle is sound, and if not, where it begins to be wrong. Needs the bundle and a
//! public key, and nothing else: no network, no database, no trust in whoever made it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};
use zip::{CompressionMethod, ZipArchive};

use crate::bundle::{
    CHAINS, CHECKPOINTS, FileFacts, MANIFEST, MANIFEST_TYPE, Manifest, RECORDS, SIGNATURE, is_name,
    names, zip_files,
};
use crate::canonical::canonical;
use crate::chain::{Chain, Hash, LINE_BYTES_MAX, Record, genesis, record_hash};
use crate::checkpoint::Checkpoint;
use crate::merkle;
use crate::signing::{Envelope, PublicKey};

/// Largest manifest that is read.
const MANIFEST_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What a bundle turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every byte is as it was signed.
    Sound(Summary),
    /// It is not as it was signed.
    Tampered(Place),
    /// It is no bundle.
    NotABundle(String),
}

/// What a sound bundle holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Files.
    pub files: usize,
    /// Records in them.
    pub records: u64,
    /// Bytes.
    pub bytes: u64,
    /// Signed checkpoints of chains.
    pub checkpoints: usize,
    /// Id of the key that signed it.
    pub signed_by: String,
    /// When it was made.
    pub made_at: String,
    /// The regions that it is about.
    pub scope: Vec<String>,
    /// Controls that its report found violated.
    pub violated: Vec<String>,
}

/// Where a bundle begins to be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Which file.
    pub file: String,
    /// Which record or line of it, counted from 0.
    pub record: Option<u64>,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.record {
            Some(record) => write!(f, "{}, record {record}: {}", self.file, self.why),
            None => write!(f, "{}: {}", self.file, self.why),
        }
    }
}

/// Why verifying ended early.
enum End {
    Tampered(Place),
    NotABundle(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::NotABundle(format!("it cannot be read: {error}"))
    }
}

fn tampered<T>(file: &str, record: Option<u64>, why: impl fmt::Display) -> Result<T, End> {
    Err(End::Tampered(Place { file: file.to_owned(), record, why: why.to_string() }))
}

/// A bundle that is read: its directory, or its ZIP.
enum Source {
    Dir(PathBuf),
    Zip(Box<ZipArchive<BufReader<File>>>),
}

impl Source {
    fn open(path: &Path) -> Result<(Self, Vec<String>), End> {
        let meta = std::fs::metadata(path)?;
        if meta.is_dir() {
            let found = names(path)?;
            let Some(names) = found else {
                return tampered(".", None, "holds something that is no plain file");
            };
            return Ok((Self::Dir(path.to_owned()), names));
        }
        let mut zip = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(|error| {
            End::NotABundle(format!("it is neither a directory nor a ZIP: {error}"))
        })?;
        let names: Vec<String> = zip.file_names().flatten().map(Cow::into_owned).collect();
        if names.len() != zip.len() {
            return tampered(".", None, "the ZIP has two files of one name, or an unreadable one");
        }
        for index in 0..zip.len() {
            // A few bytes could be made to fill every disk.
            let stored = zip.by_index_raw(index);
            if stored.is_ok_and(|file| file.compression() != CompressionMethod::Stored) {
                return tampered(".", None, "the ZIP has a compressed file; ours have none");
            }
        }
        let mut sorted = names;
        sorted.sort();
        Ok((Self::Zip(Box::new(zip)), sorted))
    }

    fn read<T>(
        &mut self,
        name: &str,
        with: impl FnOnce(&mut dyn BufRead) -> Result<T, End>,
    ) -> Result<T, End> {
        match self {
            Self::Dir(dir) => with(&mut BufReader::new(File::open(dir.join(name))?)),
            Self::Zip(zip) => {
                let broken = |error: zip::result::ZipError| {
                    End::Tampered(Place {
                        file: name.to_owned(),
                        record: None,
                        why: format!("cannot be taken out of the ZIP: {error}"),
                    })
                };
                let file = zip.by_name(name).map_err(broken)?;
                with(&mut BufReader::new(file))
            }
        }
    }

    fn read_all(&mut self, name: &str) -> Result<Vec<u8>, End> {
        self.read(name, |from| {
            let mut bytes = Vec::new();
            let read = from.take(MANIFEST_BYTES_MAX + 1).read_to_end(&mut bytes);
            match read {
                Ok(_) if bytes.len() as u64 > MANIFEST_BYTES_MAX => {
                    tampered(name, None, "is larger than any of ours")
                }
                Ok(_) => Ok(bytes),
                Err(error) => tampered(name, None, error),
            }
        })
    }
}

/// Looks at every byte of a bundle.
pub fn verify(path: &Path, keys: &[PublicKey]) -> Verdict {
    match look(path, keys) {
        Ok(summary) => Verdict::Sound(summary),
        Err(End::Tampered(place)) => Verdict::Tampered(place),
        Err(End::NotABundle(why)) => Verdict::NotABundle(why),
    }
}

fn look(path: &Path, keys: &[PublicKey]) -> Result<Summary, End> {
    let (mut source, names) = Source::open(path)?;
    for needed in [MANIFEST, SIGNATURE] {
        if !names.iter().any(|name| name == needed) {
            return Err(End::NotABundle(format!("there is no {needed} in it")));
        }
    }
    let (manifest, signed_by) = manifest(&mut source, keys)?;
    let there: BTreeSet<&str> =
        names.iter().map(String::as_str).filter(|it| ![MANIFEST, SIGNATURE].contains(it)).collect();
    for name in manifest.files.keys() {
        if !there.contains(name.as_str()) {
            return tampered(name, None, "is missing");
        }
    }
    if let Some(more) = there.iter().find(|name| !manifest.files.contains_key(**name)) {
        return tampered(more, None, "is not in the manifest");
    }
    let mut found = Found::default();
    for (name, facts) in &manifest.files {
        source.read(name, |from| match name.ends_with(RECORDS) {
            true => found.records(name, facts, from),
            false => found.plain(name, facts, from),
        })?;
    }
    let checkpoints = found.chains(keys)?;
    if let Source::Zip(_) = source {
        only_spelling(path, &mut source, &names)?;
    }
    let files = manifest.files.values();
    Ok(Summary {
        files: manifest.files.len(),
        records: files.clone().filter_map(|it| it.records).sum(),
        bytes: files.map(|it| it.bytes).sum(),
        checkpoints,
        signed_by,
        made_at: manifest.made_at,
        scope: manifest.scope,
        violated: found.violated,
    })
}

fn manifest(source: &mut Source, keys: &[PublicKey]) -> Result<(Manifest, String), End> {
    let bytes = source.read_all(MANIFEST)?;
    let signature = source.read_all(SIGNATURE)?;
    let opened = String::from_utf8(signature)
        .map_err(|_| crate::signing::Fault::Unreadable)
        .and_then(|text| Envelope::from_text(&text))
        .and_then(|envelope| envelope.open(MANIFEST_TYPE, keys));
    let (payload, signed_by) = match opened {
        Ok(opened) => opened,
        Err(fault) => return tampered(SIGNATURE, None, fault),
    };
    if payload != bytes {
        return tampered(MANIFEST, None, "is not what was signed");
    }
    let manifest: Manifest = match serde_json::from_slice(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => return tampered(MANIFEST, None, error),
    };
    if canonical(&manifest).ok().as_deref() != Some(bytes.as_slice()) {
        return tampered(MANIFEST, None, "is not in its one spelling");
    }
    if manifest.format != 1 {
        let why = format!("format {} is not known; a newer verifier may", manifest.format);
        return Err(End::NotABundle(why));
    }
    match manifest.files.keys().find(|name| !is_name(name)) {
        Some(name) => tampered(MANIFEST, None, format!("{name:?} is no name of a file")),
        None => Ok((manifest, signed_by)),
    }
}

/// A window of a chain, as it was read.
struct Window {
    first: u64,
    previous: Hash,
    hashes: Vec<Hash>,
}

/// What the files held.
#[derive(Default)]
struct Found {
    windows: BTreeMap<String, Window>,
    checkpoints: BTreeMap<String, Vec<String>>,
    violated: Vec<String>,
}

/// Reads a line without its end; `None` at the end. A line without an end, or too long, is wrong.
fn line(
    from: &mut dyn BufRead,
    hash: &mut Sha256,
    bytes: &mut u64,
) -> Result<Option<String>, String> {
    let mut raw = Vec::new();
    let most = LINE_BYTES_MAX as u64 + 2;
    from.take(most).read_until(b'\n', &mut raw).map_err(|error| error.to_string())?;
    hash.update(&raw);
    *bytes += raw.len() as u64;
    if raw.is_empty() {
        return Ok(None);
    }
    if raw.pop() != Some(b'\n') {
        return Err("has no end: it was cut off".to_owned());
    }
    String::from_utf8(raw).map(Some).map_err(|_| "is no UTF-8".to_owned())
}

impl Found {
    /// A file of records: a chain, or a window of one.
    fn records(
        &mut self,
        name: &str,
        facts: &FileFacts,
        from: &mut dyn BufRead,
    ) -> Result<(), End> {
        let title = name.strip_suffix(RECORDS).unwrap_or(name);
        let window = title.strip_prefix(CHAINS);
        let mut chain = window.is_none().then(|| Chain::begin(title));
        let (mut hash, mut bytes, mut count) = (Sha256::new(), 0, 0);
        let (mut first, mut hashes) = (None, Vec::new());
        loop {
            let text = match line(from, &mut hash, &mut bytes) {
                Ok(Some(text)) => text,
                Ok(None) => break,
                Err(why) => return tampered(name, Some(count), why),
            };
            // A window begins where it says; the checkpoints say whether it may.
            let chain = chain.get_or_insert_with(|| {
                let begin = serde_json::from_str::<Record>(&text).ok();
                first = begin.as_ref().map(|it| (it.seq, it.previous));
                first.map_or_else(|| Chain::begin(title), |(seq, head)| Chain::resume(seq, head))
            });
            match chain.check(&text) {
                Ok(record) => self.note(window.is_none(), &record),
                Err(fault) => return tampered(name, Some(count), fault),
            }
            if window.is_some() {
                hashes.push(record_hash(&text));
            }
            count += 1;
        }
        let head = chain.map_or_else(|| genesis(title), |chain| chain.head);
        self.hold(name, facts, (count, head), (bytes, hash))?;
        if let Some(chain) = window {
            let (first, previous) = first.unwrap_or((0, genesis(chain)));
            self.windows.insert(chain.to_owned(), Window { first, previous, hashes });
        }
        Ok(())
    }

    fn note(&mut self, of_report: bool, record: &Record) {
        if of_report && record.kind == "verdict" && record.body["verdict"] == "violated" {
            let control = record.body["control"].as_str().unwrap_or("a control");
            self.violated.push(control.to_owned());
        }
    }

    /// Holds a file of records against what the manifest says.
    fn hold(
        &self,
        name: &str,
        facts: &FileFacts,
        (count, head): (u64, Hash),
        (bytes, hash): (u64, Sha256),
    ) -> Result<(), End> {
        let due = facts.records.unwrap_or(0);
        if count < due {
            return tampered(name, Some(count), format!("is missing: there were {due} records"));
        }
        if count > due {
            return tampered(name, Some(due), format!("is one too many: there were {due} records"));
        }
        if facts.head.is_some_and(|due| due != head) && count > 0 {
            return tampered(name, Some(count - 1), "was changed: its hash is another");
        }
        same(name, facts, bytes, hash)
    }

    /// Any other file.
    fn plain(&mut self, name: &str, facts: &FileFacts, from: &mut dyn BufRead) -> Result<(), End> {
        let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
        let chain = name.strip_prefix(CHAINS).and_then(|it| it.strip_suffix(CHECKPOINTS));
        if let Some(chain) = chain {
            let mut lines = Vec::new();
            loop {
                match line(from, &mut hash, &mut bytes) {
                    Ok(Some(text)) => lines.push(text),
                    Ok(None) => break,
                    Err(why) => return tampered(name, Some(lines.len() as u64), why),
                }
            }
            self.checkpoints.insert(chain.to_owned(), lines);
            return same(name, facts, bytes, hash);
        }
        let mut part = vec![0_u8; 64 * 1024];
        loop {
            match from.read(&mut part) {
                Ok(0) => break,
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
        same(name, facts, bytes, hash)
    }

    /// Every chain against its signed checkpoints; how many those are.
    fn chains(&self, keys: &[PublicKey]) -> Result<usize, End> {
        for (chain, lines) in &self.checkpoints {
            let file = format!("{CHAINS}{chain}{CHECKPOINTS}");
            let (mut before, mut records, mut head) = (Hash::ZERO, 0, genesis(chain));
            let window = self.windows.get(chain);
            let mut begins = window.is_none_or(|it| it.first == 0 && it.previous == head);
            for (number, text) in (0_u64..).zip(lines) {
                let checkpoint = match Checkpoint::open(text, keys) {
                    Ok(checkpoint) => checkpoint,
                    Err(fault) => return tampered(&file, Some(number), fault),
                };
                let follows = checkpoint.chain == *chain
                    && checkpoint.number == number
                    && checkpoint.previous == before
                    && checkpoint.first == records
                    && checkpoint.records > records;
                if !follows {
                    return tampered(&file, Some(number), "does not follow the one before it");
                }
                if let Some(window) = window {
                    window.hold(&file, number, &checkpoint)?;
                    (records, head) = (checkpoint.records, checkpoint.head);
                    begins |= window.first == records && window.previous == head;
                }
                (before, records) = (Hash::of(text.as_bytes()), checkpoint.records);
            }
            if !begins {
                let name = format!("{CHAINS}{chain}{RECORDS}");
                return tampered(&name, Some(0), "begins where no checkpoint ends");
            }
        }
        match self.windows.keys().find(|chain| !self.checkpoints.contains_key(*chain)) {
            Some(chain) => tampered(&format!("{CHAINS}{chain}{CHECKPOINTS}"), None, "is missing"),
            None => Ok(self.checkpoints.values().map(Vec::len).sum()),
        }
    }
}

impl Window {
    /// Holds the records that are here against a checkpoint over them.
    fn hold(&self, file: &str, number: u64, checkpoint: &Checkpoint) -> Result<(), End> {
        let Some(from) = checkpoint.first.checked_sub(self.first) else { return Ok(()) };
        let to = checkpoint.records - self.first;
        let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        let leaves = range.and_then(|(from, to)| self.hashes.get(from..to));
        let Some(leaves) = leaves else {
            return tampered(file, Some(number), "signs records that are not in the bundle");
        };
        if merkle::root(leaves) != checkpoint.root || leaves.last() != Some(&checkpoint.head) {
            return tampered(file, Some(number), "signs other records than those in the bundle");
        }
        Ok(())
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

/// Compares what is written with what a file has.
struct Same<R> {
    with: R,
    same: bool,
}

impl<R: Read> Write for Same<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut theirs = vec![0_u8; bytes.len()];
        self.same &= self.with.read_exact(&mut theirs).is_ok() && theirs == bytes;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A ZIP has one spelling: what our writer makes of its files.
fn only_spelling(path: &Path, source: &mut Source, names: &[String]) -> Result<(), End> {
    let file = path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
    let with = BufReader::new(File::open(path)?);
    let Source::Zip(zip) = source else { return Ok(()) };
    let written = zip_files(Same { with, same: true }, names, |name, put| {
        let mut from = zip.by_name(name)?;
        put(from.size(), &mut from)
    });
    let whole = |mut it: Same<BufReader<File>>| {
        it.same && it.with.read(&mut [0_u8]).is_ok_and(|more| more == 0)
    };
    match written.is_ok_and(whole) {
        true => Ok(()),
        false => tampered(&file, None, "the ZIP around the files is not the one that they make"),
    }
}
