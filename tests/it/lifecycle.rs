//! A region's life while it runs: drained, taken back, evacuated; and whether what is there is what
//! the files say.

mod check;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Output;

use jiff::Timestamp;
use meridian::lifecycle::plan::{self, Act};
use meridian::store::lifecycle::Life;
use meridian_regions::{Registry, State};
use serde_json::{Value, json};

use crate::asker::{Person, get};
use crate::lab::{Lab, Plan, count, sql, until};
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
    assert!(output.status.success() && said.contains("says that it takes nobody new"), "{said}");
    let gone = with_database(&lab, &["evacuate", "eu-west", "--reason", "fire"], &dir);
    assert!(words(&gone).contains("does not answer"), "{}", words(&gone));
}

/// Region files whose regions answer where the house's nodes do; gone when the story is over.
pub(crate) struct Files(pub(crate) PathBuf);

impl Files {
    pub(crate) fn of(lab: &Lab, change: impl Fn(&mut Value)) -> Self {
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

/// The exit code and the words of a plan, and of carrying it out.
pub(crate) struct Planner<'a> {
    lab: &'a Lab,
    files: Files,
    plan: PathBuf,
}

impl<'a> Planner<'a> {
    pub(crate) fn of(lab: &'a Lab, change: impl Fn(&mut Value)) -> Self {
        let files = Files::of(lab, change);
        let plan = files.0.join("plan.txt");
        Self { lab, files, plan }
    }

    pub(crate) fn regions(&self, args: &[&str]) -> (Option<i32>, String) {
        let dir = ["--regions-dir", self.files.0.to_str().unwrap()];
        let output = with_database(self.lab, args, &dir);
        (output.status.code(), words(&output))
    }

    pub(crate) fn plan(&self) -> (Option<i32>, String) {
        self.regions(&["plan", "--out", self.plan.to_str().unwrap()])
    }

