//! A bundle: a directory, or a ZIP of it, whose every byte is accounted for by a signed manifest.
//!
//! `manifest.json` names each file with its size and SHA-256, and of files of records how many
//! there are and the hash of the last; `manifest.sig` is the signature over its bytes. A ZIP is
//! written in one way only, so that no byte of it is anybody's to choose.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::canonical::{Malformed, canonical};
use crate::chain::{Chain, Hash};
use crate::signing::Signer;
use sha2::{Digest, Sha256};

/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";
/// Its signature's name.
pub const SIGNATURE: &str = "manifest.sig";
/// What the signature is over.
pub const MANIFEST_TYPE: &str = "application/vnd.meridian.bundle+json";
/// What names of files of records end with.
pub const RECORDS: &str = ".ndjson";
/// What names of files of checkpoints end with.
pub const CHECKPOINTS: &str = ".checkpoints";
/// Where windows of chains lie.
pub const CHAINS: &str = "chains/";

/// What a bundle is and holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format: 1.
    pub format: u64,
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// The regions that it is about.
    pub scope: Vec<String>,
    /// What made it.
    pub tool: String,
    /// Every file by name, but for the manifest and its signature.
    pub files: BTreeMap<String, FileFacts>,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFacts {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, as `sha256sum` prints it.
    pub sha256: Hash,
    /// Of a file of records: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// Of a file of records: the hash of the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<Hash>,
}

/// Why a bundle was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The disk.
    #[error("writing {0} failed: {1}")]
    Disk(PathBuf, io::Error),
    /// Something that cannot be evidence.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A name that not every system takes.
    #[error("{0:?} cannot be the name of a file of a bundle")]
    Name(String),
    /// The directory holds something else.
    #[error("{0} is not empty; give a directory that is not there yet")]
    NotEmpty(PathBuf),
}

/// Whether a name is one of a bundle's file: plain characters, no way out.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |part: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && !part.starts_with('.') && part.chars().all(fine)
    };
    name.len() <= 200 && name.split('/').count() <= 2 && name.split('/').all(plain)
}

/// Writes a bundle into a directory.
pub struct Writer {
    dir: PathBuf,
    files: BTreeMap<String, FileFacts>,
}

/// Writes a file of records.
pub struct RecordWriter<'a> {
    bundle: &'a mut Writer,
    name: String,
    file: Hashed<BufWriter<File>>,
    path: PathBuf,
    chain: Chain,
    records: u64,
}

/// Counts and hashes what goes through.
struct Hashed<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Writer {
    /// Begins a bundle in a directory that is not there yet or empty.
    pub fn create(dir: &Path) -> Result<Self, WriteError> {
        let disk = |error| WriteError::Disk(dir.to_owned(), error);
        fs::create_dir_all(dir).map_err(disk)?;
        if fs::read_dir(dir).map_err(disk)?.next().is_some() {
            return Err(WriteError::NotEmpty(dir.to_owned()));
        }
        Ok(Self { dir: dir.to_owned(), files: BTreeMap::new() })
    }

