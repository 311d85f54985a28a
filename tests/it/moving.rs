//! Moving home while the house is in use: a traveller's rows change their region in one
//! transaction, and neither the traveller nor an airline notices.

use meridian::clock::Deadline;
use meridian::domain::ids::TravellerId;
use meridian::store::Fate;
use serde_json::{Value, json};

use crate::asker::{Answer, Person, an_offer, direct_offers, hold, id, instant, new_key};
use crate::lab::{Lab, PATIENCE, Plan, count, sql, until};
use crate::lifecycle::Planner;

/// Germans are at home in Dublin from now on.
pub(crate) fn germans_to_dublin(file: &mut Value) {
    let dublin = file["name"] == "eu-west";
    let homes = file["homes"].as_array_mut().unwrap();
    homes.retain(|country| country != "DE");
    if dublin {
        homes.push("DE".into());
    }
}

/// Europe's seats are kept in Dublin from now on.
fn european_seats_to_dublin(file: &mut Value) {
    let dublin = file["name"] == "eu-west";
    let claims = file["dns"]["continents"].as_array_mut().unwrap();
    claims.retain(|continent| continent != "EU");
    if dublin {
        claims.push("EU".into());
    }
}

async fn european_house(work: bool) -> Lab {
    Lab::plan(Plan { regions: vec!["eu-central", "eu-west"], work, ..Plan::default() }).await
}

