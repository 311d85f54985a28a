//! What travellers can ask under the law.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use meridian::node::StartError;
use meridian::privacy::keys::Keys;
use meridian::privacy::rights::erasure::reapply;
use meridian::store::{Store, StoreConfig};
use serde_json::{Value, json};

use crate::asker::{Answer, Person, an_offer, id, instant, new_key};
use crate::lab::{KeysDir, Lab, Plan, count, server, sql, until};

/// Puts an account right.
async fn rectify(person: &Person, change: &Value) -> Answer {
    let request = person.http.patch(format!("{}/v1/travellers/me", person.url));
    Answer::of(request.bearer_auth(&person.token).json(change)).await
}

/// Restricts, objects, or takes it back.
async fn processing(person: &Person, change: &Value) -> Answer {
    let request = person.http.put(format!("{}/v1/privacy/processing", person.url));
    Answer::of(request.bearer_auth(&person.token).json(change)).await
}

/// Asks for a copy, waits for it, and returns the request.
async fn copy(person: &Person) -> Value {
    let asked = person.post("/v1/privacy/exports", "", &Value::Null).await.is(202).data();
    let path = format!("/v1/privacy/exports/{}", asked["id"].as_str().unwrap());
    until("the copy is made", || async {
        person.get(&path).await.is(200).data()["state"] == "done"
    })
    .await;
    person.get(&path).await.is(200).data()
}

/// The files of a ZIP.
fn files(zip: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip.to_vec())).unwrap();
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        files.insert(file.name().unwrap().into_owned(), bytes);
    }
    files
}

/// Asks to be forgotten and confirms it; the receipt's token.
async fn erase(person: &Person) -> String {
    let wish = json!({ "password": person.password });
    let asked = person.post("/v1/privacy/erasures", "", &wish).await.is(201).data();
    let token = asked["receipt_token"].as_str().unwrap().to_owned();
    let path = format!("/v1/privacy/erasures/{}/confirm", asked["request"]["id"].as_str().unwrap());
    person.post(&path, "", &json!({ "receipt_token": token })).await.is(202);
    token
}

async fn receipt(person: &Person, token: &str) -> Answer {
    let request = person.http.get(format!("{}/v1/privacy/receipts/current", person.url));
    Answer::of(request.bearer_auth(token)).await
}

async fn receipt_in(person: &Person, token: &str, state: &str) -> Value {
    until(state, || async { receipt(person, token).await.is(200).data()["state"] == state }).await;
    receipt(person, token).await.is(200).data()
}