    fn open(&self, name: &str) -> Result<(PathBuf, Hashed<BufWriter<File>>), WriteError> {
        if !is_name(name) || [MANIFEST, SIGNATURE].contains(&name) || self.files.contains_key(name)
        {
            return Err(WriteError::Name(name.to_owned()));
        }
        let path = self.dir.join(name);
        let disk = |error| WriteError::Disk(path.clone(), error);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(disk)?;
        }
        let inner = BufWriter::new(File::create_new(&path).map_err(disk)?);
        Ok((path, Hashed { inner, hash: Sha256::new(), bytes: 0 }))
    }

    /// Adds a file that holds no records.
    pub fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), WriteError> {
        if name.ends_with(RECORDS) {
            return Err(WriteError::Name(name.to_owned()));
        }
        let (path, mut file) = self.open(name)?;
        let written = file.write_all(bytes).and_then(|()| file.flush());
        written.map_err(|error| WriteError::Disk(path, error))?;
        self.keep(name, file, None);
        Ok(())
    }

    fn keep(&mut self, name: &str, file: Hashed<BufWriter<File>>, of_records: Option<(u64, Hash)>) {
        let (records, head) = of_records.unzip();
        let sha256 = Hash(file.hash.finalize().into());
        self.files.insert(name.to_owned(), FileFacts { bytes: file.bytes, sha256, records, head });
    }

    /// Adds a file of records, which are a chain that is called as the file is.
    pub fn records(&mut self, name: &str) -> Result<RecordWriter<'_>, WriteError> {
        let chain = name.strip_suffix(RECORDS).ok_or_else(|| WriteError::Name(name.to_owned()))?;
        let chain = Chain::begin(chain);
        let (path, file) = self.open(name)?;
        let name = name.to_owned();
        Ok(RecordWriter { bundle: self, name, file, path, chain, records: 0 })
    }

    /// Adds a window of a chain: lines that were linked elsewhere, from a number on.
    pub fn window(
        &mut self,
        chain: &str,
        from: Chain,
        lines: impl IntoIterator<Item = String>,
    ) -> Result<Result<u64, (u64, crate::chain::Fault)>, WriteError> {
        let name = format!("{CHAINS}{chain}{RECORDS}");
        let (path, file) = self.open(&name)?;
        let mut writer = RecordWriter { bundle: self, name, file, path, chain: from, records: 0 };
        let mut fault = None;
        for line in lines {
            if fault.is_none() {
                let at = writer.chain.next;
                fault = writer.chain.check(&line).err().map(|fault| (at, fault));
            }
            writer.put(&line)?;
        }
        let records = writer.records;
        writer.close()?;
        Ok(fault.map_or(Ok(records), Err))
    }

    /// Signs what was added; the manifest's SHA-256, which names the bundle.
    pub fn finish(
        self,
        signer: &Signer,
        made_at: &str,
        scope: &[String],
        tool: &str,
    ) -> Result<Hash, WriteError> {
        let manifest = Manifest {
            format: 1,
            made_at: made_at.to_owned(),
            scope: scope.to_vec(),
            tool: tool.to_owned(),
            files: self.files,
        };
        let bytes = canonical(&manifest)?;
        let signature = signer.sign(MANIFEST_TYPE, &bytes).to_text();
        for (name, bytes) in [(MANIFEST, bytes.as_slice()), (SIGNATURE, signature.as_bytes())] {
            let path = self.dir.join(name);
            fs::write(&path, bytes).map_err(|error| WriteError::Disk(path, error))?;
        }
        Ok(Hash::of(&bytes))
    }
}

impl RecordWriter<'_> {
    /// Adds a record.
    pub fn record(
        &mut self,
        at: &str,
        kind: &str,
        subject: Option<&str>,
        body: Value,
    ) -> Result<(), WriteError> {
        let (line, _) = self.chain.append(at, kind, subject, body)?;
        self.put(&line)
    }

    fn put(&mut self, line: &str) -> Result<(), WriteError> {
        let written =
            self.file.write_all(line.as_bytes()).and_then(|()| self.file.write_all(b"\n"));
        written.map_err(|error| WriteError::Disk(self.path.clone(), error))?;
        self.records += 1;
        Ok(())
    }

    /// Ends the file.
    pub fn close(mut self) -> Result<(), WriteError> {
        self.file.flush().map_err(|error| WriteError::Disk(self.path.clone(), error))?;
        self.bundle.keep(&self.name, self.file, Some((self.records, self.chain.head)));
        Ok(())
    }
}

/// How every file of a ZIP of ours is stored.
fn options(bytes: u64) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
        .large_file(bytes >= u64::from(u32::MAX))
}

/// Writes files as the one ZIP that they can be: names sorted, nothing compressed, no times.
pub(crate) fn zip_files<W: Write>(
    to: W,
    names: &[String],
    mut open: impl FnMut(&str, &mut Put<'_>) -> io::Result<()>,
) -> io::Result<W> {
    let mut zip = ZipWriter::new_stream(to);
    for name in names {
        open(name, &mut |bytes, from| {
            zip.start_file(name.as_str(), options(bytes))?;
            io::copy(from, &mut zip).map(drop)
        })?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Takes a file's size and its bytes.
pub(crate) type Put<'a> = dyn FnMut(u64, &mut dyn Read) -> io::Result<()> + 'a;

/// The names of a directory's files, sorted; `None` for what is no plain file.
pub(crate) fn names(dir: &Path) -> io::Result<Option<Vec<String>>> {
    let mut names = Vec::new();
    let mut todo = vec![(dir.to_owned(), String::new())];
    while let Some((dir, prefix)) = todo.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if kind.is_dir() && prefix.is_empty() {
                todo.push((entry.path(), format!("{name}/")));
            } else if kind.is_file() {
                names.push(name);
            } else {
                return Ok(None);
            }
        }
    }
    names.sort();
    Ok(Some(names))
}

/// Packs a bundle's directory as a ZIP.
pub fn zip<W: Write>(dir: &Path, to: W) -> io::Result<W> {
    let names = names(dir)?.ok_or_else(|| io::Error::other("a bundle has plain files only"))?;
    zip_files(to, &names, |name, put| {
        let mut file = File::open(dir.join(name))?;
        put(file.metadata()?.len(), &mut file)
    })
}
