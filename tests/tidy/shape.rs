//! How long things may be, what they may be called, how they open.

use std::sync::LazyLock;

use regex::Regex;

use super::source::{Source, end_of_item, sources};
use super::tree::{Fault, File, files, hold, paths};

/// Most lines of a Rust or SQL file.
const FILE_LINES_MAX: usize = 500;
/// Most lines of a function, from `fn` to its last brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Most columns of a line of Rust.
const RUST_COLUMNS_MAX: usize = 100;
/// Most columns of a line of SQL.
const SQL_COLUMNS_MAX: usize = 110;
/// Names that say nothing of what is inside.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "type", "types", "misc"];

fn long_file(file: &File) -> Option<Fault> {
    let lines = file.text.lines().count();
    let advice =
        format!("{lines} lines, {FILE_LINES_MAX} at most; split it where its subject does");
    (lines > FILE_LINES_MAX).then(|| Fault::new(&file.path, lines, advice))
}

fn long_lines(file: &File) -> Vec<Fault> {
    let most = if file.path.ends_with(".rs") { RUST_COLUMNS_MAX } else { SQL_COLUMNS_MAX };
    let long = file.text.lines().enumerate().filter(|(_, line)| line.chars().count() > most);
    long.map(|(at, line)| {
        let advice = format!("{} columns, {most} at most; break it", line.chars().count());
        Fault::new(&file.path, at + 1, advice)
    })
    .collect()
}

fn long_functions(source: &Source) -> Vec<Fault> {
    static HEAD: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bfn\s+([A-Za-z_]\w*)").expect("the pattern is right"));
    let heads = HEAD.captures_iter(&source.code);
    heads
        .filter_map(|head| {
            let whole = head.get(0).expect("a match has a whole");
            let end = end_of_item(&source.code, whole.end())?;
            let first = source.line(whole.start());
            let lines = source.line(end) - first + 1;
            let advice = format!(
                "`{}` has {lines} lines, {FUNCTION_LINES_MAX} at most; name its parts",
                &head[1]
            );
            (lines > FUNCTION_LINES_MAX).then(|| Fault::new(&source.path, first, advice))
        })
        .collect()
}

fn empty_name(path: &str) -> Option<Fault> {
    let advice = "the name says nothing; call it after what is inside";
    let stem = |part: &str| part.split('.').next().unwrap_or(part).to_lowercase();
    let empty = path.split('/').any(|part| EMPTY_NAMES.contains(&stem(part).as_str()));
    empty.then(|| Fault::new(path, 1, advice))
}

fn unopened(file: &File) -> Option<Fault> {
    let first = file.text.lines().next().unwrap_or_default();
    let opened = first.strip_prefix("//!").is_some_and(|words| words.trim().len() > 10);
    let advice = "open with `//!` and what the module is and is not";
    (!opened).then(|| Fault::new(&file.path, 1, advice))
}

fn is_measured(path: &str) -> bool {
    path.ends_with(".rs") || path.ends_with(".sql")
}

#[test]
fn files_end_before_their_subject_changes() {
    let faults = files(is_measured).iter().filter_map(long_file).collect();
    hold("a file has 500 lines at most", faults);
}

#[test]
fn lines_fit_beside_each_other() {
    let faults = files(is_measured).iter().flat_map(long_lines).collect();
    hold("a line has 100 columns at most, one of SQL 110", faults);
}

#[test]
fn functions_fit_on_a_screen() {
    let faults = sources(|_| true).iter().flat_map(long_functions).collect();
    hold("a function has 70 lines at most", faults);
}

#[test]
fn names_say_what_is_inside() {
    let faults = paths().iter().filter_map(|path| empty_name(path)).collect();
    hold("no file or folder is called after nothing", faults);
}

#[test]
fn modules_open_with_what_they_are() {
    let faults = files(|path| path.ends_with(".rs")).iter().filter_map(unopened).collect();
    hold("a module opens with a sentence", faults);
}

#[test]
fn what_is_too_long_or_nameless_is_seen() {
    let file = |text: &str| File { path: "a.rs".into(), text: text.into() };
    assert!(long_file(&file(&"x\n".repeat(FILE_LINES_MAX))).is_none());
    assert!(long_file(&file(&"x\n".repeat(FILE_LINES_MAX + 1))).is_some());
    assert_eq!(long_lines(&file(&"é".repeat(RUST_COLUMNS_MAX))), []);
    assert_eq!(long_lines(&file(&"é".repeat(RUST_COLUMNS_MAX + 1))).len(), 1);
    let function = |lines: usize| {
        let body = "    x();\n".repeat(lines - 2);
        format!("trait T {{ fn a(); }}\nfn b(x: [u8; 3])\n{{\n{body}}}\nfn c() {{}}\n")
    };
    let seen = |lines: usize| long_functions(&Source::new("a.rs", &function(lines))).len();
    assert_eq!((seen(FUNCTION_LINES_MAX - 1), seen(FUNCTION_LINES_MAX)), (0, 1));
    assert!(empty_name("src/utils/a.rs").is_some() && empty_name("src/http/types.rs").is_some());
    assert!(empty_name("src/utilisation.rs").is_none());
    assert!(unopened(&file("use a;\n")).is_some() && unopened(&file("//!\n")).is_some());
    assert!(unopened(&file("//! What it is.\n")).is_none());
}