/// What the evidence has of a kind.
async fn evidence(lab: &Lab, kind: &str) -> i64 {
    count(
        &lab.database,
        &format!(
            "SELECT (SELECT count(*) FROM evidence_intake WHERE kind = '{kind}')
                  + (SELECT count(*) FROM evidence WHERE record LIKE '%\"kind\":\"{kind}\"%')"
        ),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_is_kept_with_its_words_and_can_be_taken_back() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let seen = ada.get("/v1/privacy").await.is(200).data();
    assert_eq!(seen["processing"]["may_profile"], false, "nothing is agreed to by default");
    assert_eq!(seen["consents"].as_array().unwrap().len(), 2);
    assert!(seen["consents"][0]["text"].as_str().unwrap().contains("earlier trips"));
    let agree = |version: i64, given: bool| {
        let change = json!({"purpose": "recommendations", "version": version, "given": given});
        let ada = &ada;
        async move { ada.post("/v1/privacy/consents", "", &change).await }
    };
    agree(7, true).await.refuses(422, "validation_failed");
    let seen = agree(1, true).await.is(200).data();
    assert_eq!(seen["processing"]["may_profile"], true);
    let seen = processing(&ada, &json!({"profiling_refused": true})).await.is(200).data();
    assert_eq!(seen["processing"]["may_profile"], false, "an objection outweighs an agreement");
    processing(&ada, &json!({"profiling_refused": false})).await.is(200);
    let seen = agree(1, false).await.is(200).data();
    assert_eq!(seen["consents"][0]["given"], false);
    assert_eq!(seen["processing"]["may_profile"], false);
    let kept =
        "SELECT count(*) FROM consent WHERE region = 'eu-central' AND length(text_hash) = 32";
    assert_eq!(count(&lab.database, kept).await, 2, "both are kept");
    for (kind, times) in [("consent.given", 1), ("consent.withdrawn", 1), ("profiling.refused", 1)]
    {
        assert_eq!(evidence(&lab, kind).await, times, "{kind}");
    }
    let nonsense = json!({"purpose": "world_domination", "version": 1, "given": true});
    ada.post("/v1/privacy/consents", "", &nonsense).await.refuses(422, "validation_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_kept_is_looked_at_and_nothing_new_is_done_with_it() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let offer = an_offer(&lab).await;
    let order = id(&ada.book(&new_key(), &instant(&offer, "Lovelace", "tok_visa")).await.is(202));
    ada.wait(&order, "ticketed").await;
    processing(&ada, &json!({})).await.refuses(422, "validation_failed");
    processing(&ada, &json!({"restricted": true})).await.is(200);
    let again = ada.book(&new_key(), &instant(&offer, "Lovelace", "tok_visa")).await;
    again.refuses(403, "processing_restricted");
    ada.quote_change(&order, &offer).await.refuses(403, "processing_restricted");
    let hook = json!({"url": "https://hooks.example.com/x"});
    ada.post("/v1/webhooks", "", &hook).await.refuses(403, "processing_restricted");
    ada.get(&format!("/v1/orders/{order}")).await.is(200);
    ada.cancel(&order).await.is(202);
    ada.wait(&order, "refunded").await;
    processing(&ada, &json!({"restricted": false})).await.is(200);
    ada.book(&new_key(), &instant(&offer, "Lovelace", "tok_visa")).await.is(202);
    let requests = ada.get("/v1/privacy").await.is(200).data()["requests"].clone();
    let kinds: Vec<&str> =
        requests.as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["restriction", "restriction"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_holds_everything_and_its_link_counts_once() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let booking = instant(&an_offer(&lab).await, "Lovelace-Byron", "tok_visa");
    let order = id(&ada.book(&new_key(), &booking).await.is(202));
    ada.wait(&order, "ticketed").await;
    let request = copy(&ada).await;
    let url = request["archive_url"].as_str().unwrap();
    let path =
        |link: &str| format!("{}/archive?link={link}", url.split("/archive").next().unwrap());

    let stranger = Person::berliner(&lab).await;
    stranger.get(url).await.refuses(404, "not_found");
    ada.get(&path("AAAA")).await.refuses(404, "not_found");
    let mut forged = url.to_owned().into_bytes();
    let last = forged.len() - 20;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    ada.get(&String::from_utf8(forged).unwrap()).await.refuses(404, "not_found");

    let zip = ada.get(url).await.is(200);
    assert_eq!(zip.header("content-type"), Some("application/zip"));
    ada.get(url).await.refuses(410, "link_spent");
    let files = files(&zip.bytes);
    let data: Value = serde_json::from_slice(&files["data.json"]).unwrap();
    assert_eq!(data["tables"]["traveller"][0]["email"], ada.email.as_str());
    assert_eq!(data["tables"]["order_passenger"][0]["family_name"], "Lovelace-Byron");
    assert_eq!(data["tables"]["order_passenger"][0]["born_on"], "1987-03-21");
    assert!(data["tables"]["orders"][0]["itinerary"]["slices"].is_array());
    let page = String::from_utf8(files["index.html"].clone()).unwrap();
    assert!(page.contains("Lovelace-Byron") && page.contains(&ada.email));
    let sheet = String::from_utf8(files["csv/order_passenger.csv"].clone()).unwrap();
    assert!(sheet.contains("Lovelace-Byron"));
    for secret in ["argon2", "password_hash\"", "data_key\""] {
        let text = String::from_utf8(files["data.json"].clone()).unwrap();
        assert!(!text.contains(secret), "{secret} opens an account and is not copied");
    }
    holds_what_its_manifest_says(&files);
    // The next look gives another link.
    let again = copy(&ada).await["archive_url"].as_str().unwrap().to_owned();
    assert_ne!(again, url);
    ada.get(&again).await.is(200);
    assert_eq!(evidence(&lab, "export.fetched").await, 2);
    let open =
        "SELECT count(*) FROM privacy_archive WHERE position('Lovelace'::bytea IN sealed) > 0";
    assert_eq!(count(&lab.database, open).await, 0, "a copy lies sealed, too");
}

fn holds_what_its_manifest_says(files: &BTreeMap<String, Vec<u8>>) {
    use sha2::Digest;
    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let listed = manifest["files"].as_array().unwrap();
    assert_eq!(listed.len(), files.len() - 2, "all but the manifest and its signature");
    for file in listed {
        let bytes = &files[file["name"].as_str().unwrap()];
        let digest = sha2::Sha256::digest(bytes);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file["sha256"], hex.as_str());
    }
    let withheld = manifest["withheld"].as_array().unwrap();
    assert!(withheld.iter().any(|it| it.as_str().unwrap().starts_with("traveller.data_key")));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_erased_leaves_the_books_and_nothing_else() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let booking = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &booking).await.is(202));
    ada.wait(&order, "ticketed").await;
    ada.cancel(&order).await.is(202);
    ada.wait(&order, "refunded").await;

    let wrong = json!({"password": "not hers at all"});
    ada.post("/v1/privacy/erasures", "", &wrong).await.refuses(401, "wrong_credentials");
    let wish = json!({"password": ada.password});
    let asked = ada.post("/v1/privacy/erasures", "", &wish).await.is(201).data();
    let tables = asked["request"]["receipt"]["tables"].as_array().unwrap();
    let before =
        |table: &str| tables.iter().find(|it| it["table"] == table).unwrap()["before"].clone();
    assert_eq!((before("order_passenger"), before("traveller")), (json!(1), json!(1)));
    let confirm =
        format!("/v1/privacy/erasures/{}/confirm", asked["request"]["id"].as_str().unwrap());
    let guess = json!({"receipt_token": "mrc_euc1_guessed"});
    ada.post(&confirm, "", &guess).await.refuses(404, "not_found");
    ada.get("/v1/travellers/me").await.is(200);
    // Somebody else, even with the token, confirms nothing.
    let stranger = Person::berliner(&lab).await;
    let token = asked["receipt_token"].as_str().unwrap();
    let confirmation = json!({"receipt_token": token});
    stranger.post(&confirm, "", &confirmation).await.refuses(404, "not_found");
    ada.post(&confirm, "", &confirmation).await.is(202);

    ada.get("/v1/travellers/me").await.refuses(401, "unauthenticated");
    let done = receipt_in(&ada, token, "done").await;
    let tables = done["receipt"]["tables"].as_array().unwrap();
    let of = |table: &str| tables.iter().find(|it| it["table"] == table).unwrap();
    assert_eq!(
        (&of("order_passenger")["before"], &of("order_passenger")["after"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(of("session")["after"], 0);
    assert_eq!(of("idempotency_key")["after"], 0);
    let kept = done["receipt"]["exceptions"].as_array().unwrap();
    let books = kept.iter().find(|it| it["table"] == "orders").unwrap();
    assert!(books["basis"].as_str().unwrap().contains("17(3)(b)"));
    let left = "SELECT count(*) FROM traveller WHERE erased_at IS NOT NULL AND data_key = ''::bytea
                AND email = ''::bytea AND password_hash = ''";
    assert_eq!(count(&lab.database, left).await, 1);
    assert_eq!(count(&lab.database, "SELECT count(*) FROM tombstone").await, 1);
    until("the order forgets the rest of itself", || async {
        let gone =
            "SELECT count(*) FROM orders WHERE state = 'anonymised' AND booking_reference IS NULL";
        count(&lab.database, gone).await == 1
    })
    .await;
    // The address is free again, for somebody who is another traveller.
    let body = json!({"email": ada.email, "password": "quite another one"});
    let request = ada.http.post(format!("{}/v1/travellers", ada.url));
    let anew = Answer::of(request.header("residence-country", "DE").json(&body)).await.is(201);
    assert_ne!(anew.data()["traveller_id"], ada.id.as_str());
    receipt(&ada, "mrc_euc1_nobody").await.refuses(404, "not_found");
    receipt(&ada, "nonsense").await.refuses(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_under_way_is_finished_before_its_names_go() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    lab.fault("authorize", "lost_request", 4).await;
    let booking = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &booking).await.is(202));
    let token = erase(&ada).await;
    ada.get("/v1/travellers/me").await.refuses(401, "unauthenticated");
    receipt_in(&ada, &token, "waiting").await;
    receipt_in(&ada, &token, "done").await;
    let uuid = &order[9..];
    let state = format!("SELECT count(*) FROM orders WHERE id = '{uuid}' AND state = 'ticketed'");
    assert_eq!(count(&lab.database, &state).await, 1, "it is ticketed, and only then forgotten");
    assert_eq!(lab.journal("capture").await, 1);
    assert_eq!(lab.journal("book").await, 1);
    assert_eq!(count(&lab.database, "SELECT count(*) FROM order_passenger").await, 0);
    let kept = format!(
        "SELECT count(*) FROM orders WHERE id = '{uuid}' AND booking_reference IS NOT NULL"
    );
    assert_eq!(count(&lab.database, &kept).await, 1, "what is still to be flown keeps its locator");
    // A day after the landing nothing holds the rest any more.
    let flown = "UPDATE orders SET flown_at = now() - interval '1 minute', due_at = now()";
    sql(&lab.database, flown).await;
    until("it is forgotten when it is flown", || async {
        let gone = "SELECT count(*) FROM orders WHERE state = 'anonymised'";
        count(&lab.database, gone).await == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_put_right_by_its_traveller_only() {
    let lab = Lab::start().await;
    let (ada, grace) = (Person::berliner(&lab).await, Person::berliner(&lab).await);
    let address = format!("new.{}", ada.email);
    let wrong = json!({"password": "not hers at all", "email": address});
    rectify(&ada, &wrong).await.refuses(401, "wrong_credentials");
    rectify(&ada, &json!({"password": ada.password})).await.refuses(422, "validation_failed");
    let taken = json!({"password": ada.password, "email": grace.email});
    rectify(&ada, &taken).await.refuses(409, "address_taken");
    let right = json!({"password": ada.password, "email": address});
    assert_eq!(rectify(&ada, &right).await.is(200).data()["email"], address.as_str());
    assert_eq!(ada.get("/v1/travellers/me").await.is(200).data()["email"], address.as_str());
    let log_in = |email: String, password: String| {
        let request = ada.http.post(format!("{}/v1/sessions", ada.url));
        let body = json!({"email": email, "password": password});
        Answer::of(request.header("meridian-home", "eu-central").json(&body))
    };
    log_in(ada.email.clone(), ada.password.clone()).await.refuses(401, "wrong_credentials");
    let other = log_in(address.clone(), ada.password.clone()).await.is(201).data();
    let new = json!({"password": ada.password, "new_password": "another one entirely"});
    rectify(&ada, &new).await.is(200);
    let other = Person { token: other["token"].as_str().unwrap().to_owned(), ..ada.clone() };
    other.get("/v1/travellers/me").await.refuses(401, "unauthenticated");
    ada.get("/v1/travellers/me").await.is(200);
    log_in(address, "another one entirely".into()).await.is(201);
    for (country, status, code) in [
        ("Narnia", 422, "validation_failed"),
        ("ZZ", 422, "validation_failed"),
        ("RU", 422, "residence_unsupported"),
    ] {
        let change = json!({"password": "another one entirely", "residence_country": country});
        rectify(&ada, &change).await.refuses(status, code);
    }
    let austria = json!({"password": "another one entirely", "residence_country": "AT"});
    let seen = rectify(&ada, &austria).await.is(200).data();
    assert_eq!(
        (&seen["residence_country"], &seen["home_region"]),
        (&json!("AT"), &json!("eu-central"))
    );
    assert_eq!(evidence(&lab, "traveller.rectified").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_moves_abroad_takes_everything_along_in_one_step() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let booking = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &booking).await.is(202));
    ada.wait(&order, "ticketed").await;
    copy(&ada).await;
    let change = json!({"password": ada.password, "residence_country": "CA"});
    let seen = rectify(&ada, &change).await.is(200).data();
    assert_eq!(
        (&seen["residence_country"], &seen["home_region"]),
        (&json!("CA"), &json!("us-east"))
    );
    ada.get("/v1/travellers/me").await.refuses(421, "misdirected");
    let there = ada.via(&lab.url("us-east"));
    let account = there.get("/v1/travellers/me").await.is(200).data();
    assert_eq!(account["residence_country"], "CA");
    assert_eq!(there.get(&format!("/v1/orders/{order}")).await.is(200).data()["state"], "ticketed");
    for table in ["traveller", "session", "orders", "order_passenger", "privacy_request", "consent"]
    {
        let left = format!("SELECT count(*) FROM {table} WHERE region = 'eu-central'");
        assert_eq!(count(&lab.database, &left).await, 0, "{table}");
    }
    let moved =
        "SELECT count(*) FROM home_move WHERE region = 'us-east' AND from_region = 'eu-central'";
    assert_eq!(count(&lab.database, moved).await, 1);
    assert_eq!(evidence(&lab, "home.moved").await, 1);
    // What was sealed for fetching in the old home is made anew in the new one.
    let zip = there.get(copy(&there).await["archive_url"].as_str().unwrap()).await.is(200);
    let data: Value = serde_json::from_slice(&files(&zip.bytes)["data.json"]).unwrap();
    assert_eq!(data["tables"]["order_passenger"][0]["family_name"], "Lovelace");
    let token = erase(&there).await;
    receipt_in(&there, &token, "done").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_is_opened_only_after_it_has_forgotten_again() {
    let dir = std::env::temp_dir().join(format!("meridian-{}", uuid::Uuid::new_v4().simple()));
    let dir = KeysDir(dir);
    let plan =
        Plan { regions: vec!["eu-central"], erasures: Some(dir.0.clone()), ..Plan::default() };
    let mut lab = Lab::plan(plan.clone()).await;
    let (ada, grace) = (Person::berliner(&lab).await, Person::berliner(&lab).await);
    let booking = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &booking).await.is(202));
    ada.wait(&order, "ticketed").await;
    // The backup needs the database to itself for a moment.
    for node in lab.nodes.drain(..) {
        node.stop().await;
    }
    let backup = server().copy(&lab.database).await;
    let node = lab.another("eu-central", &plan).await;
    let ada = ada.via(&format!("http://{}", node.address));
    let token = erase(&ada).await;
    receipt_in(&ada, &token, "done").await;
    node.stop().await;

    lab.database = backup;
    let refused = lab.try_another("eu-central", &plan).await.err().unwrap();
    assert!(matches!(refused, StartError::Remembers(1)), "{refused}");
    assert!(refused.to_string().contains("meridian privacy reapply"), "{refused}");
    let store = Store::open(&StoreConfig::new(lab.database.clone())).await.unwrap();
    let home = lab.region("eu-central");
    let keys = Keys::load(&lab.keys.0, lab.registry, home).unwrap();
    let regions = [home];
    let again = reapply(&store, &keys.directory, &regions, &dir.0).await.unwrap();
    assert_eq!((again.known, again.erased), (1, 1));
    let twice = reapply(&store, &keys.directory, &regions, &dir.0).await.unwrap();
    assert_eq!(twice.erased, 0, "once is enough");
    assert_eq!(count(&lab.database, "SELECT count(*) FROM order_passenger").await, 0);
    let shredded = "SELECT count(*) FROM traveller WHERE data_key = ''::bytea";
    assert_eq!(count(&lab.database, shredded).await, 1);
    let node = lab.another("eu-central", &plan).await;
    let url = format!("http://{}", node.address);
    ada.via(&url).get("/v1/travellers/me").await.refuses(401, "unauthenticated");
    grace.via(&url).get("/v1/travellers/me").await.is(200);
    node.stop().await;
}
