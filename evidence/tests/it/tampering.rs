//! What is done to a bundle, and what is said of it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use meridian_evidence::bundle::{Writer, zip};
use meridian_evidence::chain::{Chain, Hash, record_hash};
use meridian_evidence::checkpoint::Checkpoint;
use meridian_evidence::signing::Signer;
use meridian_evidence::verify::{Place, Summary, Verdict, verify};

use crate::mutant::{self, Dir, Files, bundle, read, renew, signer, write};

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
    let rude = after("rude", |files| drop(files.insert("\u{1b}[2J.txt".into(), vec![1])));
    assert_eq!(rude.to_string(), "\u{fffd}[2J.txt: is not in the manifest");
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
    assert_eq!(not(Path::new("/dev/null")), "it is neither a directory nor a ZIP");
    assert!(not(&dir.0.join("a.txt")).contains("neither a directory nor a ZIP"));
    bundle(&dir.0.join("b"), &signer(), 0);
    std::os::unix::fs::symlink("/etc/passwd", dir.0.join("b/link")).unwrap();
    assert!(place(&dir.0.join("b")).why.contains("no plain file"));
}

#[test]
fn a_chain_in_which_nothing_happened_is_sound_too() {
    let dir = Dir::new("quiet");
    bundle(&dir.0, &signer(), 24);
    assert_eq!((sound(&dir.0).records, sound(&dir.0).checkpoints), (11, 3));
    let mut files = read(&dir.0);
    assert_eq!(files["chains/eu-central.ndjson"], b"");
    let (lines, _) = mutant::chain("eu-central", &signer());
    let more = format!("{}\n", lines[16]).into_bytes();
    files.insert("chains/eu-central.ndjson".into(), more);
    write(&dir.0, &files);
    assert_eq!(place(&dir.0).record, Some(0));
}

#[test]
fn records_are_held_against_the_checkpoints_while_they_go_by() {
    let (records, signed) = ("chains/eu-central.ndjson", "chains/eu-central.checkpoints");
    // Nothing in the file stands between the last record under a checkpoint and the checkpoint.
    let last = after("span", |files| {
        lines(files, records, |it| it[7] = it[7].replace("\"n\":7", "\"n\":8"));
    });
    assert_eq!((last.file.as_str(), last.record), (records, Some(7)), "{last}");
    assert!(last.why.contains("checkpoint 0"), "{last}");
    let begin = after("begin", |files| lines(files, records, |it| drop(it.remove(0))));
    assert_eq!((begin.file.as_str(), begin.record), (records, Some(0)), "{begin}");
    let (_, foreign) = mutant::chain("us-east", &signer());
    for (name, record, hand) in [
        ("swap", 1, (|it| it.swap(1, 2)) as fn(&mut Vec<String>)),
        ("repeat", 2, |it| it.insert(2, it[1].clone())),
        ("first", 0, |it| drop(it.remove(0))),
        ("short", 2, |it| it.truncate(2)),
        ("space", 1, |it| it[1].insert(1, ' ')),
    ] {
        let found = after(name, |files| lines(files, signed, hand));
        assert_eq!((found.file.as_str(), found.record), (signed, Some(record)), "{name}: {found}");
    }
    let other = after("other-chain", |files| lines(files, signed, |it| *it = foreign));
    assert_eq!((other.file.as_str(), other.record), (signed, Some(0)), "{other}");
}

#[test]
fn whoever_signs_the_bundle_cannot_rewrite_what_was_signed_before() {
    let dir = Dir::new("inside");
    let (_, checkpoints) = mutant::chain("eu-central", &signer());
    let mut chain = Chain::begin("eu-central");
    let line = |n: u64| {
        let n = if n == 3 { 99 } else { n };
        let body = serde_json::json!({ "n": n });
        chain.append("2026-01-01T00:00:00Z", "consent.given", Some("ab12"), body).unwrap().0
    };
    let rewritten: Vec<String> = (0..24).map(line).collect();
    let mut writer = Writer::create(&dir.0).unwrap();
    writer.window("eu-central", Chain::begin("eu-central"), rewritten).unwrap().unwrap();
    let text: String = checkpoints.iter().map(|line| format!("{line}\n")).collect();
    writer.file("chains/eu-central.checkpoints", text.as_bytes()).unwrap();
    writer.finish(&signer(), "2026-01-01T00:00:00Z", &[], "a test").unwrap();
    let found = place(&dir.0);
    assert_eq!((found.file.as_str(), found.record), ("chains/eu-central.ndjson", Some(7)));
}