pub(crate) fn moved(planner: &Planner<'_>, lab: &Lab) -> String {
    let (code, said) = planner.plan();
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = planner.apply(&["--keys", lab.keys.0.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    said
}

/// The rows that say they are at home in a region, all personal tables together.
async fn personal_rows(lab: &Lab, region: &str) -> i64 {
    let mut rows = 0;
    for (table, about) in meridian::store::datamap::tables() {
        if about.class == meridian::store::datamap::Class::Personal {
            let text = format!("SELECT count(*) FROM {table} WHERE region = '{region}'");
            rows += count(&lab.database, &text).await;
        }
    }
    rows
}

impl Person {
    /// The same person, asking another region.
    fn at(&self, lab: &Lab, region: &str) -> Self {
        Self { url: lab.url(region), ..self.clone() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traveller_moves_with_every_row_and_goes_on_as_before() {
    let lab = european_house(true).await;
    let ada = Person::berliner(&lab).await;
    let key = new_key();
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let booked = ada.book(&key, &body).await.is(202);
    let order = id(&booked);
    ada.wait(&order, "ticketed").await;
    let held = id(&ada.book(&new_key(), &hold(&an_offer(&lab).await)).await.is(202));
    ada.wait(&held, "held").await;
    let quote = ada.quote_cancellation(&order).await.is(201).data();

    let planner = Planner::of(&lab, germans_to_dublin);
    let (_, said) = planner.plan();
    assert!(said.contains("eu-central: move its travellers home: 1 by now"), "{said}");
    assert_eq!(personal_rows(&lab, "eu-west").await, 0, "a plan moves nobody");
    let (code, said) = planner.regions(&["check"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("found 1 travellers whose home is another region"), "{said}");
    let (code, said) = planner.apply(&[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("--keys DIR"), "{said}");
    assert!(moved(&planner, &lab).contains("1 moved"));
    assert_eq!(personal_rows(&lab, "eu-central").await, 0, "the old home shows nothing");

    // The old home tells the way before it reads a body, and the new one takes the old token.
    let sent = ada.get("/v1/travellers/me").await.refuses(421, "misdirected");
    assert_eq!(sent.json()["home"]["region"], "eu-west");
    ada.get(&format!("/v1/orders/{order}")).await.refuses(421, "misdirected");
    let there = ada.at(&lab, "eu-west");
    assert_eq!(there.get("/v1/travellers/me").await.is(200).data()["email"], ada.email);
    let seen = there.get(&format!("/v1/orders/{order}")).await.is(200).data();
    assert_eq!((&seen["state"], &seen["charged"]), (&json!("ticketed"), &json!("yes")));
    assert_eq!(there.events(&order).await.len(), 6);

    // A repeated request is answered with the same bytes; an order under way goes on.
    let again = there.book(&key, &body).await.is(202);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.bytes, booked.bytes);
    let pay = json!({"order_id": held, "payment": {"token": "tok_visa"}});
    there.post("/v1/payments", &new_key(), &pay).await.is(202);
    there.wait(&held, "ticketed").await;
    // What was quoted in the old home is confirmed in the new one.
    there.confirm(&quote, &new_key(), &Value::Null).await.is(202);
    there.wait(&order, "refunded").await;
    assert_eq!((lab.journal("authorize").await, lab.journal("tickets").await), (2, 2));

    let record = "SELECT count(*) FROM home_move WHERE region = 'eu-west' AND orders = 2
                  AND from_region = 'eu-central' AND to_region = 'eu-west' AND sessions = 1
                  AND reason LIKE 'plan %'";
    assert_eq!(count(&lab.database, record).await, 1);
    let (code, said) = planner.regions(&["check"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(planner.plan().1.contains("nothing to do"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_moved_logs_in_and_out_in_the_new_home_and_may_move_back() {
    let lab = european_house(false).await;
    let ada = Person::berliner(&lab).await;
    let there = ada.at(&lab, "eu-west");
    moved(&Planner::of(&lab, germans_to_dublin), &lab);
    let log_in = |region: &'static str| {
        let body = json!({"email": ada.email, "password": ada.password});
        let url = format!("{}/v1/sessions", lab.url(region));
        Answer::of(ada.http.post(url).header("meridian-home", region).json(&body))
    };
    log_in("eu-central").await.refuses(401, "wrong_credentials");
    let session = log_in("eu-west").await.is(201).data();
    assert!(session["token"].as_str().unwrap().starts_with("mst_euw1_"));

    moved(&Planner::of(&lab, |_| {}), &lab);
    assert_eq!(personal_rows(&lab, "eu-west").await, 0);
    there.get("/v1/travellers/me").await.refuses(421, "misdirected");
    assert_eq!(ada.get("/v1/travellers/me").await.is(200).data()["email"], ada.email);
    let second = Person { token: session["token"].as_str().unwrap().to_owned(), ..ada.clone() };
    second.get("/v1/travellers/me").await.is(200);
    second.at(&lab, "eu-west").get("/v1/travellers/me").await.refuses(421, "misdirected");
    assert_eq!(count(&lab.database, "SELECT count(*) FROM home_move").await, 2, "both are kept");

    moved(&Planner::of(&lab, germans_to_dublin), &lab);
    let log_out = |url: &str| ada.http.delete(format!("{url}/v1/sessions/current"));
    Answer::of(log_out(&ada.url).bearer_auth(&ada.token)).await.refuses(421, "misdirected");
    Answer::of(log_out(&there.url).bearer_auth(&ada.token)).await.is(204);
    there.get("/v1/travellers/me").await.refuses(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_under_way_move_and_nobody_is_charged_twice() {
    let lab = european_house(true).await;
    let mut orders = Vec::new();
    for _ in 0..12 {
        let ada = Person::berliner(&lab).await;
        lab.fault("book", "lost_reply", 2).await;
        let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
        let order = id(&ada.book(&new_key(), &body).await.is(202));
        orders.push((ada, order));
    }
    // While their sagas run, in the middle of steps and under leases.
    let said = moved(&Planner::of(&lab, germans_to_dublin), &lab);
    assert!(said.contains("12 moved"), "{said}");
    for (ada, order) in &orders {
        let seen = ada.at(&lab, "eu-west").wait(order, "ticketed").await;
        assert_eq!(seen["charged"], "yes");
    }
    for operation in ["authorize", "book", "capture", "tickets"] {
        assert_eq!(lab.journal(operation).await, 12, "{operation}");
    }
    assert_eq!(lab.seats().await, (0, 12));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_seats_are_sold_once_while_they_move() {
    let lab = european_house(false).await;
    let ada = Person::berliner(&lab).await;
    let offers = direct_offers(&lab, "FRA", "JFK", 1).await;
    let offer = offers[0]["id"].as_str().unwrap().to_owned();
    let first = instant(&offer, "Lovelace", "tok_visa");
    ada.book(&new_key(), &first).await.is(202);
    let few = "UPDATE inventory SET capacity = held + sold + 10";
    sql(&lab.database, few).await;
    let selling: Vec<_> = (0..40)
        .map(|_| {
            let (ada, body) = (ada.clone(), first.clone());
            tokio::spawn(async move { ada.book(&new_key(), &body).await.status.as_u16() })
        })
        .collect();
    let planner = Planner::of(&lab, european_seats_to_dublin);
    let (code, said) = planner.plan();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("eu-central: move its seats"), "{said}");
    assert_eq!(planner.apply(&[]).0, Some(0), "seats need no keys");
    let mut sold = 0;
    for answer in selling {
        let status = answer.await.unwrap();
        assert!([202, 409, 503].contains(&status), "{status}");
        sold += u32::from(status == 202);
    }
    while ada.book(&new_key(), &first).await.status == 202 {
        sold += 1;
    }
    assert_eq!(sold, 10);
    assert_eq!(lab.seats().await, (11, 0));
    let there = "SELECT count(*) FROM inventory WHERE region = 'eu-west'";
    assert_eq!(count(&lab.database, there).await, 1);
    assert_eq!(count(&lab.database, "SELECT count(*) FROM inventory").await, 1);
    until("a hold that was placed before the move is given back after it", || async {
        let orders = ada.get("/v1/orders").await.is(200).json();
        orders["data"].as_array().unwrap().len() == 11
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_that_does_not_open_keeps_its_traveller_and_nobody_else() {
    let lab = european_house(false).await;
    let (ada, bob) = (Person::berliner(&lab).await, Person::berliner(&lab).await);
    let broken = format!(
        "UPDATE traveller SET email = '\\x00' WHERE id = '{}'",
        uuid::Uuid::try_parse(bob.id.rsplit('_').next().unwrap()).unwrap()
    );
    sql(&lab.database, &broken).await;
    let planner = Planner::of(&lab, germans_to_dublin);
    assert_eq!(planner.plan().0, Some(0));
    let (code, said) = planner.apply(&["--keys", lab.keys.0.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("1 travellers moved, 1 stayed because a seal"), "{said}");
    ada.at(&lab, "eu-west").get("/v1/travellers/me").await.is(200);
    let kept = "SELECT count(*) FROM traveller WHERE region = 'eu-central'";
    assert_eq!(count(&lab.database, kept).await, 1);
    std::fs::remove_file(lab.keys.0.join("region-eu-west.pub")).unwrap();
    let (code, said) = planner.apply(&["--keys", lab.keys.0.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("there is no public key of eu-west"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_for_a_traveller_who_has_just_moved_is_told_to_try_again() {
    let lab = european_house(false).await;
    let home = lab.region("eu-central");
    let store = &lab.running("eu-central").api.store;
    let gone = TravellerId::new(home);
    let outcome = store
        .transact("session_open", Deadline::after(PATIENCE), |tx| async move {
            tx.session_insert(gone, &[7; 32], 60).await
        })
        .await;
    assert_eq!(outcome.unwrap_err().fate(), Fate::Later);
}
