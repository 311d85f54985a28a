//! What can be seen of a region's life: who drains, and where the database and the files disagree.

use serde_json::{Value, json};

use super::{Planner, regions, state_of, with_sydney};
use crate::lab::{Lab, sql};
use crate::processes::{meridian, run, url_text, words};

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_who_drains_and_since_when() {
    let lab = Lab::without_worker().await;
    let files = words(&run(meridian().args(["regions", "list"])));
    assert_eq!(regions(&lab, &["list"]), (Some(0), files.clone()), "nobody drains");

    let soon = (lab.world.clock.now() + jiff::SignedDuration::from_secs(3600)).to_string();
    let args = ["drain", "us-east", "--reason", "a new kernel", "--until", &soon];
    assert_eq!(regions(&lab, &args).0, Some(0));
    let (code, said) = regions(&lab, &["list"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(files.lines().count(), said.lines().count());
    for (file, line) in files.lines().zip(said.lines()) {
        let more = line.strip_prefix(file).unwrap();
        if line.starts_with("us-east ") {
            assert!(more.starts_with("   drains since 2") && more.contains(" until 2"), "{line}");
            assert!(more.ends_with(": a new kernel"), "{line}");
        } else {
            assert_eq!(more, "");
        }
    }
    let (_, said) = regions(&lab, &["list", "--json"]);
    for file in serde_json::from_str::<Vec<Value>>(&said).unwrap() {
        let drain = file.get("drain").unwrap();
        let drains = file["name"] == "us-east";
        assert_eq!(drain["reason"], if drains { json!("a new kernel") } else { Value::Null });
        assert_eq!(drain["since"].is_string(), drains, "{drain}");
    }
    let files = words(&run(meridian().args(["regions", "list", "--json"])));
    assert!(!files.contains("\"drain\":"), "no database was asked: {files}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_there_when_the_database_is_not() {
    let lab = Lab::without_worker().await;
    let gone = ["list", "--database-url", "postgresql://ops@127.0.0.1:1/meridian"];
    let (code, said) = regions(&lab, &gone);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("eu-central") && said.contains("who drains could not be told"), "{said}");
}

/// The lines about regions' lives and drains.
fn differ(said: &str) -> Vec<&str> {
    said.lines().filter_map(|line| line.strip_prefix("DIFFERS  database ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_not_where_its_file_says_differs_until_its_steps_are_taken() {
    let lab = Lab::without_worker().await;
    let drains = Planner::of(&lab, state_of("us-east", "draining"));
    let (code, said) = drains.regions(&["check"]);
    assert_eq!(code, Some(2), "{said}");
    let [line] = differ(&said)[..] else { panic!("one step is missing: {said}") };
    assert!(line.starts_with("us-east: wanted draining, found active since 2"), "{line}");
    assert!(line.ends_with("; run `meridian regions plan`"), "{line}");
    assert_eq!(drains.plan().0, Some(0));
    assert_eq!(drains.apply(&["--done", "2"]).0, Some(0));
    assert_eq!(drains.regions(&["check"]).0, Some(0));

    // Its step was taken, and somebody took the word back.
    assert_eq!(regions(&lab, &["undrain", "us-east"]).0, Some(0));
    let (_, said) = drains.regions(&["check"]);
    let [line] = differ(&said)[..] else { panic!("one word is missing: {said}") };
    assert!(line.contains("found it takes everybody; `meridian regions drain` it"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_the_database_never_heard_of_differs_unless_it_is_only_planned() {
    let lab = Lab::without_worker().await;
    let planner = Planner::of(&lab, |_| {});
    with_sydney(&planner.files, &lab, "planned");
    assert_eq!(planner.regions(&["check"]).0, Some(0), "it exists nowhere");
    with_sydney(&planner.files, &lab, "provisioning");
    let (code, said) = planner.regions(&["check"]);
    assert_eq!((code, differ(&said).len()), (Some(2), 1), "{said}");
    assert!(said.contains("ap-south: wanted provisioning, found never heard of"), "{said}");

    // A region that serves and has no life skipped its steps, which the plan says, too.
    sql(&lab.database, "DELETE FROM region_life WHERE region = 'us-east'").await;
    let (_, said) = regions(&lab, &["check"]);
    assert!(said.contains("us-east: wanted active, found never heard of"), "{said}");
    assert!(regions(&lab, &["plan"]).1.contains("us-east is planned and its file says active"));

    // Nothing at all is known: whoever migrates takes the files at their word.
    sql(&lab.database, "DELETE FROM region_life").await;
    let (code, said) = regions(&lab, &["check"]);
    let [line] = differ(&said)[..] else { panic!("one cause, one line: {said}") };
    assert!(line.ends_with("run `meridian migrate` with these files"), "{line}");
    let mut command = meridian();
    command.args(["migrate", "--database-url", &url_text(&lab.database)]);
    assert!(run(&mut command).status.success());
    assert_eq!((code, regions(&lab, &["check"]).0), (Some(2), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_without_a_file_differs_unless_it_is_over() {
    let lab = Lab::without_worker().await;
    sql(&lab.database, "INSERT INTO region_life (region, state) VALUES ('mars', 'drained')").await;
    let (code, said) = regions(&lab, &["check"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("mars: wanted no such region, found drained since 2"), "{said}");
    assert!(said.contains("bring its file back and go on step by step"), "{said}");
    sql(&lab.database, "UPDATE region_life SET state = 'removed' WHERE region = 'mars'").await;
    assert_eq!(regions(&lab, &["check"]).0, Some(0));
}
