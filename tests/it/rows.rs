//! Rows of the fault matrix, each told alone: what breaks is in the name, what must hold in the
//! story. Rows about suppliers, callbacks, links and the relay stand with theirs.

use std::path::Path;

use meridian::clock::Clock;
use meridian::orders::driver::LetGo;
use meridian::telemetry::metrics;
use serde_json::{Value, json};

use crate::asker::{Answer, Person, an_offer, direct_offers, hold, id, instant, new_key, question};
use crate::lab::{Lab, Plan, count, driver, parse, sql, until};
use crate::processes::serve;

/// A house whose nodes are processes that a story starts.
pub(crate) async fn house() -> Lab {
    Lab::plan(Plan { work: false, regions: vec!["eu-central"], ..Plan::default() }).await
}

/// What a scrape says of a counter, all series with this label together.
pub(crate) fn counted(scraped: &str, name: &str, label: &str) -> u64 {
    let series = scraped.lines().filter(|line| line.starts_with(name) && line.contains(label));
    let values = series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counters count")]
    let sum = values.sum::<f64>() as u64;
    sum
}

pub(crate) async fn scrape(url: &str) -> String {
    reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap()
}

/// Leaves so many seats on the flight of an offer.
pub(crate) async fn seats_left(lab: &Lab, offer: &Value, left: i64) {
    let segment = &offer["slices"][0]["segments"][0];
    let (flight, day) = (segment["flight"].as_str().unwrap(), &segment["departing_at"]);
    let (day, total) = (&day.as_str().unwrap()[..10], left.max(200));
    let sold = total - left;
    let plant = format!(
        "INSERT INTO inventory
         VALUES ('eu-central', '{flight}', '{day}', 'economy', {total}, 0, {sold})"
    );
    sql(&lab.database, &plant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_02_a_node_killed_between_an_outside_yes_and_its_commit_has_it_done_once() {
    for call in ["authorize", "book", "capture", "tickets"] {
        let lab = house().await;
        let ada = Person::berliner(&lab).await;
        let (mut victim, url) =
            serve(&lab, "eu-central", &["--crash-at", &format!("after_call:{call}")]);
        let (key, body) = (new_key(), instant(&an_offer(&lab).await, "Lovelace", "tok_visa"));
        ada.via(&url).post_into_the_dark("/v1/orders", &key, &body).await;
        victim.killed_itself().await;
        assert_eq!((lab.journal(call).await, lab.asked(call).await), (1, 1), "{call}");

        let (_heir, url) = serve(&lab, "eu-central", &[]);
        let ada = ada.via(&url);
        let order = id(&ada.book(&key, &body).await.is(202));
        assert_eq!(ada.wait(&order, "ticketed").await["charged"], "yes", "{call}");
        assert_eq!(ada.events(&order).await.len(), 5, "{call}");
        assert_eq!(lab.asked(call).await, 2, "{call} was asked again, under the same key");
        for operation in ["authorize", "book", "capture", "tickets"] {
            assert_eq!(lab.journal(operation).await, 1, "{operation} after {call}");
        }
        assert_eq!(lab.seats().await, (0, 1), "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_03_a_node_killed_between_commit_and_reply_is_asked_again_and_the_bytes_are_the_same() {
    let lab = house().await;
    let ada = Person::berliner(&lab).await;
    let (mut victim, url) = serve(&lab, "eu-central", &["--crash-at", "after_commit:order_accept"]);
    let (key, body) = (new_key(), hold(&an_offer(&lab).await));
    ada.via(&url).post_into_the_dark("/v1/orders", &key, &body).await;
    victim.killed_itself().await;
    assert_eq!(count(&lab.database, "SELECT count(*) FROM orders").await, 1);

    let (mut victim, url) = serve(&lab, "eu-central", &["--crash-at", "after_commit:order_act"]);
    let there = ada.via(&url);
    let first = there.book(&key, &body).await.is(202);
    assert_eq!(first.header("idempotent-replayed"), Some("true"));
    assert_eq!(first.data()["state"], "pending", "what the dead node would have said");
    let order = id(&first);
    there.wait(&order, "held").await;
    let (pay_key, pay) = (new_key(), json!({"order_id": order, "payment": {"token": "tok_visa"}}));
    there.post_into_the_dark("/v1/payments", &pay_key, &pay).await;
    victim.killed_itself().await;

    let (_heir, url) = serve(&lab, "eu-central", &[]);
    let there = ada.via(&url);
    let paid = there.post("/v1/payments", &pay_key, &pay).await.is(202);
    assert_eq!(paid.header("idempotent-replayed"), Some("true"));
    there.wait(&order, "ticketed").await;
    for (path, key, body, before) in
        [("/v1/orders", key, body, first), ("/v1/payments", pay_key, pay, paid)]
    {
        let again = there.post(path, &key, &body).await.is(202);
        assert_eq!(again.bytes, before.bytes, "{path}");
        assert_eq!(again.header("location"), before.header("location"), "{path}");
        // What the dead node wrote down to be sent, and never sent.
        let bytes: String = again.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let kept = "SELECT count(*) FROM idempotency_key WHERE encode(body, 'hex') =";
        assert_eq!(count(&lab.database, &format!("{kept} '{bytes}'")).await, 1, "{path}");
    }
    assert_eq!(count(&lab.database, "SELECT count(*) FROM orders").await, 1);
    assert_eq!((lab.journal("authorize").await, lab.journal("book").await), (1, 1));
    assert_eq!(lab.seats().await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_08_two_hundred_rivals_buy_the_last_ten_seats_and_no_more() {
    /// Most runs of one transaction's body, as the store has it.
    const RUNS_MAX: u64 = 40;
    let lab = house().await;
    let offer = direct_offers(&lab, "FRA", "JFK", 1).await.remove(0);
    seats_left(&lab, &offer, 10).await;
    let ada = Person::berliner(&lab).await;
    let more = ["--connections", "16"];
    let nodes = [serve(&lab, "eu-central", &more), serve(&lab, "eu-central", &more)];
    let rivals: Vec<_> = (0..200)
        .map(|nth| {
            let ada = ada.via(&nodes[nth % 2].1);
            let body = instant(offer["id"].as_str().unwrap(), "Lovelace", "tok_visa");
            tokio::spawn(async move {
                let (key, mut tries) = (new_key(), 0);
                loop {
                    let answer = ada.book(&key, &body).await;
                    tries += 1;
                    if answer.status != 503 {
                        return (answer, tries);
                    }
                }
            })
        })
        .collect();
    let (mut accepted, mut asked) = (Vec::new(), 0);
    for rival in rivals {
        let (answer, tries) = rival.await.unwrap();
        asked += tries;
        if answer.status == 202 {
            accepted.push(id(&answer));
        } else {
            answer.refuses(409, "sold_out");
        }
    }
    assert_eq!(accepted.len(), 10);
    for order in &accepted {
        ada.via(&nodes[0].1).wait(order, "ticketed").await;
    }
    assert_eq!(lab.seats().await, (0, 200));
    assert_eq!(lab.journal("authorize").await, 10);

    let of = "txn=\"order_accept\"";
    let (mut runs_again, mut ended) = (0, 0);
    for (_, url) in &nodes {
        let scraped = scrape(url).await;
        runs_again += counted(&scraped, "meridian_db_txn_retries_total", of);
        ended += counted(&scraped, "meridian_db_txn_outcomes_total", of);
    }
    assert_eq!(ended, asked, "every try is counted with how it ended");
    assert!(runs_again > 0, "nobody was in anybody's way: this was no storm");
    assert!(runs_again <= asked * (RUNS_MAX - 1), "{runs_again} runs again for {asked} requests");
    println!("{asked} requests, {runs_again} runs again");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_12_money_that_was_taken_in_silence_is_unknown_and_then_taken_once() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    for (operation, state, charged) in
        [("authorize", "pending", "no"), ("capture", "confirmed", "unknown")]
    {
        let before = lab.journal(operation).await;
        lab.fault(operation, "lost_reply", 1_000_000).await;
        let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
        let order = id(&ada.book(&new_key(), &body).await.is(202));
        let asked = lab.asked(operation).await;
        until("it was asked again and again", || async { lab.asked(operation).await >= asked + 3 })
            .await;
        let seen = ada.wait(&order, state).await;
        assert_eq!(seen["charged"], charged, "{operation}");
        assert_eq!(lab.journal(operation).await, before + 1, "{operation} is done, and once");
        lab.fault(operation, "lost_reply", 0).await;
        assert_eq!(ada.wait(&order, "ticketed").await["charged"], "yes", "{operation}");
        assert_eq!(ada.events(&order).await.len(), 5, "{operation}: silence is no event");
        assert_eq!(lab.journal(operation).await, before + 1, "{operation}");
    }
    assert_eq!(lab.seats().await, (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_17_a_refund_that_fails_for_an_hour_is_tried_until_a_person_must_look() {
    /// The longest pause between two tries, with all that chance may add to it.
    const PAUSE_MAX_MS: i64 = 37_500;
    metrics::handle();
    let gave_up = || {
        let scraped = metrics::handle().render();
        counted(&scraped, "meridian_saga_gave_up_total", "state=\"refunding\"")
    };
    let (lab, before) = (Lab::without_worker().await, gave_up());
    let ada = Person::berliner(&lab).await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    let parsed = parse(&lab, &order);
    assert_eq!(driver(&lab).drive(parsed, 1).await.unwrap(), LetGo::Rested);
    lab.fault("refund", "unavailable", 1_000_000).await;
    ada.cancel(&order).await.is(202);

    let (mut tries, mut longest, mut waited) = (0, 0, 0);
    let end = loop {
        // A driver of its own for each try: what is looked at is the saga, not the breaker.
        let end = driver(&lab).drive(parsed, 2).await.unwrap();
        tries += 1;
        if end != LetGo::Postponed {
            break end;
        }
        assert_eq!(gave_up(), before, "after {tries} tries and {waited} ms");
        let pause = "SELECT (extract(epoch FROM due_at - now()) * 1000)::INT8 FROM orders";
        let pause = count(&lab.database, pause).await;
        assert!(pause <= PAUSE_MAX_MS, "a pause of {pause} ms");
        (longest, waited) = (longest.max(pause), waited + pause);
        let later =
            format!("UPDATE orders SET updated_at = updated_at - interval '{pause} milliseconds'");
        sql(&lab.database, &later).await;
    };
    assert_eq!(end, LetGo::Rested);
    assert!(longest >= 30_000, "pauses grow to their cap, not to {longest} ms");
    assert!((3_500_000..3_700_000).contains(&waited), "{waited} ms of trying");
    assert_eq!((lab.asked("refund").await, lab.journal("refund").await), (tries, 0));
    let seen = ada.wait(&order, "manual_review").await;
    assert_eq!((&seen["failure"], &seen["charged"]), (&json!("outcome_unknown"), &json!("yes")));
    assert_eq!(gave_up(), before + 1, "the alert's metric");
    assert_eq!(lab.seats().await, (0, 0));
}

/// The id of an offer that a node makes.
async fn an_offer_there(there: &Person) -> String {
    let request = there.http.post(format!("{}/v1/offer-requests", there.url)).json(&question());
    let found = Answer::of(request).await.is(201).data();
    found["offers"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn row_30_a_node_whose_clock_is_an_hour_ahead_or_days_behind_steals_and_keeps_no_lease() {
    for wrong_by in [3600, -15 * 86_400] {
        let mut lab = Lab::plan(Plan { regions: vec!["eu-central"], ..Plan::default() }).await;
        let clock = Some(Clock::wrong_by(wrong_by));
        let wrong = lab.another("eu-central", &Plan { clock, ..Plan::default() }).await;
        let ada = Person::berliner(&lab).await;
        let there = ada.via(&format!("http://{}", wrong.address));

        // Each accepts an order of which a step takes a while; the other looks all the time, and
        // lets it be.
        for who in [&ada, &there] {
            let offer = an_offer_there(who).await;
            lab.slow("authorize", 1500).await;
            let body = instant(&offer, "Lovelace", "tok_visa");
            let order = id(&who.book(&new_key(), &body).await.is(202));
            let left = "SELECT (max(extract(epoch FROM lease_until - now())) * 1000)::INT8
                        FROM orders";
            let left = count(&lab.database, left).await;
            assert!((0..=10_000).contains(&left), "{wrong_by} s: leased for {left} ms");
            who.wait(&order, "ticketed").await;
            assert_eq!(who.events(&order).await.len(), 5);
            let epoch = count(&lab.database, "SELECT max(epoch) FROM orders").await;
            assert_eq!(epoch, 1, "{wrong_by} s: somebody took it over");
        }

        // What a dead node left is taken over when its lease ends, not an hour or days later.
        lab.fault("authorize", "unavailable", 1_000_000).await;
        let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
        let order = id(&ada.book(&new_key(), &body).await.is(202));
        lab.nodes.remove(0).stop().await;
        sql(
            &lab.database,
            "UPDATE orders SET epoch = epoch + 1, owner = 'dead', due_at = now(),
             lease_until = now() + interval '500 milliseconds' WHERE state = 'pending'",
        )
        .await;
        lab.fault("authorize", "unavailable", 0).await;
        there.wait(&order, "ticketed").await;

        // Times that others promise are theirs: a hold lasts as long as the airline says.
        let held = id(&there.book(&new_key(), &hold(&an_offer_there(&there).await)).await.is(202));
        there.wait(&held, "held").await;
        let left = "SELECT (extract(epoch FROM payment_required_by - now()) / 60)::INT8
                    FROM orders WHERE state = 'held'";
        let left = count(&lab.database, left).await;
        assert!((28..=30).contains(&left), "{wrong_by} s: held for {left} minutes");
        assert_eq!(lab.seats().await, (1, 3));
    }
}

/// Rows that are told in this program. The others are `tests/chaos/`'s and the name server's.
const TOLD: [u32; 20] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 22, 30, 35];

#[test]
fn every_row_that_is_told_here_has_a_test_with_its_number() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let text: String = files.filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    let missing: Vec<u32> = TOLD
        .into_iter()
        .filter(|row| !text.contains(&format!("\nasync fn row_{row:02}_")))
        .collect();
    assert_eq!(missing, [0; 0], "rows without a test");
}