/// Where a bundle of these lines and checkpoints begins to be wrong, though its signer signed all.
fn resigned(from: Chain, lines: &[String], checkpoints: &[Checkpoint]) -> Option<Place> {
    let dir = Dir::new("resigned");
    let mut writer = Writer::create(&dir.0).unwrap();
    writer.window("eu-central", from, lines.to_vec()).unwrap().unwrap();
    let signed = |it: &Checkpoint| format!("{}\n", it.sign(&signer()).unwrap().to_text());
    let text: String = checkpoints.iter().map(signed).collect();
    writer.file("chains/eu-central.checkpoints", text.as_bytes()).unwrap();
    writer.finish(&signer(), "2026-01-01T00:00:00Z", &[], "a test").unwrap();
    match verify(&dir.0, &[signer().public()]) {
        Verdict::Sound(_) => None,
        Verdict::Tampered(place) => Some(place),
        other @ Verdict::NotABundle(_) => panic!("{other:?}"),
    }
}

#[test]
fn a_checkpoint_that_its_own_signer_made_wrong_is_named() {
    let (lines, envelopes) = mutant::chain("eu-central", &signer());
    let signed: Vec<Checkpoint> =
        envelopes.iter().map(|it| Checkpoint::peek(it).unwrap()).collect();
    let begin = || Chain::begin("eu-central");
    assert_eq!(resigned(begin(), &lines, &signed), None);
    let wrong = |number: usize, hand: fn(&mut Checkpoint), why: &str| {
        let mut checkpoints = signed.clone();
        hand(&mut checkpoints[number]);
        let place = resigned(begin(), &lines, &checkpoints).unwrap();
        assert_eq!(place.file, "chains/eu-central.checkpoints", "{place}");
        assert_eq!(place.record, Some(number as u64), "{place}");
        assert!(place.why.contains(why), "{place}");
    };
    wrong(2, |it| it.root = Hash::ZERO, "another root");
    wrong(2, |it| it.number = 3, "does not follow");
    wrong(2, |it| it.first = 15, "does not follow");
    wrong(2, |it| it.records = 16, "does not follow");
    wrong(2, |it| it.previous = Hash::ZERO, "does not follow");
    wrong(0, |it| it.previous = Hash::of(b""), "does not follow");
    wrong(2, |it| it.records = 25, "not in the bundle");
    // A window that begins with the right number, behind another past.
    let mut chain = Chain::resume(8, Hash::of(b"another past"));
    let line = chain.append("2026-01-01T00:00:00Z", "k", None, serde_json::json!({})).unwrap().0;
    let past = Chain::resume(8, Hash::of(b"another past"));
    let place = resigned(past, &[line], &signed[..1]).unwrap();
    assert_eq!((place.file.as_str(), place.record), ("chains/eu-central.ndjson", Some(0)));
    assert!(place.why.contains("no checkpoint ends"), "{place}");
}

#[test]
fn what_is_linked_and_signed_but_came_later_is_one_too_many() {
    let record = after("later", |files| {
        lines(files, "report.ndjson", |it| {
            let head = record_hash(it.last().unwrap());
            let mut chain = Chain::resume(it.len() as u64, head);
            let body = serde_json::json!({});
            it.push(chain.append("2026-01-01T00:00:00Z", "gap", None, body).unwrap().0);
        });
    });
    assert_eq!((record.file.as_str(), record.record), ("report.ndjson", Some(11)), "{record}");
    assert!(record.why.contains("one too many"), "nothing behind it is read: {record}");
    let checkpoint = after("later-signed", |files| {
        lines(files, "chains/eu-central.checkpoints", |it| {
            let last = Checkpoint::peek(&it[2]).unwrap();
            let next = Checkpoint {
                number: 3,
                first: last.records,
                records: last.records + 1,
                previous: Hash::of(it[2].as_bytes()),
                ..last
            };
            it.push(next.sign(&signer()).unwrap().to_text());
        });
    });
    assert_eq!(checkpoint.file, "chains/eu-central.checkpoints");
    assert_eq!(checkpoint.record, Some(3), "{checkpoint}");
}

#[test]
fn records_are_written_as_records() {
    let dir = Dir::new("records");
    let mut writer = Writer::create(&dir.0).unwrap();
    for name in ["a.ndjson", "../a", "/a", "a/../b", ".a", "a/b/c", "manifest.json", "", "\u{e9}"] {
        assert!(writer.file(name, b"{}\n").is_err(), "{name}");
    }
    writer.file("a.txt", b"").unwrap();
    assert!(writer.file("a.txt", b"").is_err(), "a name is given once");
}

