//! What can be seen of a region's life: who drains, and where the database and the files disagree.

use serde_json::{Value, json};

use super::regions;
use crate::lab::Lab;
use crate::processes::{meridian, run, words};

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