    pub(crate) fn apply(&self, more: &[&str]) -> (Option<i32>, String) {
        let plan = self.plan.to_str().unwrap();
        self.regions(&[&["apply", plan, "--wait", "1"], more].concat())
    }
}

fn state_of(region: &'static str, state: &'static str) -> impl Fn(&mut Value) {
    move |file| {
        if file["name"] == region {
            file["state"] = state.into();
        }
    }
}

/// A fifth region, in the state given, that homes nobody yet.
fn with_sydney(files: &Files, lab: &Lab, state: &str) {
    let mut file = serde_json::to_value(&*lab.region("ap-southeast")).unwrap();
    let mut dns = file["dns"].clone();
    (dns["continents"], dns["weight"]) = (json!([]), json!(1));
    let own = json!({
        "name": "ap-south", "id_tag": "aps2", "locality": "ap-south", "state": state, "homes": [],
        "dns": dns,
        "network": { "cidr": "10.49.0.0/16", "zones": ["a", "b", "c"] },
    });
    for (key, value) in own.as_object().unwrap() {
        file[key] = value.clone();
    }
    file["endpoints"]["api"] = "http://127.0.0.1:1".into();
    fs::write(files.0.join("ap-south.json"), file.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_drained_and_taken_back_by_its_file_alone() {
    let lab = Lab::without_worker().await;
    let same = Planner::of(&lab, |_| {});
    assert_eq!(
        same.plan(),
        (Some(0), "nothing to do: every region is where its file says\n".into())
    );

    let drains = Planner::of(&lab, state_of("us-east", "draining"));
    let (code, said) = drains.plan();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1  us-east: take nobody new") && said.contains("3 steps"), "{said}");
    assert_eq!(edge(&lab, "us-east").await.0, 200, "a plan changes nothing");
    let (code, said) = drains.apply(&[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("$ terraform -chdir=terraform/live/global apply"), "{said}");
    assert_eq!(edge(&lab, "us-east").await, (503, "draining".to_owned()));
    let (code, said) = drains.apply(&["--done", "2"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("take nobody new"), "what was done is not done again: {said}");
    assert_eq!(drains.regions(&["check"]).0, Some(0));
    assert!(drains.plan().1.contains("nothing to do"));

    let back = Planner::of(&lab, |_| {});
    assert_eq!(back.plan().0, Some(0));
    assert_eq!(back.apply(&["--done", "2"]).0, Some(0));
    assert_eq!(edge(&lab, "us-east").await.0, 200);

    assert_eq!(drains.plan().0, Some(0), "another day, the same change again");
    assert_eq!(drains.apply(&["--done", "2"]).0, Some(0));
    assert_eq!(edge(&lab, "us-east").await.0, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_comes_step_by_step_and_goes_only_when_nothing_is_left() {
    let lab = Lab::without_worker().await;
    let places = "SELECT count(*) FROM pg_class WHERE relispartition AND relname LIKE '%_ap-south'";
    let planner = Planner::of(&lab, |_| {});
    let go = |state: &'static str, done: &[&str]| {
        with_sydney(&planner.files, &lab, state);
        let (code, said) = planner.plan();
        assert_eq!(code, Some(0), "{state}: {said}");
        planner.apply(done)
    };
    assert_eq!(go("planned", &[]).0, Some(0));
    let (code, said) = go("provisioning", &[]);
    assert_eq!(code, Some(3));
    assert!(said.contains("-backend-config=key=regions/ap-south.tfstate"), "{said}");
    assert_eq!(go("provisioning", &["--done", "1", "--done", "2"]).0, Some(0));
    let (code, said) = go("joining", &[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(count(&lab.database, places).await, 17, "one for each personal table");
    let (code, said) = go("active", &[]);
    assert_eq!(code, Some(1), "nobody answers there: {said}");
    assert!(said.contains("its nodes say that they are ready is still not so"), "{said}");

    // As if its nodes had been there.
    sql(&lab.database, "UPDATE region_life SET state = 'active' WHERE region = 'ap-south'").await;
    assert_eq!(go("draining", &["--done", "2"]).0, Some(0));
    assert_eq!(go("drained", &["--done", "2"]).0, Some(0));
    assert_eq!(go("removing", &[]).0, Some(0));
    let seat = "INSERT INTO inventory VALUES ('ap-south', 'XX1', '2027-01-01', 'economy', 1, 0, 1)";
    sql(&lab.database, seat).await;
    let lease = "INSERT INTO relay_lease VALUES ('ap-south', 'outbox', 'dead', 1, now())";
    sql(&lab.database, lease).await;
    let (code, said) = go("removed", &[]);
    assert_eq!(code, Some(1));
    assert_eq!(count(&lab.database, "SELECT count(*) FROM relay_lease").await, 0);
    assert!(said.contains("rows left: inventory 1"), "a lease that ran out is no row left: {said}");
    assert_eq!(count(&lab.database, places).await, 17, "nothing was dropped");
    sql(&lab.database, "DELETE FROM inventory").await;
    let done = ["--done", "19", "--done", "20", "--done", "21"];
    let (code, said) = go("removed", &done);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(count(&lab.database, places).await, 0);
    let (_, said) = Planner::of(&lab, |_| {}).plan();
    assert!(said.contains("nothing to do"), "a removed region may be forgotten: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_no_longer_fits_is_refused() {
    let lab = Lab::without_worker().await;
    let skips = Planner::of(&lab, state_of("us-east", "drained"));
    let (code, said) = skips.plan();
    assert_eq!(code, Some(1));
    assert!(said.contains("us-east is active and its file says drained; the next is draining"));

    let drains = Planner::of(&lab, state_of("us-east", "draining"));
    assert_eq!(drains.plan().0, Some(0));
    let (code, said) = drains.apply(&["--done", "1"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("step 1 is neither a command nor a statement"), "{said}");
    let other = Planner::of(&lab, state_of("eu-west", "draining"));
    fs::copy(&drains.plan, &other.plan).unwrap();
    assert!(other.apply(&[]).1.contains("made from other region files"), "{:?}", other.apply(&[]));

    let text = fs::read_to_string(&drains.plan).unwrap();
    fs::write(&drains.plan, text.replace("take nobody new", "take everybody")).unwrap();
    assert!(drains.apply(&[]).1.contains("the plan is not as it was made"));
    fs::write(&drains.plan, "{").unwrap();
    assert!(drains.apply(&[]).1.contains("is no plan"));
    fs::write(&drains.plan, text).unwrap();
    sql(&lab.database, "UPDATE region_life SET state = 'drained' WHERE region = 'us-east'").await;
    let (code, said) = drains.apply(&[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("us-east is drained since") && said.contains("make the plan again"));
    assert_eq!(edge(&lab, "us-east").await.0, 200, "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_waits_for_a_migration_and_goes_on_after_a_crash() {
    let lab = Lab::without_worker().await;
    let drains = Planner::of(&lab, state_of("us-east", "draining"));
    assert_eq!(drains.plan().0, Some(0));
    let held = "INSERT INTO migration_lock VALUES (1, 'somebody', now() + interval '3 seconds')";
    sql(&lab.database, held).await;
    assert_eq!(drains.apply(&[]).0, Some(3), "the lock ran out, and the step was taken");
    // The process died between the step and its record.
    sql(&lab.database, "UPDATE region_step SET ended_at = NULL").await;
    let (code, said) = drains.apply(&["--done", "2"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("take nobody new"), "it was taken again, which does no harm: {said}");
    let left = "SELECT count(*) FROM migration_lock";
    assert_eq!(count(&lab.database, left).await, 0, "the lock was given back");
}

/// Every region is where its file says.
fn lives(registry: Registry) -> BTreeMap<String, Life> {
    let life = |state| Life { state, since: Timestamp::UNIX_EPOCH };
    registry.all().map(|it| (it.name.clone(), life(it.state))).collect()
}

/// What CockroachDB is told, by the rules that its documentation states: a region is added only
/// where nodes are, a law's super region is told its whole new list before a member goes.
#[test]
fn cockroachdb_is_told_the_steps_of_the_snapshot() {
    let shipped = Registry::embedded().unwrap();
    let mut told = String::new();
    for (region, from, to) in [
        ("eu-west", State::Provisioning, State::Joining),
        ("us-east", State::Provisioning, State::Joining),
        ("eu-west", State::Removing, State::Removed),
        ("us-east", State::Removing, State::Removed),
    ] {
        let files = shipped.with_endpoints(|file| {
            if file.name == region {
                file.state = to;
            }
        });
        let mut lives = lives(shipped);
        lives.insert(region.to_owned(), Life { state: from, since: Timestamp::UNIX_EPOCH });
        let plan = plan::plan(&files, &lives, &BTreeMap::new(), Some("meridian")).unwrap();
        assert!(plan.is_whole());
        let steps = plan.steps.iter().map(|step| format!("{}\n  undo: {}\n", step.act, step.undo));
        told.push_str(&format!("-- {region}: {from} to {to}\n{}\n", steps.collect::<String>()));
    }
    insta::assert_snapshot!("cockroach_steps", told);
}

#[test]
fn every_step_of_a_life_has_a_plan_and_no_other() {
    let shipped = Registry::embedded().unwrap();
    let states = [
        State::Planned,
        State::Provisioning,
        State::Joining,
        State::Active,
        State::Draining,
        State::Drained,
        State::Removing,
        State::Removed,
    ];
    for from in states {
        for to in states {
            let files = shipped.with_endpoints(|file| {
                if file.name == "us-east" {
                    file.state = to;
                    file.homes.clear();
                    file.dns.continents.clear();
                }
            });
            let mut lives = lives(shipped);
            lives.insert("us-east".to_owned(), Life { state: from, since: Timestamp::UNIX_EPOCH });
            for database in [None, Some("meridian")] {
                match plan::plan(&files, &lives, &BTreeMap::new(), database) {
                    Ok(plan) if from == to => assert!(plan.steps.is_empty()),
                    Ok(plan) => {
                        assert!(from.next().contains(&to), "{from} to {to}");
                        let last = plan.steps.last().map(|step| step.act.clone());
                        assert_eq!(last, Some(Act::Record(to)), "a life ends with its record");
                    }
                    Err(error) => {
                        assert!(
                            from != to && !from.next().contains(&to),
                            "{from} to {to}: {error}"
                        );
                    }
                }
            }
        }
    }
}
