//! People of the house: what they may look at, in their region only, and that it is written down.

use std::process::Command;

use meridian::domain::staff::Role;
use meridian_evidence::signing::PublicKey;
use meridian_evidence::verify::{Verdict, verify};
use reqwest::Client;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::asker::{Answer, Person, an_offer, id, instant, new_key};
use crate::lab::{KeysDir, Lab, count, until};

/// Asks as somebody of the house.
async fn ask(lab: &Lab, region: &str, path: &str, token: &str) -> Answer {
    let url = format!("{}{path}", lab.url(region));
    Answer::of(Client::new().get(url).bearer_auth(token)).await
}

async fn compliance(lab: &Lab, region: &str) -> String {
    let desk = &lab.running(region).api.desk;
    desk.grant(Role::Compliance, "the privacy office", 1).await.unwrap().1
}

async fn written(lab: &Lab, kind: &str) -> i64 {
    let text = format!(
        "SELECT (SELECT count(*) FROM evidence_intake WHERE kind = '{kind}')
              + (SELECT count(*) FROM evidence WHERE record LIKE '%\"kind\":\"{kind}\"%')"
    );
    count(&lab.database, &text).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_traveller_shows_places_and_no_person() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let booking = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &booking).await.is(202));
    ada.wait(&order, "ticketed").await;
    let token = compliance(&lab, "eu-central").await;
    let path = format!("/v1/compliance/travellers/{}", ada.id);
    let seen = ask(&lab, "eu-central", &path, &token).await.is(200);
    let text = String::from_utf8(seen.bytes.clone()).unwrap();
    for secret in [ada.email.as_str(), "Lovelace", &ada.id[9..], order.as_str()] {
        assert!(!text.contains(secret), "{secret}");
    }
    let data = seen.data();
    assert_eq!((&data["home"], &data["jurisdiction"]), (&json!("eu-central"), &json!("eu")));
    let held = data["held"].as_array().unwrap();
    let passenger = held.iter().find(|it| it["table"] == "order_passenger").unwrap();
    assert_eq!((&passenger["rows"], &passenger["at_home"]), (&json!(1), &json!(true)));
    assert_eq!(passenger["place"], "order_passenger_eu-central");
    assert_eq!(written(&lab, "staff.looked").await, 1);
    let nobody = format!("/v1/compliance/travellers/trv_euc1_{}", "0".repeat(32));
    ask(&lab, "eu-central", &nobody, &token).await.refuses(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_regions_traveller_is_out_of_scope_and_that_is_written_down() {
    let lab = Lab::start().await;
    let texan = Person::resident(&lab, "US", "us-east").await;
    let token = compliance(&lab, "eu-central").await;
    let path = format!("/v1/compliance/travellers/{}", texan.id);
    ask(&lab, "eu-central", &path, &token).await.refuses(403, "out_of_scope");
    assert_eq!(written(&lab, "staff.refused").await, 1);
    ask(&lab, "us-east", &path, &token).await.refuses(421, "misdirected");
    let there = compliance(&lab, "us-east").await;
    ask(&lab, "us-east", &path, &there).await.is(200);
    let desk = &lab.running("eu-central").api.desk;
    let (_, operations) = desk.grant(Role::Operations, "on call", 1).await.unwrap();
    ask(&lab, "eu-central", &path, &operations).await.refuses(403, "role_missing");
    assert_eq!(written(&lab, "staff.refused").await, 2);
    for label in ["", "ada@example.org", "two\nlines", &"x".repeat(101)] {
        assert!(desk.grant(Role::Operations, label, 1).await.is_err(), "{label:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_fetched_and_checks_with_the_regions_key() {
    let lab = Lab::start().await;
    Person::berliner(&lab).await;
    let token = compliance(&lab, "eu-central").await;
    let zip = ask(&lab, "eu-central", "/v1/compliance/bundle", &token).await.is(200);
    let file = KeysDir(std::env::temp_dir().join(format!("meridian-{}.zip", new_key())));
    std::fs::write(&file.0, &zip.bytes).unwrap();
    let key = std::fs::read_to_string(lab.keys.0.join("evidence-eu-central.pub")).unwrap();
    let verdict = verify(&file.0, &[PublicKey::from_text(&key).unwrap()]);
    let Verdict::Sound(summary) = verdict else { panic!("{verdict:?}") };
    assert_eq!(summary.violated, Vec::<String>::new());
    std::fs::remove_file(&file.0).unwrap();
    until("a look was taken", || async {
        ask(&lab, "eu-central", "/v1/compliance/locality", &token).await.status == 200
    })
    .await;
    let seen = ask(&lab, "eu-central", "/v1/compliance/locality", &token).await.is(200).data();
    assert_eq!(seen["violations"], 0);
    assert_eq!(seen["found"]["tables"]["traveller"]["rows"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_opens_for_the_role_and_for_nobody_else() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let http = Client::builder().redirect(Policy::none()).build().unwrap();
    let url = lab.url("eu-central");
    let page = |path: &str, cookie: Option<String>| {
        let request = http.get(format!("{url}{path}"));
        let request = match cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        Answer::of(request)
    };
    page("/console", None).await.is(200);
    page("/console/compliance", None).await.is(401);
    page("/console/compliance/bundle", None).await.is(401);
    let stolen = format!("__Host-meridian-staff={}", ada.token);
    page("/console/compliance", Some(stolen)).await.is(401);
    let form = |token: String| {
        Answer::of(http.post(format!("{url}/console/log-in")).form(&[("token", token)]))
    };
    form("not a token; at all".into()).await.is(401);
    form(ada.token.clone()).await.is(401);
    form(compliance(&lab, "us-east").await).await.is(421);
    let desk = &lab.running("eu-central").api.desk;
    let (_, operations) = desk.grant(Role::Operations, "on call", 1).await.unwrap();
    form(operations.clone()).await.is(401);
    page("/console/compliance", Some(format!("__Host-meridian-staff={operations}"))).await.is(403);
    let token = compliance(&lab, "eu-central").await;
    let entered = form(token.clone()).await.is(303);
    let cookie = entered.header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let overview = page("/console/compliance", Some(cookie.clone())).await.is(200);
    let text = String::from_utf8(overview.bytes.clone()).unwrap();
    assert!(text.contains("the privacy office") && text.contains("GDPR"), "{text}");
    let look = format!("/console/compliance/traveller?id={}", ada.id);
    let text = page(&look, Some(cookie.clone())).await.is(200).bytes;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("traveller_eu-central") && !text.contains(&ada.email));
    let hostile = "/console/compliance/traveller?id=%3Cscript%3Ealert(1)%3C/script%3E";
    let text = page(hostile, Some(cookie.clone())).await.is(404).bytes;
    assert!(!String::from_utf8(text).unwrap().contains("<script"));
    page("/console/compliance/bundle", Some(cookie)).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_carries_out_what_somebody_wrote_to_us() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let url = crate::processes::url_text(&lab.database);
    let keys = lab.keys.0.to_str().unwrap().to_owned();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meridian"));
        let output = command.args(args).args(["--database-url", &url, "--keys", &keys]).output();
        let output = output.unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = run(&["privacy", "restrict", &ada.id]);
    assert_eq!(code, Some(0), "{said}");
    let seen = ada.get("/v1/privacy").await.is(200).data();
    assert!(seen["processing"]["restricted_at"].is_string());
    assert_eq!(run(&["privacy", "object", &ada.id, "--switch", "on"]).0, Some(0));
    let (code, said) = run(&["privacy", "show", &ada.id]);
    assert_eq!(code, Some(0), "{said}");
    let shown: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(shown["requests"].as_array().unwrap().len(), 2);
    let zip = KeysDir(std::env::temp_dir().join(format!("meridian-{}.zip", new_key())));
    let (code, said) = run(&["privacy", "export", &ada.id, "--out", zip.0.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(std::fs::read(&zip.0).unwrap().starts_with(b"PK"));
    std::fs::remove_file(&zip.0).unwrap();
    let (code, said) = run(&["privacy", "erase", &ada.id]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nothing was done"), "{said}");
    ada.get("/v1/travellers/me").await.is(200);
    let (code, said) = run(&["privacy", "erase", &ada.id, "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("receipt mrc_euc1_"), "{said}");
    ada.get("/v1/travellers/me").await.refuses(401, "unauthenticated");
    let (code, said) = run(&["privacy", "erase", "trv_euc1_nobody", "--yes"]);
    assert_eq!(code, Some(1), "{said}");
    let (code, said) = run(&["privacy", "show", &format!("trv_euc1_{}", "0".repeat(32))]);
    assert_eq!((code, said.contains("no region has")), (Some(1), true), "{said}");
    let mut audit = Command::new(env!("CARGO_BIN_EXE_meridian"));
    let output =
        audit.args(["audit", "traveller", &ada.id, "--json", "--database-url", &url]).output();
    let shown: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    assert!(shown["held"].as_array().unwrap().iter().all(|it| it["at_home"] == true));
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_are_given_listed_and_taken_by_command() {
    let lab = Lab::start().await;
    let url = crate::processes::url_text(&lab.database);
    let keys = lab.keys.0.to_str().unwrap().to_owned();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meridian"));
        command.args(args).args(["--database-url", &url, "--keys", &keys]);
        let output = command.args(["--region", "eu-central"]).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = run(&["staff", "grant", "compliance", "--label", "the privacy office"]);
    assert_eq!(code, Some(0), "{said}");
    let token = said.lines().find_map(|line| line.strip_prefix("token ")).unwrap().to_owned();
    let grant = said.lines().find_map(|line| line.strip_prefix("grant ")).unwrap().to_owned();
    ask(&lab, "eu-central", "/v1/compliance/requests", &token).await.is(200);
    let (_, said) = run(&["staff", "list"]);
    assert!(said.contains(&grant) && said.contains("the privacy office"), "{said}");
    assert_eq!(run(&["staff", "revoke", &grant]).0, Some(0));
    let answer = ask(&lab, "eu-central", "/v1/compliance/requests", &token).await;
    answer.refuses(401, "unauthenticated");
    assert_eq!(run(&["staff", "revoke", &grant]).0, Some(1));
    assert_eq!(run(&["staff", "grant", "root", "--label", "x"]).0, Some(64));
    assert_eq!(written(&lab, "staff.granted").await, 2);
}
