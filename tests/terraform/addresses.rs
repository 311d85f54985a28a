//! Which addresses a root's state may know, read from the configuration alone, and where `moved`
//! and `removed` blocks say that they went.
//!
//! It reads what `terraform fmt` writes, which is held elsewhere, and not HCL at large.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// What stands for the keys of `for_each`: they are data, and only their being there counts. With
/// `count` an address is as without: Terraform itself takes one for the other.
const EACH: &str = "[each]";

/// What a root consists of.
#[derive(Default)]
pub(crate) struct Addresses {
    /// Every resource and every module, also those inside modules.
    pub(crate) all: BTreeSet<String>,
    moves: Vec<Move>,
}

/// A `moved` block, or without an end a `removed` one.
struct Move {
    from: String,
    to: Option<String>,
    /// No key on either side: it takes all instances along.
    whole: bool,
}

impl Addresses {
    /// Those of a root and of the modules that it calls.
    pub(crate) fn of(root: &Path) -> Self {
        let mut found = Self::default();
        found.read(root, "");
        found
    }

    fn read(&mut self, dir: &Path, prefix: &str) {
        for Block { kind, labels, body } in blocks(dir) {
            let each = if argument(&body, "for_each").is_some() { EACH } else { "" };
            match kind.as_str() {
                "resource" => {
                    self.all.insert(format!("{prefix}{}{each}", labels.join(".")));
                }
                "module" => {
                    let module = format!("{prefix}module.{}{each}", labels[0]);
                    let source = argument(&body, "source").expect("a module has a source");
                    self.read(&dir.join(source.trim_matches('"')), &format!("{module}."));
                    self.all.insert(module);
                }
                _ => {
                    let from = argument(&body, "from").expect("such a block has a from");
                    let to = argument(&body, "to");
                    let whole =
                        !from.contains('[') && !to.as_ref().is_some_and(|it| it.contains('['));
                    let place = |it: &String| format!("{prefix}{}", without_keys(it));
                    self.moves.push(Move { from: place(&from), to: to.as_ref().map(place), whole });
                }
            }
        }
    }

    /// Which of these would be destroyed: they are gone, and no block says where.
    pub(crate) fn lost<'a>(&self, known: &BTreeSet<&'a str>) -> Vec<&'a str> {
        let lost = |address: &str| !self.accounts_for(address);
        let empty = |module: &str| {
            let beneath = format!("{module}.");
            let mut beneath = known.iter().filter(|it| it.starts_with(&beneath)).peekable();
            // A module is no thing of its own: it may go when all that was in it went elsewhere.
            beneath.peek().is_some() && !beneath.any(|it| lost(it))
        };
        known.iter().copied().filter(|it| lost(it) && !empty(it)).collect()
    }

    fn accounts_for(&self, address: &str) -> bool {
        let mut address = address.to_owned();
        for _ in 0..=self.moves.len() {
            if self.all.contains(&address) {
                return true;
            }
            match self.moves.iter().find_map(|it| it.takes(&address)) {
                Some(Some(to)) => address = to,
                Some(None) => return true,
                None => return false,
            }
        }
        false
    }
}

impl Move {
    /// Where it takes an address: nowhere on purpose, or not at all.
    fn takes(&self, address: &str) -> Option<Option<String>> {
        let rest = address.strip_prefix(&self.from)?;
        let inside = |rest: &str| rest.is_empty() || rest.starts_with('.');
        let instances = || self.whole && rest.strip_prefix(EACH).is_some_and(inside);
        if !inside(rest) && !instances() {
            return None;
        }
        Some(self.to.as_ref().map(|to| format!("{to}{rest}")))
    }
}

struct Block {
    kind: String,
    labels: Vec<String>,
    body: String,
}

/// The blocks of a folder that have to do with addresses.
fn blocks(dir: &Path) -> Vec<Block> {
    static BLOCK: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?ms)^(resource|module|moved|removed)((?: "[^"]+")*) \{\n(.*?)^\}"#).unwrap()
    });
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "tf"));
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let text = fs::read_to_string(path).unwrap();
        found.extend(BLOCK.captures_iter(&text).map(|block| Block {
            kind: block[1].to_owned(),
            labels: block[2].split_whitespace().map(|it| it.trim_matches('"').to_owned()).collect(),
            body: block[3].to_owned(),
        }));
    }
    found
}

/// An argument of the block itself, not of one inside it.
fn argument(body: &str, name: &str) -> Option<String> {
    body.lines().find_map(|line| {
        let (key, value) = line.strip_prefix("  ")?.split_once('=')?;
        let value = value.split(" #").next()?.trim();
        (key.trim_end() == name).then(|| value.to_owned())
    })
}

/// Keys of `for_each` become one word, numbers of `count` nothing.
fn without_keys(address: &str) -> String {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\[[0-9]+\]").unwrap());
    static KEY: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"\["[^"]*"\]"#).unwrap());
    KEY.replace_all(&NUMBER.replace_all(address, ""), EACH).into_owned()
}
