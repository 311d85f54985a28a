//! A region's life while it runs: drained, taken back, evacuated; and whether what is there is what
//! the files say.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};

use crate::asker::{Person, get};
use crate::lab::{Lab, Plan, sql, until};
use crate::processes::{Killed, meridian, run, url_text, words};

/// `meridian regions …` against the house's database.
fn regions(lab: &Lab, args: &[&str]) -> (Option<i32>, String) {
    let output = with_database(lab, args, &[]);
    (output.status.code(), words(&output))
}

fn with_database(lab: &Lab, args: &[&str], before: &[&str]) -> Output {
    let mut command = meridian();
    command.args(before).arg("regions").args(args);
    run(command.env("MERIDIAN_DATABASE_URL", url_text(&lab.database)))
}

async fn edge(lab: &Lab, region: &str) -> (u16, String) {
    let answer = get(lab, region, "/edge-health").await;
    (answer.status.as_u16(), answer.json()["status"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_region_says_so_and_serves_who_is_there_until_it_is_taken_back() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let (code, said) = regions(&lab, &["drain", "eu-central", "--reason", "a new kernel"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("takes nobody new since"), "{said}");
    assert_eq!(edge(&lab, "eu-central").await, (503, "draining".to_owned()));
    assert_eq!(edge(&lab, "us-east").await, (200, "ok".to_owned()), "only there");
    get(&lab, "eu-central", "/readyz").await.is(200);
    ada.get("/v1/travellers/me").await.is(200);

    let (_, shown) = regions(&lab, &["show", "eu-central"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&shown["drain"]["reason"], &shown["id_tag"]),
        (&json!("a new kernel"), &json!("euc1"))
    );

    let (_, again) = regions(&lab, &["drain", "eu-central", "--reason", "and its successor"]);
    assert!(again.contains("takes nobody new since"), "the new word counts: {again}");
    assert!(regions(&lab, &["undrain", "eu-central"]).1.contains("takes everybody again"));
    assert_eq!(edge(&lab, "eu-central").await, (200, "ok".to_owned()));
    assert!(regions(&lab, &["undrain", "eu-central"]).1.contains("took everybody already"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_ends_by_itself_ends_by_itself() {
    let lab = Lab::without_worker().await;
    let soon = (lab.world.clock.now() + jiff::SignedDuration::from_secs(2)).to_string();
    let args = ["drain", "us-east", "--reason", "an hour of work", "--until", &soon];
    assert_eq!(regions(&lab, &args).0, Some(0));
    assert_eq!(edge(&lab, "us-east").await.0, 503);
    until("the drain has ended", || async { edge(&lab, "us-east").await.0 == 200 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_drained_is_refused_with_what_to_do() {
    let lab = Lab::without_worker().await;
    let long = "x".repeat(201);
    for (args, says) in [
        (vec!["drain", "mars", "--reason", "dust"], "there is no region \"mars\"; there are"),
        (vec!["drain", "us-east", "--reason", "  "], "write a reason of 1 to 200 characters"),
        (vec!["drain", "us-east", "--reason", &long], "write a reason of 1 to 200 characters"),
        (
            vec!["drain", "us-east", "--reason", "late", "--until", "2020-01-01T00:00:00Z"],
            "--until 2020-01-01T00:00:00Z is over",
        ),
        (vec!["undrain", "mars"], "there is no region \"mars\""),
        (vec!["show", "mars"], "there is no region \"mars\""),
    ] {
        let (code, said) = regions(&lab, &args);
        assert_eq!(code, Some(1), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
    assert_eq!(regions(&lab, &["drain", "eu-west", "--reason", "a drill"]).0, Some(0));
    let (code, said) = regions(&lab, &["drain", "eu-central", "--reason", "both"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("host \"eu\" would have no region left"), "{said}");
    let forced = ["drain", "eu-central", "--reason", "both", "--force"];
    assert_eq!(regions(&lab, &forced).0, Some(0), "an operator may");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evacuation_waits_until_the_region_says_no_or_is_gone() {
    let lab = Lab::plan(Plan { work: false, ..Plan::default() }).await;
    let files = Files::of(&lab, |_| {});
    let dir = ["--regions-dir", files.0.to_str().unwrap()];
    let args = ["evacuate", "eu-central", "--reason", "smoke in the hall"];
    let output = with_database(&lab, &args, &dir);
    let said = words(&output);
    assert!(output.status.success() && said.contains("says that it drains"), "{said}");
    let gone = with_database(&lab, &["evacuate", "eu-west", "--reason", "fire"], &dir);
    assert!(words(&gone).contains("does not answer any more"), "{}", words(&gone));
}

/// Region files whose regions answer where the house's nodes do; gone when the story is over.
struct Files(PathBuf);

impl Files {
    fn of(lab: &Lab, change: impl Fn(&mut Value)) -> Self {
        let name = format!("meridian-regions-{}", uuid::Uuid::new_v4().simple());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(dir.join("policy")).unwrap();
        let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("regions/policy");
        for entry in fs::read_dir(shipped).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, dir.join("policy").join(path.file_name().unwrap())).unwrap();
        }
        for region in lab.registry.all() {
            let mut file = serde_json::to_value(&*region).unwrap();
            if !lab.nodes.iter().any(|node| node.api.region == region) {
                // Port 1 of this machine: nobody is there.
                file["endpoints"]["api"] = "http://127.0.0.1:1".into();
            }
            change(&mut file);
            fs::write(dir.join(format!("{region}.json")), file.to_string()).unwrap();
        }
        Self(dir)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_the_same_from_a_difference_from_what_it_cannot_tell() {
    let lab = Lab::without_worker().await;
    let (code, said) = regions(&lab, &["check"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 difference(s), 0 unknown"), "{said}");

    sql(&lab.database, "INSERT INTO region_drain (region, reason) VALUES ('mars', 'dust')").await;
    let (code, said) = regions(&lab, &["check"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("DIFFERS  database mars: wanted no drain"), "{said}");
    sql(&lab.database, "DELETE FROM region_drain").await;

    let seats = "INSERT INTO inventory VALUES ('mars', 'XX1', '2027-01-01', 'economy', 1, 0, 0)";
    sql(&lab.database, seats).await;
    let (code, said) = regions(&lab, &["check", "--json"]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(code, Some(2));
    assert_eq!(report["differences"][0]["subject"], "inventory");
    sql(&lab.database, "DELETE FROM inventory").await;

    sql(&lab.database, "DROP TABLE \"session_us-east\"").await;
    let (code, said) = regions(&lab, &["check"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("run `meridian migrate` with these files"), "{said}");

    let files = Files::of(&lab, |_| {});
    let dir = ["--regions-dir", files.0.to_str().unwrap()];
    let output = with_database(&lab, &["check", "--nodes"], &dir);
    let said = words(&output);
    let differ = said.lines().filter(|line| line.starts_with("DIFFERS  nodes")).count();
    let unknown = said.lines().filter(|line| line.starts_with("UNKNOWN  nodes")).count();
    assert_eq!((differ, unknown), (2, 2), "two have other files, two are not there: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_asks_a_name_server_for_people_all_over_the_world() {
    let lab = Lab::without_worker().await;
    let mut geodns = meridian();
    geodns.args(["geodns", "--listen", "127.0.0.1:0", "--no-probes"]);
    let (_geodns, line) = Killed::start_until(&mut geodns, "answering on ");
    let address = line.trim_start_matches("answering on ").split(' ').next().unwrap();
    let (code, said) = regions(&lab, &["check", "--dns", address]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("dns: 40 questions"), "{said}");

    // The name server does not probe here, so it has not heard.
    assert_eq!(regions(&lab, &["drain", "eu-central", "--reason", "a drill"]).0, Some(0));
    let (code, said) = regions(&lab, &["check", "--dns", address]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("dns api for Berlin: wanted eu-west, found eu-central"), "{said}");

    let (code, said) = regions(&lab, &["check", "--dns", "127.0.0.1:1"]);
    assert_eq!(code, Some(1), "silence is no difference: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_files_is_held_against_the_live_revision() {
    let lab = Lab::without_worker().await;
    let live = Files::of(&lab, |_| {});
    let check = |files: &Files| {
        let dirs = ["--regions-dir", files.0.to_str().unwrap()];
        let mut command = meridian();
        command.args(dirs).args(["regions", "check", "--before", live.0.to_str().unwrap()]);
        let output = run(&mut command);
        (output.status.code(), words(&output))
    };
    let state = |state: &'static str| {
        Files::of(&lab, move |file| {
            if file["name"] == "us-east" {
                file["state"] = state.into();
            }
        })
    };
    assert_eq!(check(&state("active")).0, Some(0));
    assert_eq!(check(&state("draining")).0, Some(0));
    let (code, said) = check(&state("drained"));
    assert_eq!(code, Some(2));
    assert!(said.contains("state goes from active to drained and may go to draining"), "{said}");
}
