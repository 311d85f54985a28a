//! Erasures, written down beside the database: a backup from before an erasure knows nothing of it,
//! and whoever restores it must be told whom to forget again.
//!
//! One line an erasure, in one file a region: the keyed hash that stands for the traveller, in
//! hexadecimal. It names nobody. The file belongs where a restore of the database does not reach.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meridian_regions::RegionId;

/// What file names end with.
const SUFFIX: &str = ".erasures";

/// Where one region's erasures are written down.
#[derive(Clone, Debug)]
pub struct Journal {
    dir: Arc<PathBuf>,
    region: RegionId,
}

/// A journal that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the journal of erasures {path}: {why}; an erasure is done only when it is written there")]
pub struct JournalError {
    path: String,
    why: String,
}

fn failed(path: &Path, why: impl ToString) -> JournalError {
    JournalError { path: path.display().to_string(), why: why.to_string() }
}

impl Journal {
    /// The journal of a region in a directory.
    pub fn open(dir: &Path, region: RegionId) -> Result<Self, JournalError> {
        fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
        Ok(Self { dir: Arc::new(dir.to_owned()), region })
    }

    /// The directory, which holds every region's.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self) -> PathBuf {
        self.dir.join(format!("{}{SUFFIX}", self.region))
    }

    /// Writes an erasure down; it is on the disk when this returns.
    pub async fn write(&self, tombstone: &[u8]) -> Result<(), JournalError> {
        let (path, line) = (self.path(), format!("{}\n", hex(tombstone)));
        let write = move || {
            let mut file = fs::File::options().create(true).append(true).open(&path)?;
            file.write_all(line.as_bytes())?;
            file.sync_all()
        };
        let path = self.path();
        let written = tokio::task::spawn_blocking(write).await.expect("writing does not panic");
        written.map_err(|error| failed(&path, error))
    }

    /// Everything that any region wrote down in this directory.
    pub fn read(dir: &Path) -> Result<Vec<Vec<u8>>, JournalError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).map_err(|error| failed(dir, error))? {
            let path = entry.map_err(|error| failed(dir, error))?.path();
            if !path.to_string_lossy().ends_with(SUFFIX) {
                continue;
            }
            let file = fs::File::open(&path).map_err(|error| failed(&path, error))?;
            for (number, line) in BufReader::new(file).lines().enumerate() {
                let line = line.map_err(|error| failed(&path, error))?;
                // A machine that died while it wrote left half a line, and had erased nobody.
                match unhex(&line) {
                    Some(tombstone) => found.push(tombstone),
                    None => tracing::warn!(number, "a line of the journal of erasures is cut off"),
                }
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(line: &str) -> Option<Vec<u8>> {
    if line.len() != 64 || !line.is_ascii() {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(line.get(at * 2..at * 2 + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_nobody() {
        assert_eq!(unhex(&"ab".repeat(32)), Some(vec![0xab; 32]));
        assert_eq!(unhex(&"ab".repeat(31)), None);
        assert_eq!(unhex(&"zz".repeat(32)), None);
        assert_eq!(unhex(&"é".repeat(32)), None);
    }
}
