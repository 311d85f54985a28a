//! A small bundle, and chance that changes it: bytes, lines, files. Whatever it does, the bundle is
//! no longer the one that was signed. The audit's bench and `evidence/examples/mutations.rs` run
//! the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use meridian_evidence::bundle::{Writer, zip};
use meridian_evidence::chain::{Chain, Hash, record_hash};
use meridian_evidence::checkpoint::Checkpoint;
use meridian_evidence::merkle;
use meridian_evidence::signing::{PublicKey, Signer};
use meridian_evidence::verify::{Verdict, verify};
use serde_json::json;

/// From which the changes are drawn.
pub(crate) const SEED: u64 = 0x6d65_7269_6469_616e;
/// Lines of the chain, and how many each checkpoint signs.
const CHAIN: u64 = 24;
const PER_CHECKPOINT: u64 = 8;
const AT: &str = "2026-01-01T00:00:00Z";

pub(crate) fn signer() -> Signer {
    Signer::from_seed([42; 32])
}

/// A directory that goes when the test goes.
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new(name: &str) -> Self {
        let unique = format!("meridian-evidence-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(unique);
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A chain's lines, and its checkpoints.
pub(crate) fn chain(name: &str, signer: &Signer) -> (Vec<String>, Vec<String>) {
    let mut chain = Chain::begin(name);
    let (mut lines, mut checkpoints) = (Vec::new(), Vec::<String>::new());
    for n in 0..CHAIN {
        let (line, _) = chain.append(AT, "consent.given", Some("ab12"), json!({ "n": n })).unwrap();
        lines.push(line);
        if chain.next.is_multiple_of(PER_CHECKPOINT) {
            let first = chain.next - PER_CHECKPOINT;
            let from = usize::try_from(first).unwrap();
            let leaves: Vec<Hash> = lines[from..].iter().map(|line| record_hash(line)).collect();
            let before = checkpoints.last().map(|it| Hash::of(it.as_bytes()));
            let checkpoint = Checkpoint {
                chain: name.to_owned(),
                number: n / PER_CHECKPOINT,
                first,
                records: chain.next,
                root: merkle::root(&leaves),
                head: chain.head,
                previous: before.unwrap_or(Hash::ZERO),
                at: AT.to_owned(),
            };
            checkpoints.push(checkpoint.sign(signer).unwrap().to_text());
        }
    }
    (lines, checkpoints)
}

/// Writes a bundle whose chain begins with a line.
pub(crate) fn bundle(dir: &Path, signer: &Signer, from: u64) {
    let (lines, checkpoints) = chain("eu-central", signer);
    let mut writer = Writer::create(dir).unwrap();
    let mut report = writer.records("report.ndjson").unwrap();
    for n in 0..10 {
        report.record(AT, "observed", None, json!({ "rows": n })).unwrap();
    }
    report.record(AT, "verdict", None, json!({"control": "LOC-1", "verdict": "kept"})).unwrap();
    report.close().unwrap();
    writer.file("report.html", b"<!doctype html><title>What was seen</title>\n").unwrap();
    writer.file("queries.sql", b"-- columns: every column.\nSELECT 1\n").unwrap();
    let skip = usize::try_from(from).unwrap();
    let start = match from {
        0 => Chain::begin("eu-central"),
        _ => Chain::resume(from, record_hash(&lines[skip - 1])),
    };
    writer.window("eu-central", start, lines[skip..].to_vec()).unwrap().unwrap();
    let text: String = checkpoints.iter().map(|line| format!("{line}\n")).collect();
    writer.file("chains/eu-central.checkpoints", text.as_bytes()).unwrap();
    writer.finish(signer, AT, &["eu-central".to_owned()], "a test").unwrap();
}

/// A bundle's files by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn read(dir: &Path) -> Files {
    let mut files = Files::new();
    for (at, prefix) in [(dir.to_owned(), ""), (dir.join("chains"), "chains/")] {
        for entry in fs::read_dir(at).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
                files.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

pub(crate) fn write(dir: &Path, files: &Files) {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir.join("chains")).unwrap();
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).unwrap();
    }
}

