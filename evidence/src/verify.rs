//! Whether a bundle is sound, and if not, where it begins to be wrong. Needs the bundle and a
//! public key, and nothing else: no network, no database, no trust in whoever made it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use zip::{CompressionMethod, ZipArchive};

use crate::bundle::{MANIFEST, MANIFEST_TYPE, Manifest, SIGNATURE, is_name, names, zip_files};
use crate::canonical::canonical;
use crate::contents::Contents;
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
    /// Names and reasons may repeat what a stranger put into the bundle, so nothing in them may
    /// steer a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tame = |text: &str| text.replace(char::is_control, "\u{fffd}");
        let (file, why) = (tame(&self.file), tame(&self.why));
        match self.record {
            Some(record) => write!(f, "{file}, record {record}: {why}"),
            None => write!(f, "{file}: {why}"),
        }
    }
}

/// Why verifying ended early.
pub(crate) enum End {
    /// It is not as it was signed.
    Tampered(Place),
    /// It is no bundle, or cannot be read.
    NotABundle(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::NotABundle(format!("it cannot be read: {error}"))
    }
}

pub(crate) fn tampered<T>(
    file: &str,
    record: Option<u64>,
    why: impl fmt::Display,
) -> Result<T, End> {
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
        // A pipe would be waited for without end.
        if !meta.is_file() {
            return Err(End::NotABundle("it is neither a directory nor a ZIP".to_owned()));
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
    let mut contents = Contents::new(keys);
    for (name, facts) in &manifest.files {
        source.read(name, |from| contents.read(name, facts, from))?;
    }
    if let Source::Zip(_) = source {
        only_spelling(path, &mut source, &names)?;
    }
    let (checkpoints, violated) = contents.end();
    let files = manifest.files.values();
    Ok(Summary {
        files: manifest.files.len(),
        records: files.clone().filter_map(|it| it.records).sum(),
        bytes: files.map(|it| it.bytes).sum(),
        checkpoints,
        signed_by,
        made_at: manifest.made_at,
        scope: manifest.scope,
        violated,
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
