//! Where markers are looked for: everything that the house wrote, as bytes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::marks::{Mark, spellings};

/// Something that was written.
pub(crate) struct Place {
    /// What it is called.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) bytes: Vec<u8>,
}

/// A marker that was found.
#[derive(Debug)]
pub(crate) struct Hit {
    /// Which field's.
    pub(crate) mark: String,
    /// Where.
    pub(crate) place: String,
    /// How it was written.
    pub(crate) spelling: &'static str,
}

impl Place {
    pub(crate) fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes }
    }
}

/// Looks for every marker, in every spelling, in every place.
pub(crate) fn search(places: &[Place], marks: &[Mark]) -> Vec<Hit> {
    let mut patterns: Vec<(usize, &'static str)> = Vec::new();
    let mut bytes = Vec::new();
    for (index, mark) in marks.iter().enumerate() {
        for (spelling, text) in spellings(&mark.text) {
            patterns.push((index, spelling));
            bytes.push(text);
        }
    }
    let finder = aho_corasick::AhoCorasick::new(&bytes).unwrap();
    let mut hits = Vec::new();
    for place in places {
        let mut seen = std::collections::BTreeSet::new();
        for found in finder.find_overlapping_iter(&place.bytes) {
            let (mark, spelling) = patterns[found.pattern().as_usize()];
            if seen.insert(mark) {
                let mark = marks[mark].field.clone();
                hits.push(Hit { mark, place: place.name.clone(), spelling });
            }
        }
    }
    hits
}

/// Every file below a directory, but for sockets and the like.
pub(crate) fn files(below: &Path, title: &str) -> Vec<Place> {
    let mut places = Vec::new();
    let mut todo: Vec<PathBuf> = vec![below.to_owned()];
    while let Some(dir) = todo.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => todo.push(path),
                Ok(kind) if kind.is_file() => {
                    // A file that went meanwhile holds nothing.
                    if let Ok(bytes) = fs::read(&path) {
                        let name = path.strip_prefix(below).unwrap().display().to_string();
                        places.push(Place::new(format!("{title}: {name}"), bytes));
                    }
                }
                _ => {}
            }
        }
    }
    places
}
