//! A region's key is rotated while people book, and nothing that was sealed is lost.

use std::process::Command;

use meridian::privacy::keys::Keys;
use meridian::privacy::rotation::{Rewrapped, rewrap};

use crate::asker::{Person, an_offer, id, instant, new_key};
use crate::lab::{Lab, Plan, count};
use crate::processes::url_text;

fn program(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_meridian")).args(args).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_under_load_and_the_old_one_opens_nothing_afterwards() {
    let lab = Lab::plan(Plan { regions: vec!["eu-central"], ..Plan::default() }).await;
    let dir = lab.keys.0.to_str().unwrap().to_owned();
    let ada = Person::berliner(&lab).await;
    let booking = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let rotate = ["keys", "--dir", &dir, "--rotate", "eu-central"];
    let old = std::fs::read(lab.keys.0.join("region-eu-central.key")).unwrap();
    let (code, said) = program(&rotate);
    assert_eq!((code, said.contains("every node")), (Some(0), true), "{said}");
    // A node that has the next key, too, wraps under the present one.
    let both = lab.another("eu-central", &Plan::default()).await;
    let grace = Person::resident_at(&both, "DE").await;
    assert_eq!(program(&rotate).0, Some(0));
    assert_eq!(std::fs::read(lab.keys.0.join("region-eu-central.1.key")).unwrap(), old);
    let new = lab.another("eu-central", &Plan::default()).await;
    let there = ada.via(&format!("http://{}", new.address));
    let order = id(&there.book(&new_key(), &booking).await.is(202));
    let eve = Person::resident_at(&new, "DE").await;
    // Whoever has both opens everybody; the first node has never heard of the new key.
    for person in [&ada, &grace, &eve] {
        let person = person.via(&format!("http://{}", both.address));
        assert_eq!(
            person.get("/v1/travellers/me").await.is(200).data()["email"],
            person.email.as_str()
        );
    }
    let url = url_text(&lab.database);
    let args =
        ["privacy", "rewrap", "--region", "eu-central", "--keys", &dir, "--database-url", &url];
    let (code, said) = program(&args);
    assert_eq!(code, Some(0), "{said}");
    let done: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&done["rewrapped"], &done["present"], &done["failed"]),
        (&2.into(), &1.into(), &0.into())
    );
    there.wait(&order, "ticketed").await;
    // Without the old key everything still opens.
    std::fs::remove_file(lab.keys.0.join("region-eu-central.1.key")).unwrap();
    let home = lab.region("eu-central");
    let keys = Keys::load(&lab.keys.0, lab.registry, home).unwrap();
    let again = rewrap(&new.api.store, &keys.region).await.unwrap();
    assert_eq!(again, Rewrapped { rewrapped: 0, present: 3, failed: 0 });
    let last = lab.another("eu-central", &Plan::default()).await;
    let ada = ada.via(&format!("http://{}", last.address));
    assert_eq!(ada.get("/v1/travellers/me").await.is(200).data()["email"], ada.email.as_str());
    let noted = "SELECT (SELECT count(*) FROM evidence_intake WHERE kind = 'keys.rotated')
        + (SELECT count(*) FROM evidence WHERE record LIKE '%\"kind\":\"keys.rotated\"%')";
    assert_eq!(count(&lab.database, noted).await, 2);
    for node in [both, new, last] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_key_opens_is_counted_and_left_as_it_is() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let home = lab.region("eu-central");
    std::fs::write(lab.keys.0.join("region-eu-central.key"), [9; 32]).unwrap();
    let keys = Keys::load(&lab.keys.0, lab.registry, home).unwrap();
    let store = &lab.running("eu-central").api.store;
    let done = rewrap(store, &keys.region).await.unwrap();
    assert_eq!(done, Rewrapped { rewrapped: 0, present: 0, failed: 1 });
    ada.get("/v1/travellers/me").await.is(200);
    let dir = lab.keys.0.to_str().unwrap();
    let (code, said) = program(&["keys", "--dir", dir, "--rotate", "mars"]);
    assert_eq!((code, said.contains("mars is no region")), (Some(1), true), "{said}");
}
