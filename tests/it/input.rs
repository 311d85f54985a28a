//! Bad input: malformed, oversized, unknown, late, hostile. Each gets an answer that says what to
//! do, and nothing is lost or left behind.

use std::time::Duration;

use serde_json::{Value, json};

use crate::asker::{Answer, Person, an_offer, day, get, hold, instant, new_key, post, question};
use crate::lab::{Lab, Plan, count, until};

/// The pointers that a refusal names.
fn pointers(answer: &Answer) -> Vec<String> {
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
}

fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    match body.pointer_mut(pointer) {
        Some(field) => *field = value,
        None => {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap()[name] = value;
        }
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_names_every_field_that_makes_no_sense() {
    let lab = Lab::without_worker().await;
    let yesterday = day(-1);
    for (pointer, value) in [
        ("/slices/0/departure_date", json!(yesterday)),
        ("/slices/0/departure_date", json!("2026-02-30")),
        ("/slices/0/departure_date", json!(day(400))),
        ("/slices/0/origin", json!("QQQ")),
        ("/slices/0/origin", json!("fra")),
        ("/slices/0/origin", json!("Frankfurt")),
        ("/slices/0/destination", json!("FRA")),
        ("/slices", json!([])),
        ("/passengers", json!(0)),
        ("/passengers", json!(10)),
        ("/passengers", json!("two")),
        ("/passengers", json!(-1)),
        ("/max_connections", json!(2)),
        ("/currency", json!("EURO")),
        ("/cabin", json!("steerage")),
        ("/slices/0/colour", json!("red")),
        ("/surprise", json!(1)),
    ] {
        let body = with(question(), pointer, value.clone());
        let refused = post(&lab, "eu-central", "/v1/offer-requests", &body).await;
        let refused = refused.refuses(422, "validation_failed");
        let named = pointers(&refused);
        assert!(
            named.iter().any(|p| pointer.starts_with(p.as_str())),
            "{pointer} {value}: {named:?}"
        );
    }
    let backwards = json!({"slices": [
        {"origin": "FRA", "destination": "JFK", "departure_date": day(40)},
        {"origin": "JFK", "destination": "FRA", "departure_date": day(30)},
    ]});
    let refused = post(&lab, "eu-central", "/v1/offer-requests", &backwards).await;
    assert_eq!(pointers(&refused.refuses(422, "validation_failed")), ["/slices/1/departure_date"]);
    assert_eq!(count(&lab.database, "SELECT count(*) FROM inventory").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_names_every_field_and_repeats_none() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    for (pointer, value) in [
        ("/passengers/0/given_name", json!("R2D2-canary")),
        ("/passengers/0/family_name", json!("")),
        ("/passengers/0/family_name", json!("canary<script>")),
        ("/passengers/0/born_on", json!("canary")),
        ("/passengers/0/born_on", json!(day(1))),
        ("/passengers/0/born_on", json!("1066-10-14")),
        ("/passengers/0/shoe_size", json!("canary")),
        ("/passengers/0/given_name", json!({"canary": 1})),
        ("/passengers", json!([])),
        ("/payment/token", json!("4111111111111111")),
        ("/payment/token", json!("4111-1111-1111-1111")),
        ("/payment/token", json!("tok canary")),
        ("/passengers/0/born_on", json!(day(-3650))),
        ("/payment", Value::Null),
        ("/type", json!("canary")),
        ("/offer_id", json!(5)),
    ] {
        let refused = ada.book(&new_key(), &with(body.clone(), pointer, value.clone())).await;
        let refused = refused.refuses(422, "validation_failed");
        let text = String::from_utf8(refused.bytes.clone()).unwrap();
        assert!(!text.contains("canary") && !text.contains("4111"), "{pointer}: {text}");
        let named = pointers(&refused);
        assert!(named.iter().any(|p| pointer.starts_with(p.as_str())), "{pointer}: {named:?}");
    }
    let paid_hold = with(hold(&an_offer(&lab).await), "/payment", json!({"token": "tok_visa"}));
    ada.book(&new_key(), &paid_hold).await.refuses(422, "validation_failed");
    assert_eq!(count(&lab.database, "SELECT count(*) FROM orders").await, 0);
    assert_eq!(count(&lab.database, "SELECT count(*) FROM idempotency_key").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_and_foreign_offers_and_ids_are_told_apart() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let offer = an_offer(&lab).await;
    ada.book(&new_key(), &hold("off_forged")).await.refuses(404, "not_found");
    // One sign of an offer is another one: nobody's price is ours.
    for at in (4..offer.len()).step_by(5) {
        let sign = if &offer[at..=at] == "A" { "B" } else { "A" };
        let tampered = format!("{}{sign}{}", &offer[..at], &offer[at + 1..]);
        ada.book(&new_key(), &hold(&tampered)).await.refuses(404, "not_found");
    }
    lab.world.clock.advance(Duration::from_secs(31 * 60));
    let expired = ada.book(&new_key(), &hold(&offer)).await.refuses(410, "offer_expired");
    assert_eq!(expired.json()["charged"], "no");
    for id in ["ord_euc1_xyz", "trv_euc1_00000000000000000000000000000000", "%00", "..%2f..%2fetc"]
    {
        ada.get(&format!("/v1/orders/{id}")).await.refuses(404, "not_found");
    }
    for id in ["orq_", "orq_AAAA", "off_x", &"x".repeat(3000)] {
        let path = format!("/v1/offer-requests/{id}");
        get(&lab, "eu-central", &path).await.refuses(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_json_too_large_or_of_another_kind_are_refused() {
    let lab = Lab::without_worker().await;
    let url = format!("{}/v1/offer-requests", lab.url("eu-central"));
    let send = |kind: &'static str, body: Vec<u8>| {
        let request = reqwest::Client::new().post(&url).header("content-type", kind).body(body);
        Answer::of(request)
    };
    send("application/json", b"{".to_vec()).await.refuses(400, "malformed");
    send("application/json", vec![0xff, 0xfe]).await.refuses(400, "malformed");
    send("application/json", b"".to_vec()).await.refuses(400, "malformed");
    send("application/json", b"[]".to_vec()).await.refuses(422, "validation_failed");
    send("text/plain", b"{}".to_vec()).await.refuses(415, "unsupported_media_type");
    send("application/json", vec![b' '; 64 * 1024 + 1]).await.refuses(413, "body_too_large");
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(10_000));
    send("application/json", deep.into_bytes()).await.refuses(400, "malformed");
    let many = json!({"slices": vec![&question()["slices"][0]; 300]});
    send("application/json", many.to_string().into_bytes()).await.refuses(422, "validation_failed");
    get(&lab, "eu-central", "/livez").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_ends_its_head_is_let_go() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let head_patience = Duration::from_secs(2);
    let lab = Lab::plan(Plan { work: false, head_patience, ..Plan::default() }).await;
    let address = lab.running("eu-central").address;
    let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: slow\r\nX-Drip: ").await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(crate::lab::PATIENCE, slow.read_to_end(&mut rest)).await;
    ended.expect("the connection was kept").unwrap_or_default();
    let mut wide = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!("GET /livez HTTP/1.1\r\nHost: x\r\nX-Wide: {}\r\n\r\n", "w".repeat(200_000));
    let _ = wide.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(crate::lab::PATIENCE, wide.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    get(&lab, "eu-central", "/livez").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_and_methods_say_where_to_look() {
    let lab = Lab::without_worker().await;
    get(&lab, "eu-central", "/v1/teapot").await.refuses(404, "not_found");
    get(&lab, "eu-central", "/v1/payments").await.refuses(405, "method_not_allowed");
    let url = format!("{}/v1/orders", lab.url("eu-central"));
    for token in ["", "mst_euc1_", "mst_mars_abc", &"x".repeat(5000)] {
        let request = reqwest::Client::new().get(&url).bearer_auth(token);
        Answer::of(request).await.refuses(401, "unauthenticated");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_said_and_comes_back() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let offer = an_offer(&lab).await;
    let name = lab.database.database_name();
    let server = crate::lab::server().url();
    crate::lab::sql(&server, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    let cut =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    crate::lab::sql(&server, &cut).await;
    let key = new_key();
    let refused = ada.book(&key, &hold(&offer)).await;
    assert_eq!(refused.refuses(503, "unavailable").header("retry-after"), Some("1"));
    get(&lab, "eu-central", "/readyz").await.refuses(503, "unavailable");
    get(&lab, "eu-central", "/livez").await.is(200);
    // Searching needs no database and goes on.
    post(&lab, "eu-central", "/v1/offer-requests", &question()).await.is(201);

    crate::lab::sql(&server, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    until("the node is ready again", || async {
        get(&lab, "eu-central", "/readyz").await.status == 200
    })
    .await;
    ada.book(&key, &hold(&offer)).await.is(202);
    assert_eq!(lab.seats().await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_node_says_so_and_serves_who_is_there() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    lab.running("eu-central").drain();
    let draining = get(&lab, "eu-central", "/edge-health").await.is(503);
    assert_eq!(draining.json()["status"], "draining");
    ada.get("/v1/travellers/me").await.is(200);
    lab.running("eu-central").undrain();
    get(&lab, "eu-central", "/edge-health").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_tells_browsers_to_be_careful() {
    let lab = Lab::without_worker().await;
    for path in ["/livez", "/v1/residence?country=DE", "/nothing-here", "/"] {
        let answer = get(&lab, "eu-central", path).await;
        for (header, says) in [
            ("strict-transport-security", "max-age=63072000"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'"),
        ] {
            let found = answer.headers.get(header).map(|it| it.to_str().unwrap().to_owned());
            assert!(
                found.as_ref().is_some_and(|it| it.contains(says)),
                "{path} {header}: {found:?}"
            );
        }
    }
}
