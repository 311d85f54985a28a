//! Residence decides, not the gateway.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::asker::{Answer, Person, an_offer, get, id, instant, new_key};
use crate::lab::{Lab, count};

#[tokio::test(flavor = "multi_thread")]
async fn every_region_tells_where_a_resident_is_at_home() {
    let lab = Lab::start().await;
    for region in ["eu-central", "us-east"] {
        let home = get(&lab, region, "/v1/residence?country=DE").await.is(200).data();
        assert_eq!(home["home"]["region"], "eu-central");
        assert_eq!(home["home"]["url"], lab.url("eu-central"));
        assert!(home["law"].as_str().unwrap().contains("GDPR"));
        let home = get(&lab, region, "/v1/residence?country=CA").await.is(200).data();
        assert_eq!(home["home"]["region"], "us-east");
    }
    let refused = get(&lab, "us-east", "/v1/residence?country=CN").await;
    assert!(
        refused.refuses(422, "residence_unsupported").json()["detail"]
            .as_str()
            .unwrap()
            .contains("China")
    );
    get(&lab, "us-east", "/v1/residence?country=Narnia").await.refuses(422, "validation_failed");
    get(&lab, "us-east", "/v1/residence").await.refuses(400, "malformed");
}

/// Sends a head that promises a body, keeps the body back, and reads what comes.
async fn answer_to_head_alone(address: std::net::SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    // The server must answer and close although the promised body never comes.
    tokio::time::timeout(Duration::from_secs(5), reading).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_berliner_through_new_york_is_sent_home_before_her_body_is_read() {
    // A worker would ask its database for work meanwhile.
    let lab = Lab::without_worker().await;
    let new_york = lab.running("us-east").address;
    let berliner = Person::berliner(&lab).await;
    let body = "Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n";
    let token = &berliner.token;
    for head in [
        format!("POST /v1/travellers HTTP/1.1\r\nHost: x\r\nResidence-Country: DE\r\n{body}"),
        format!("POST /v1/sessions HTTP/1.1\r\nHost: x\r\nMeridian-Home: eu-central\r\n{body}"),
        format!(
            "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Idempotency-Key: {}\r\n{body}",
            new_key()
        ),
        format!(
            "POST /v1/payments HTTP/1.1\r\nHost: x\r\nCookie: __Host-meridian={token}\r\n{body}"
        ),
    ] {
        let before = lab.running("us-east").api.store.counts().so_far();
        let answer = answer_to_head_alone(new_york, &head).await;
        assert!(answer.starts_with("HTTP/1.1 421 Misdirected Request"), "{answer}");
        assert!(answer.contains(&lab.url("eu-central")), "{answer}");
        // Only for a token the database is asked: whether its traveller has moved here, which the
        // region's own copy of a GLOBAL table knows.
        let asked = u64::from(head.contains(token.as_str()));
        let expected = (before.0 + asked, before.1 + asked);
        assert_eq!(lab.running("us-east").api.store.counts().so_far(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn her_rows_are_at_home_only_although_she_came_through_new_york() {
    let lab = Lab::start().await;
    let berliner = Person::berliner(&lab).await;
    assert!(berliner.id.starts_with("trv_euc1_"));
    let offer = an_offer(&lab).await;
    let elsewhere = format!("{}/v1/orders", lab.url("us-east"));
    let request = berliner
        .http
        .post(&elsewhere)
        .bearer_auth(&berliner.token)
        .header("idempotency-key", new_key())
        .json(&instant(&offer, "Lovelace", "tok_visa"));
    let misdirected = Answer::of(request).await.refuses(421, "misdirected").json();
    assert_eq!(misdirected["home"]["url"], lab.url("eu-central"));
    assert_eq!(misdirected["retryable"], true);

    let accepted =
        berliner.book(&new_key(), &instant(&offer, "Lovelace", "tok_visa")).await.is(202);
    let order = berliner.wait(&id(&accepted), "ticketed").await;
    assert_eq!(order["residency"]["home_region"], "eu-central");
    for table in [
        "traveller",
        "session",
        "orders",
        "order_event",
        "order_passenger",
        "seat_hold",
        "idempotency_key",
    ] {
        let at_home = format!("SELECT count(*) FROM {table} WHERE region = 'eu-central'");
        let abroad = format!("SELECT count(*) FROM {table} WHERE region <> 'eu-central'");
        assert!(count(&lab.database, &at_home).await > 0, "{table}");
        assert_eq!(count(&lab.database, &abroad).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_leads_home_and_tells_strangers_nothing() {
    let lab = Lab::start().await;
    let berliner = Person::berliner(&lab).await;
    let subject = |email: &str| {
        use sha2::Digest;
        let hash = sha2::Sha256::digest(email.trim().to_lowercase().as_bytes());
        hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let ask = |email: String| {
        let url = format!("{}/v1/residence", lab.url("us-east"));
        Answer::of(reqwest::Client::new().get(url).header("meridian-subject", subject(&email)))
    };
    let home = ask(berliner.email.to_uppercase()).await.is(200).data();
    assert_eq!(home["home"]["region"], "eu-central");
    let stranger = ask("nobody@canary.example".into()).await.is(200).data();
    assert_eq!(stranger["home"]["region"], "us-east");
    let bad = reqwest::Client::new().get(format!("{}/v1/residence", lab.url("us-east")));
    Answer::of(bad.header("meridian-subject", "abc")).await.refuses(422, "validation_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_declared_home_nothing_personal_is_taken() {
    let lab = Lab::start().await;
    let body = json!({"email": "ada@canary.example", "password": "long enough"});
    for path in ["/v1/travellers", "/v1/sessions"] {
        let url = format!("{}{path}", lab.url("eu-central"));
        let request = reqwest::Client::new().post(url).json(&body);
        Answer::of(request).await.refuses(400, "header_missing");
    }
    let url = format!("{}/v1/travellers", lab.url("eu-central"));
    let request = reqwest::Client::new().post(url).header("residence-country", "RU").json(&body);
    Answer::of(request).await.refuses(422, "residence_unsupported");
    assert_eq!(count(&lab.database, "SELECT count(*) FROM traveller").await, 0);
}
