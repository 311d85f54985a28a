//! What is done to a bundle, and what is said of it.

use std::fs;
use std::path::Path;

use meridian_evidence::bundle::zip;
use meridian_evidence::signing::Signer;
use meridian_evidence::verify::{Place, Summary, Verdict, verify};

use crate::mutant::{self, Dir, Files, bundle, read, signer, write};

fn sound(path: &Path) -> Summary {
    match verify(path, &[signer().public()]) {
        Verdict::Sound(summary) => summary,
        other => panic!("{other:?}"),
    }
}

fn place(path: &Path) -> Place {
    match verify(path, &[signer().public()]) {
        Verdict::Tampered(place) => place,
        other => panic!("{other:?}"),
    }
}

/// A sound bundle, and the same with something done to it.
fn after(name: &str, hand: impl FnOnce(&mut Files)) -> Place {
    let dir = Dir::new(name);
    bundle(&dir.0, &signer(), 0);
    let mut files = read(&dir.0);
    hand(&mut files);
    write(&dir.0, &files);
    place(&dir.0)
}

fn lines(files: &mut Files, name: &str, hand: impl FnOnce(&mut Vec<String>)) {
    let text = String::from_utf8(files[name].clone()).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    hand(&mut lines);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    files.insert(name.to_owned(), text.into_bytes());
}

#[test]
fn a_bundle_is_sound_as_a_directory_and_as_a_zip_and_from_any_checkpoint_on() {
    let dir = Dir::new("sound");
    for from in [0, 8, 16] {
        let _ = fs::remove_dir_all(&dir.0);
        bundle(&dir.0, &signer(), from);
        let summary = sound(&dir.0);
        assert_eq!((summary.files, summary.records, summary.checkpoints), (5, 35 - from, 3));
        assert_eq!(summary.violated, Vec::<String>::new());
        let packed = Dir::new("sound-zip");
        zip(&dir.0, fs::File::create(&packed.0).unwrap()).unwrap();
        assert_eq!(sound(&packed.0), summary);
        fs::remove_file(&packed.0).unwrap();
    }
    let _ = fs::remove_dir_all(&dir.0);
    bundle(&dir.0, &signer(), 5);
    let place = place(&dir.0);
    assert_eq!((place.file.as_str(), place.record), ("chains/eu-central.ndjson", Some(0)));
    assert!(place.why.contains("no checkpoint"), "{place}");
}

#[test]
fn the_first_record_that_was_touched_is_named() {
    let report = "report.ndjson";
    let flipped = after("flip", |files| {
        lines(files, report, |it| it[3] = it[3].replace("\"rows\":3", "\"rows\":4"));
    });
    // The record itself still fits the one before it; the one after it does not fit it.
    assert_eq!((flipped.file.as_str(), flipped.record), (report, Some(4)));
    let deleted = after("delete", |files| lines(files, report, |it| drop(it.remove(5))));
    assert_eq!(deleted.record, Some(5), "{deleted}");
    let inserted = after("insert", |files| {
        lines(files, report, |it| it.insert(2, it[2].clone()));
    });
    assert_eq!(inserted.record, Some(3), "{inserted}");
    let moved = after("reorder", |files| lines(files, report, |it| it.swap(1, 2)));
    assert_eq!(moved.record, Some(1), "{moved}");
    let cut = after("truncate", |files| lines(files, report, |it| it.truncate(7)));
    assert_eq!(cut.record, Some(7), "{cut}");
    assert!(cut.why.contains("missing"), "{cut}");
    let last = after("last", |files| {
        lines(files, report, |it| it[10] = it[10].replace("kept", "violated"));
    });
    assert_eq!(last.record, Some(10), "the last record has none behind it: {last}");
    let half = after("half", |files| {
        files.get_mut(report).unwrap().pop();
    });
    assert_eq!(half.record, Some(10), "{half}");
}

#[test]
fn a_chain_that_was_written_anew_does_not_fit_its_checkpoints() {
    let other = Signer::from_seed([7; 32]);
    let (mine, _) = mutant::chain("eu-central", &signer());
    let (_, theirs) = mutant::chain("eu-central", &other);
    // Whoever holds the bundle's key but not the past signs other records: the old checkpoints are
    // in other hands, and theirs does not open with the key that was given out.
    let dir = Dir::new("rewritten");
    bundle(&dir.0, &other, 0);
    let refused = place(&dir.0);
    assert_eq!(refused.file, "manifest.sig");
    assert!(refused.why.contains("none of those given"), "{refused}");
    let swapped = after("checkpoints", |files| {
        lines(files, "chains/eu-central.checkpoints", |it| it[2].clone_from(&theirs[2]));
    });
    assert!(swapped.file.ends_with(".checkpoints"), "{swapped}");
    let replayed = after("replay", |files| {
        lines(files, "chains/eu-central.checkpoints", |it| it[2] = it[1].clone());
    });
    assert!(replayed.file.ends_with(".checkpoints"), "{replayed}");
    let cut = after("cut", |files| {
        lines(files, "chains/eu-central.ndjson", |it| it.truncate(16));
        lines(files, "chains/eu-central.checkpoints", |it| it.truncate(2));
    });
    assert_eq!(cut.file, "chains/eu-central.checkpoints", "{cut}");
    assert_eq!(mine.len(), 24);
}

#[test]
fn files_that_are_changed_missing_or_more_are_named() {
    let page = after("page", |files| files.get_mut("report.html").unwrap()[20] ^= 1);
    assert_eq!(page.file, "report.html");
    let more = after("more", |files| drop(files.insert("x.txt".into(), vec![1])));
    assert_eq!((more.file.as_str(), more.why.as_str()), ("x.txt", "is not in the manifest"));
    let less = after("less", |files| drop(files.remove("queries.sql")));
    assert_eq!((less.file.as_str(), less.why.as_str()), ("queries.sql", "is missing"));
    let manifest = after("manifest", |files| {
        let text = String::from_utf8(files["manifest.json"].clone()).unwrap();
        files.insert("manifest.json".into(), text.replace("a test", "a jest").into_bytes());
    });
    assert_eq!(manifest.file, "manifest.json");
}

#[test]
fn what_is_no_bundle_is_told_from_a_broken_one() {
    let dir = Dir::new("none");
    let not = |path: &Path| match verify(path, &[signer().public()]) {
        Verdict::NotABundle(why) => why,
        other => panic!("{other:?}"),
    };
    assert!(not(&dir.0).contains("cannot be read"));
    fs::create_dir_all(&dir.0).unwrap();
    assert!(not(&dir.0).contains("manifest.json"));
    fs::write(dir.0.join("a.txt"), "a letter to my aunt").unwrap();
    assert!(not(&dir.0.join("a.txt")).contains("neither a directory nor a ZIP"));
    bundle(&dir.0.join("b"), &signer(), 0);
    std::os::unix::fs::symlink("/etc/passwd", dir.0.join("b/link")).unwrap();
    assert!(place(&dir.0.join("b")).why.contains("no plain file"));
}

#[test]
fn chance_is_never_believed() {
    let seed = std::process::id().into();
    let (accepted, first) = mutant::run(seed, 10_000);
    assert_eq!(accepted, 0, "seed {seed}, mutation {first:?}");
}
