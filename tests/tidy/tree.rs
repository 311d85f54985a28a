//! The tree as the rules see it, and how a rule says where it is broken.

use std::fs;
use std::path::Path;

/// Folders that hold nothing of ours.
const SKIPPED: &[&str] = &[
    ".git",
    "target",
    ".cache",
    "node_modules",
    "__pycache__",
    ".terraform",
    "proptest-regressions",
];

/// A file of the tree.
pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
}

/// A place that breaks a rule, and what to do there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    path: String,
    line: usize,
    advice: String,
}

impl Fault {
    pub(crate) fn new(path: &str, line: usize, advice: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, advice: advice.into() }
    }
}

/// Fails with every place that breaks a rule.
pub(crate) fn hold(rule: &str, mut faults: Vec<Fault>) {
    faults.sort();
    faults.dedup();
    let list: Vec<String> =
        faults.iter().map(|f| format!("  {}:{}: {}", f.path, f.line, f.advice)).collect();
    assert!(list.is_empty(), "{rule}; {} break it:\n{}\n", list.len(), list.join("\n"));
}

/// Every file there is, sorted.
pub(crate) fn paths() -> Vec<String> {
    let mut found = Vec::new();
    walk(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut found);
    found.sort();
    found
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    let entries = fs::read_dir(folder).expect("a folder of the tree can be read");
    for entry in entries {
        let entry = entry.expect("an entry of the tree can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().expect("an entry of the tree has a kind");
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            walk(&entry.path(), &format!("{prefix}{name}/"), found);
        } else if kind.is_file() {
            found.push(format!("{prefix}{name}"));
        }
    }
}

/// The chosen text files. None at all means that a rule has lost its subject.
pub(crate) fn files(chosen: impl Fn(&str) -> bool) -> Vec<File> {
    let files: Vec<File> = paths()
        .into_iter()
        .filter(|path| chosen(path))
        .filter_map(|path| read(&path).map(|text| File { path, text }))
        .collect();
    assert!(!files.is_empty(), "no file was chosen: the rule has lost its subject");
    files
}

/// A file of the tree, if it is there and is text.
pub(crate) fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// The line, from 1, of a place in a text.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// Whether a path begins as one of a list.
pub(crate) fn under(path: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| path.starts_with(prefix))
}

#[test]
#[should_panic(expected = "a.rs:3: mend it")]
fn a_broken_rule_says_where_and_what_to_do() {
    hold("nothing is broken", vec![Fault::new("a.rs", 3, "mend it")]);
}

#[test]
#[should_panic(expected = "lost its subject")]
fn a_rule_without_a_subject_fails() {
    files(|_| false);
}
