//! The chain of a region: linked once, signed, and whoever changes it is found.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use meridian::privacy::audit::locality;
use meridian::privacy::audit::report::{self, Wanted};
use meridian::privacy::evidence::Keeper;
use meridian::privacy::keys::evidence_key;
use meridian_evidence::bundle::zip;
use meridian_evidence::checkpoint::Checkpoint;
use meridian_evidence::verify::{Verdict, verify};
use serde_json::{Value, json};

use crate::asker::{Person, an_offer, id, instant, new_key};
use crate::lab::{KeysDir, Lab, count, sql, until};

/// Keeps the chain of eu-central by hand.
fn keeper(lab: &Lab, checkpoint_every: Duration) -> Keeper {
    let home = lab.region("eu-central");
    Keeper {
        store: lab.running("eu-central").api.store.clone(),
        home,
        signer: evidence_key(&lab.keys.0, home).unwrap(),
        clock: lab.world.clock.clone(),
        checkpoint_every,
    }
}

/// A directory that is not there yet and goes when the test goes.
fn scratch() -> KeysDir {
    KeysDir(std::env::temp_dir().join(format!("meridian-{}", uuid::Uuid::new_v4().simple())))
}

/// Runs the program; its exit code and what it said.
fn program(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_meridian")).args(args).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

async fn broken(lab: &Lab) -> Vec<String> {
    let store = &lab.running("eu-central").api.store;
    let report = locality(store, &lab.registry).await.unwrap();
    let chains = report.violations.iter().filter(|it| it.control == "EVI-01");
    chains.map(|it| format!("{} {} {}", it.region, it.what, it.why)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_is_linked_once_and_signed() {
    let lab = Lab::without_worker().await;
    for _ in 0..3 {
        Person::berliner(&lab).await;
    }
    let (one, other) = (keeper(&lab, Duration::ZERO), keeper(&lab, Duration::ZERO));
    let (first, second) = tokio::join!(one.link(), other.link());
    assert_eq!(first.unwrap() + second.unwrap(), 3, "two that link at once link once");
    assert_eq!(count(&lab.database, "SELECT count(*) FROM evidence_intake").await, 0);
    let (first, second) = tokio::join!(one.checkpoint(), other.checkpoint());
    let signed: Vec<Checkpoint> = [first.unwrap(), second.unwrap()].into_iter().flatten().collect();
    assert_eq!(signed.len(), 1, "and sign once");
    assert_eq!((signed[0].number, signed[0].records), (0, 3));
    assert_eq!(one.checkpoint().await.unwrap(), None, "there is nothing new to sign");
    Person::berliner(&lab).await;
    assert_eq!(one.link().await.unwrap(), 1);
    let later = keeper(&lab, Duration::from_secs(3600));
    assert_eq!(later.checkpoint().await.unwrap(), None, "the last one is young");
    let next = one.checkpoint().await.unwrap().unwrap();
    assert_eq!((next.number, next.first, next.records), (1, 3, 4));
    assert_eq!(broken(&lab).await, Vec::<String>::new());
    let named = "SELECT count(*) FROM evidence WHERE record LIKE '%canary.example%'
                 OR record LIKE '%trv_%'";
    assert_eq!(count(&lab.database, named).await, 0, "nobody is named in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_the_chain_is_found_at_the_first_record() {
    for (hand, place) in [
        (
            "UPDATE evidence SET record = replace(record, 'account.opened', 'account.closed')
          WHERE seq = 1",
            "record 2",
        ),
        ("DELETE FROM evidence WHERE seq = 1", "record 2"),
        (
            "UPDATE evidence SET seq = CASE seq WHEN 1 THEN 12 ELSE 1 END WHERE seq IN (1, 2)",
            "record 1",
        ),
        ("UPDATE evidence_checkpoint SET envelope = replace(envelope, 'a', 'b')", "checkpoint 0"),
        ("DELETE FROM evidence WHERE seq >= 2", "checkpoint 0"),
    ] {
        let lab = Lab::without_worker().await;
        for _ in 0..4 {
            Person::berliner(&lab).await;
        }
        let keeper = keeper(&lab, Duration::ZERO);
        keeper.link().await.unwrap();
        keeper.checkpoint().await.unwrap().unwrap();
        sql(&lab.database, hand).await;
        let found = broken(&lab).await;
        assert!(found.iter().any(|it| it.contains(place)), "{hand}: {found:?}");
    }
}

/// Writes a bundle of a house, signed by eu-central.
async fn bundle(lab: &Lab, dir: &Path) -> report::Written {
    let signer = evidence_key(&lab.keys.0, lab.region("eu-central")).unwrap();
    let wanted = Wanted { window_days: 30, samples: 5, canary: None, only: None };
    let store = &lab.running("eu-central").api.store;
    report::write(store, lab.registry, &wanted, &signer, dir).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_holds_thirteen_parts_and_is_checked_offline() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let booking = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &booking).await.is(202));
    ada.wait(&order, "ticketed").await;
    until("what happened is linked", || async {
        count(&lab.database, "SELECT count(*) FROM evidence").await > 0
    })
    .await;
    let dir = scratch();
    let written = bundle(&lab, &dir.0).await;
    assert_eq!(written.report.violations, []);
    let text = std::fs::read_to_string(dir.0.join("report.ndjson")).unwrap();
    let records: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for kind in [
        "scope",
        "policy",
        "declared",
        "observed",
        "sample",
        "leak_check",
        "store",
        "transfer",
        "query",
        "verdict",
        "gap",
    ] {
        assert!(records.iter().any(|it| it["kind"] == kind), "{kind}");
    }
    let airline = records.iter().find(|it| it["body"]["recipient"] == "the airline that flies");
    assert_eq!(airline.unwrap()["body"]["orders"], 1);
    let sample =
        records.iter().find(|it| it["kind"] == "sample" && it["body"]["region"] == "eu-central");
    assert_eq!(sample.unwrap()["body"]["places"]["order_passenger_eu-central"], 1);
    let page = std::fs::read_to_string(dir.0.join("report.html")).unwrap();
    assert!(page.contains("Nothing is where it must not be") && page.contains("Frankfurt am Main"));
    for name in ["report.html", "report.ndjson", "policy.json", "chains/eu-central.ndjson"] {
        let text = std::fs::read_to_string(dir.0.join(name)).unwrap();
        for secret in [ada.email.as_str(), "Lovelace", "1987-03-21"] {
            assert!(!text.contains(secret), "{secret} in {name}");
        }
    }
    offline(&lab, &dir.0);
}

/// Checks a bundle as somebody who has it and a key, and neither a database nor regions.
fn verified(bundle: &Path, key: &Path, more: &[&str]) -> (Option<i32>, String) {
    let (bundle, key) = (bundle.to_str().unwrap(), key.to_str().unwrap());
    let args = ["--regions-dir", "/nowhere", "audit", "verify", bundle, "--key", key];
    program(&[args.as_slice(), more].concat())
}

/// The program checks a bundle with the public key alone: no database, no regions.
fn offline(lab: &Lab, dir: &Path) {
    let key = lab.keys.0.join("evidence-eu-central.pub");
    let other = lab.keys.0.join("evidence-us-east.pub");
    let (code, said) = verified(dir, &key, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("sound: "), "{said}");
    let (code, said) = verified(dir, &other, &["--key", key.to_str().unwrap(), "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&told["verdict"], &told["summary"]["violated"]), (&json!("sound"), &json!([])));
    let packed = dir.with_extension("zip");
    zip(dir, std::fs::File::create(&packed).unwrap()).unwrap();
    let (code, said) = verified(&packed, &key, &[]);
    assert_eq!(code, Some(0), "{said}");
    std::fs::remove_file(&packed).unwrap();
    let (code, said) = verified(dir, &other, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("none of those given"), "{said}");
    let report = dir.join("report.ndjson");
    let text = std::fs::read_to_string(&report).unwrap();
    std::fs::write(&report, text.replacen("\"window_days\":30", "\"window_days\":31", 1)).unwrap();
    let (code, said) = verified(dir, &key, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("TAMPERED: report.ndjson, record 1"), "{said}");
    let (code, said) = verified(dir, &key, &["--json"]);
    assert_eq!(code, Some(2), "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&told["place"]["file"], &told["place"]["record"]),
        (&json!("report.ndjson"), &json!(1))
    );
    let (code, said) = verified(Path::new("/nowhere"), &key, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is no bundle"), "{said}");
    let (code, said) = verified(dir, dir, &[]);
    assert_eq!(code, Some(1), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_in_which_nothing_happened_lately_has_a_sound_bundle() {
    let lab = Lab::without_worker().await;
    Person::berliner(&lab).await;
    let keeper = keeper(&lab, Duration::ZERO);
    keeper.link().await.unwrap();
    keeper.checkpoint().await.unwrap().unwrap();
    let dir = scratch();
    let signer = evidence_key(&lab.keys.0, lab.region("eu-central")).unwrap();
    let wanted = Wanted { window_days: 0, samples: 5, canary: None, only: None };
    let store = &lab.running("eu-central").api.store;
    let written = report::write(store, lab.registry, &wanted, &signer, &dir.0).await.unwrap();
    assert_eq!(written.evidence, 0, "all of it is older than the window");
    let (code, said) = verified(&dir.0, &lab.keys.0.join("evidence-eu-central.pub"), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(" 1 checkpoints"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_with_a_violated_control_says_so_to_whoever_checks_it() {
    let lab = Lab::without_worker().await;
    Person::berliner(&lab).await;
    sql(&lab.database, "UPDATE traveller SET region = 'us-east'").await;
    let dir = scratch();
    let written = bundle(&lab, &dir.0).await;
    assert!(!written.report.violations.is_empty());
    let key = evidence_key(&lab.keys.0, lab.region("eu-central")).unwrap().public();
    let Verdict::Sound(summary) = verify(&dir.0, &[key]) else { panic!("it is as it was signed") };
    assert!(summary.violated.contains(&"LOC-11".to_owned()), "{:?}", summary.violated);
    let pub_key = lab.keys.0.join("evidence-eu-central.pub");
    let args = ["audit", "verify", dir.0.to_str().unwrap(), "--key", pub_key.to_str().unwrap()];
    let (code, said) = program(&args);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("violated: LOC-11"), "{said}");
}