/// A sequence of chance that is the same for a seed (SplitMix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

/// Changes bytes in one way or another.
fn change(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let at = chance.below(bytes.len());
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    };
    match chance.below(9) {
        0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << chance.below(8),
        2 => bytes.insert(at, u8::try_from(chance.below(256)).unwrap()),
        3 if !bytes.is_empty() => drop(bytes.remove(at)),
        4 => bytes.truncate(at),
        5 => bytes.extend_from_slice(b"\n"),
        6 => {
            let mut all = lines(bytes);
            let (one, other) = (chance.below(all.len()), chance.below(all.len()));
            all.swap(one, other);
            *bytes = all.concat();
        }
        7 => {
            let mut all = lines(bytes);
            let copy = all[chance.below(all.len())].clone();
            all.insert(chance.below(all.len()), copy);
            *bytes = all.concat();
        }
        _ => {
            let mut all = lines(bytes);
            all.remove(chance.below(all.len()));
            *bytes = all.concat();
        }
    }
}

/// Changes a bundle's files in one way or another.
fn mutate(files: &mut Files, chance: &mut Chance) {
    let names: Vec<String> = files.keys().cloned().collect();
    let name = names[chance.below(names.len())].clone();
    match chance.below(20) {
        0 => drop(files.remove(&name)),
        1 => drop(files.insert("more.txt".to_owned(), b"more".to_vec())),
        2 => {
            let bytes = files.remove(&name).unwrap();
            files.insert(format!("{name}.old"), bytes);
        }
        3 => {
            let other = names[chance.below(names.len())].clone();
            let (one, two) = (files[&name].clone(), files[&other].clone());
            files.insert(name, two);
            files.insert(other, one);
        }
        _ => change(files.get_mut(&name).unwrap(), chance),
    }
}

/// Writes a file anew. To shorten one and fill it again would make the disk wait.
pub(crate) fn renew(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
}

/// Makes a directory hold these files, of which it holds some already.
fn put(dir: &Path, there: &mut Files, files: Files) {
    for name in there.keys().filter(|name| !files.contains_key(*name)) {
        fs::remove_file(dir.join(name)).unwrap();
    }
    for (name, bytes) in files.iter().filter(|(name, bytes)| there.get(*name) != Some(*bytes)) {
        renew(&dir.join(name), bytes);
    }
    *there = files;
}

/// What came of changing a bundle many times.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Changed bundles that were believed.
    pub(crate) accepted: u64,
    /// Unchanged bundles that were not: two equal files change places, a line with itself.
    pub(crate) refused: u64,
    /// Number of the first that went wrong.
    pub(crate) first: Option<u64>,
}

/// Changes a bundle so many times, each time from its begin.
pub(crate) fn run(seed: u64, mutations: u64) -> Outcome {
    let keys: [PublicKey; 1] = [signer().public()];
    let (dir, tree) = (Dir::new("mutant"), Dir::new("mutated"));
    bundle(&dir.0, &signer(), 0);
    let sound = read(&dir.0);
    let mut packed = Vec::new();
    zip(&dir.0, &mut packed).unwrap();
    let mut there = sound.clone();
    write(&tree.0, &there);
    let file = dir.0.join("packed");
    let mut outcome = Outcome { accepted: 0, refused: 0, first: None };
    for number in 0..mutations {
        let mut chance = Chance(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let (path, changed) = if chance.below(4) == 0 {
            let mut bytes = packed.clone();
            change(&mut bytes, &mut chance);
            renew(&file, &bytes);
            (&file, bytes != packed)
        } else {
            let mut files = sound.clone();
            mutate(&mut files, &mut chance);
            let changed = files != sound;
            put(&tree.0, &mut there, files);
            (&tree.0, changed)
        };
        match (changed, matches!(verify(path, &keys), Verdict::Sound(_))) {
            (true, true) => outcome.accepted += 1,
            (false, false) => outcome.refused += 1,
            _ => continue,
        }
        outcome.first = outcome.first.or(Some(number));
    }
    outcome
}
