//! A Rust file as the rules read it: code apart from comments, and apart from what is in quotes.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::tree::{File, files, line_of};

/// A Rust file, taken apart.
pub(crate) struct Source {
    /// From the root.
    pub(crate) path: String,
    /// As it is written.
    pub(crate) text: String,
    /// As long as the text, with comments and the insides of quotes blanked out.
    pub(crate) code: String,
    /// What is in quotes.
    pub(crate) literals: Vec<Literal>,
    tests: Vec<Range<usize>>,
}

/// A string in quotes.
pub(crate) struct Literal {
    /// Where it starts.
    pub(crate) start: usize,
    /// On which line, from 1.
    pub(crate) line: usize,
    /// Without the quotes; a line's continuation is joined.
    pub(crate) text: String,
}

/// The chosen Rust files.
pub(crate) fn sources(chosen: impl Fn(&str) -> bool) -> Vec<Source> {
    let chosen = files(|path| path.ends_with(".rs") && chosen(path));
    chosen.into_iter().map(|File { path, text }| Source::new(&path, &text)).collect()
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let mut reader = Reader::of(text);
        reader.read();
        let code = String::from_utf8(reader.code).expect("whole characters are blanked");
        let literals = reader
            .found
            .into_iter()
            .map(|at| Literal {
                start: at.start,
                line: line_of(text, at.start),
                text: joined(&text[at]),
            })
            .collect();
        let (path, text) = (path.to_owned(), text.to_owned());
        let mut source = Self { path, text, code, literals, tests: Vec::new() };
        source.tests = source.blocks(&TESTS);
        source
    }

    /// The line, from 1, of a place in the code.
    pub(crate) fn line(&self, offset: usize) -> usize {
        line_of(&self.code, offset)
    }

    /// Whether a place is compiled for tests only.
    pub(crate) fn is_test(&self, offset: usize) -> bool {
        self.tests.iter().any(|block| block.contains(&offset))
    }

    /// From each match to the end of the block that follows it, or of the item without one.
    pub(crate) fn blocks(&self, opening: &Regex) -> Vec<Range<usize>> {
        let ends = opening.find_iter(&self.code);
        ends.filter_map(|m| Some(m.start()..end_of_item(&self.code, m.end())?)).collect()
    }
}

static TESTS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"#\[cfg\(test\)\]").expect("the pattern is right"));

/// Where the item ends whose head goes on at `from`: after its block, or after its semicolon.
pub(crate) fn end_of_item(code: &str, from: usize) -> Option<usize> {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for (offset, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' => braces += 1,
            b'}' => {
                braces = braces.checked_sub(1)?;
                if braces == 0 {
                    return Some(offset + 1);
                }
            }
            b'(' | b'[' if braces == 0 => others += 1,
            b')' | b']' if braces == 0 => others = others.checked_sub(1)?,
            b';' if braces == 0 && others == 0 => return Some(offset + 1),
            _ => {}
        }
    }
    None
}

/// A literal as the program sees it, as far as the rules care.
fn joined(literal: &str) -> String {
    let mut joined = String::new();
    let mut rest = literal;
    while let Some((before, after)) = rest.split_once("\\\n") {
        joined.push_str(before);
        rest = after.trim_start();
    }
    joined + rest
}

struct Reader<'a> {
    text: &'a [u8],
    code: Vec<u8>,
    found: Vec<Range<usize>>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.as_bytes();
        Self { text, code: text.to_vec(), found: Vec::new(), at: 0 }
    }

    fn read(&mut self) {
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            if rest.starts_with(b"//") {
                self.blank_to(
                    self.at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()),
                );
            } else if rest.starts_with(b"/*") {
                self.block_comment();
            } else if let Some(hashes) = self.raw_string() {
                self.raw(hashes);
            } else if rest[0] == b'"' {
                self.string();
            } else if rest[0] == b'\'' {
                self.character();
            } else {
                self.at += 1;
            }
        }
    }

    fn blank_to(&mut self, end: usize) {
        for byte in &mut self.code[self.at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        self.at = end;
    }

    fn block_comment(&mut self) {
        let (mut depth, mut end) = (1_usize, self.at + 2);
        while depth > 0 && end < self.text.len() {
            match &self.text[end..] {
                [b'/', b'*', ..] => (depth, end) = (depth + 1, end + 2),
                [b'*', b'/', ..] => (depth, end) = (depth - 1, end + 2),
                _ => end += 1,
            }
        }
        self.blank_to(end.min(self.text.len()));
    }

    /// The number of hashes, when a raw string starts here; `r#name` is none.
    fn raw_string(&self) -> Option<usize> {
        let before = self.at.checked_sub(1).map_or(b' ', |before| self.text[before]);
        let rest = &self.text[self.at..];
        let after_r = rest.strip_prefix(b"r")?;
        if before.is_ascii_alphanumeric() && before != b'b' && before != b'c' || before == b'_' {
            return None;
        }
        let hashes = after_r.iter().take_while(|&&byte| byte == b'#').count();
        (after_r.get(hashes) == Some(&b'"')).then_some(hashes)
    }

    fn raw(&mut self, hashes: usize) {
        let start = self.at + hashes + 2;
        let close: Vec<u8> = std::iter::once(b'"').chain([b'#'].repeat(hashes)).collect();
        let length = self.text[start..].windows(close.len()).position(|window| window == close);
        self.literal(start, start + length.expect("a raw string ends"));
        self.at += hashes;
    }

    fn string(&mut self) {
        let start = self.at + 1;
        let mut end = start;
        while self.text[end] != b'"' {
            end += if self.text[end] == b'\\' { 2 } else { 1 };
        }
        self.literal(start, end);
    }

    fn literal(&mut self, start: usize, end: usize) {
        self.found.push(start..end);
        self.at = start;
        self.blank_to(end);
        self.at = end + 1;
    }

    /// A character in quotes is blanked; a lifetime stays.
    fn character(&mut self) {
        let start = self.at + 1;
        let first = self.text.get(start).copied().unwrap_or_default();
        let wide = match first {
            b'\\' => 2,
            0xf0.. => 4,
            0xe0.. => 3,
            0xc0.. => 2,
            _ => 1,
        };
        let rest = self.text.get(start + wide..).unwrap_or_default();
        let closes = rest.iter().position(|&byte| byte == b'\'');
        match closes {
            Some(more) if first == b'\\' || more == 0 => {
                self.at = start;
                self.blank_to(start + wide + more);
                self.at += 1;
            }
            _ => self.at = start,
        }
    }
}

#[test]
fn code_is_told_from_comments_and_quotes() {
    let text =
        "fn a<'x>() { /* b /* c */ d */ \"e \\\" f\"; r#\"g \"h\"#; '\"'; '\\''; '€'; i } // j\n";
    let source = Source::new("a.rs", text);
    assert_eq!(source.code.len(), text.len());
    let left: String = source.code.split_whitespace().collect();
    assert_eq!(left, "fna<'x>(){\"\";r#\"\"#;'';'';'';i}");
    let literals: Vec<&str> = source.literals.iter().map(|l| l.text.as_str()).collect();
    assert_eq!(literals, ["e \\\" f", "g \"h"]);
}

#[test]
fn what_is_compiled_for_tests_is_told_from_the_rest() {
    let source = Source::new("a.rs", "fn a() {}\n#[cfg(test)]\nmod t { fn b() {} }\nfn c() {}\n");
    let at = |name: &str| source.code.find(name).expect("it is there");
    assert!(
        !source.is_test(at("fn a")) && source.is_test(at("fn b")) && !source.is_test(at("fn c"))
    );
}