#[test]
fn files_that_change_places_and_oversized_ones_are_named() {
    let swapped = after("places", |files| {
        let page = files["report.html"].clone();
        let queries = files.insert("queries.sql".into(), page).unwrap();
        files.insert("report.html".into(), queries);
    });
    assert_eq!(swapped.file, "queries.sql", "the first of the two by name: {swapped}");
    let longer = after("longer", |files| files.get_mut("report.html").unwrap().push(b'x'));
    assert_eq!(
        (longer.file.as_str(), longer.why.as_str()),
        ("report.html", "is longer than it was")
    );
    let long = after("long", |files| {
        files.insert("report.ndjson".into(), vec![b'x'; 3 * 1024 * 1024]);
    });
    assert_eq!((long.file.as_str(), long.record), ("report.ndjson", Some(0)));
    assert!(long.why.contains("longer than any record"), "{long}");
    let huge = after("huge", |files| {
        files.insert("manifest.json".into(), vec![b' '; 17 * 1024 * 1024]);
    });
    assert_eq!(huge.file, "manifest.json");
    assert!(huge.why.contains("larger"), "{huge}");
}

/// A small bundle as a ZIP, with something done to its bytes.
fn packed(name: &str, hand: impl FnOnce(&mut Vec<u8>)) -> Verdict {
    let dir = Dir::new(name);
    bundle(&dir.0, &signer(), 0);
    let mut bytes = Vec::new();
    zip(&dir.0, &mut bytes).unwrap();
    hand(&mut bytes);
    let file = dir.0.join("packed");
    fs::write(&file, bytes).unwrap();
    verify(&file, &[signer().public()])
}

#[test]
fn a_zip_is_believed_in_one_spelling_only() {
    assert!(matches!(packed("as-it-is", |_| ()), Verdict::Sound(_)));
    let around = |verdict: Verdict| match verdict {
        Verdict::Tampered(place) => assert!(place.why.contains("around the files"), "{place}"),
        other => panic!("{other:?}"),
    };
    around(packed("before", |it| drop(it.splice(0..0, *b"MZ"))));
    around(packed("comment", |it| {
        let end = it.len();
        it[end - 2] = 1;
        it.push(b'x');
    }));
    let twice = packed("twice", |it| {
        for at in 0..it.len() - 11 {
            if it[at..].starts_with(b"queries.sql") {
                it[at..at + 11].copy_from_slice(b"report.html");
            }
        }
    });
    assert!(matches!(twice, Verdict::Tampered(_)), "two files of one name: {twice:?}");
    let dir = Dir::new("bomb");
    fs::create_dir_all(&dir.0).unwrap();
    let bomb = dir.0.join("bomb");
    let mut zip = zip::ZipWriter::new(fs::File::create(&bomb).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("manifest.json", options).unwrap();
    std::io::copy(&mut std::io::repeat(b' ').take(64 << 20), &mut zip).unwrap();
    zip.finish().unwrap();
    assert!(place(&bomb).why.contains("compressed"), "nothing is unpacked");
}

#[test]
fn every_byte_counts() {
    let (dir, copy) = (Dir::new("bytes"), Dir::new("bytes-of"));
    let mut writer = Writer::create(&dir.0).unwrap();
    let mut report = writer.records("report.ndjson").unwrap();
    report.record("2026-01-01T00:00:00Z", "gap", None, serde_json::json!({})).unwrap();
    report.close().unwrap();
    writer.window("eu-west", Chain::begin("eu-west"), Vec::new()).unwrap().unwrap();
    writer.file("chains/eu-west.checkpoints", b"").unwrap();
    writer.finish(&signer(), "2026-01-01T00:00:00Z", &[], "a test").unwrap();
    let mut bytes = Vec::new();
    zip(&dir.0, &mut bytes).unwrap();
    let files = read(&dir.0);
    fs::create_dir_all(&copy.0).unwrap();
    let mut trials: Vec<(PathBuf, Vec<u8>, PathBuf)> =
        files.into_iter().map(|(name, bytes)| (dir.0.join(name), bytes, dir.0.clone())).collect();
    let file = copy.0.join("packed");
    trials.push((file.clone(), bytes, file));
    for (path, bytes, whole) in trials {
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            renew(&path, &flipped);
            let verdict = verify(&whole, &[signer().public()]);
            assert!(!matches!(verdict, Verdict::Sound(_)), "byte {at} of {}", path.display());
        }
        renew(&path, &bytes);
        assert_eq!(sound(&whole).records, 1);
    }
}

#[test]
fn chance_is_never_believed() {
    let outcome = mutant::run(mutant::SEED, 10_000);
    assert_eq!(outcome.first, None, "seed {}: {outcome:?}", mutant::SEED);
}
