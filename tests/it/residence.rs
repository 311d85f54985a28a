//! Residence decides, not the gateway.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Frame;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::Service;

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

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_two_homes_is_asked_for_one_before_the_body_is_read() {
    let lab = Lab::without_worker().await;
    let (ada, bob) = (Person::berliner(&lab).await, Person::resident(&lab, "US", "us-east").await);
    let (german, american) = (&ada.token, &bob.token);
    let body = "Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n";
    for (route, says) in [
        ("POST /v1/travellers", "Residence-Country: DE\r\nResidence-Country: US\r\n".to_owned()),
        ("POST /v1/travellers", "Residence-Country: DE\r\nresidence-country: DE\r\n".to_owned()),
        ("POST /v1/travellers", "Residence-Country: DE, US\r\n".to_owned()),
        ("POST /v1/travellers", "Residence-Country: DE\r\nMeridian-Home: us-east\r\n".to_owned()),
        ("POST /v1/sessions", "Meridian-Home: eu-central\r\nMeridian-Home: us-east\r\n".to_owned()),
        ("POST /v1/sessions", "Meridian-Home: eu-central,us-east\r\n".to_owned()),
        (
            "POST /v1/sessions",
            format!("Meridian-Home: eu-central\r\nAuthorization: Bearer {american}\r\n"),
        ),
        (
            "POST /v1/orders",
            format!("Meridian-Home: us-east\r\nAuthorization: Bearer {german}\r\n"),
        ),
        (
            "POST /v1/orders",
            format!("Meridian-Home: atlantis\r\nAuthorization: Bearer {german}\r\n"),
        ),
        (
            "POST /v1/orders",
            format!("Meridian-Home: us-east\r\nCookie: __Host-meridian={german}\r\n"),
        ),
        (
            "POST /v1/orders",
            format!("Authorization: Bearer {german}\r\nAuthorization: Bearer {american}\r\n"),
        ),
        ("POST /v1/orders", format!("Authorization: Bearer {german}, Bearer {american}\r\n")),
    ] {
        for region in ["eu-central", "us-east"] {
            let head = format!("{route} HTTP/1.1\r\nHost: x\r\n{says}{body}");
            let answer = answer_to_head_alone(lab.running(region).address, &head).await;
            assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{says}: {answer}");
            assert!(answer.contains("\"code\":\"declarations_contradict\""), "{says}: {answer}");
            assert!(!answer.contains(german.as_str()) && !answer.contains(american.as_str()));
        }
    }
    let none = "SELECT count(*) FROM traveller WHERE region NOT IN ('eu-central', 'us-east')";
    assert_eq!(count(&lab.database, none).await, 0);
    // Said twice and the same is fine where it is said in two words.
    let agreed = ada.http.get(format!("{}/v1/orders", ada.url)).bearer_auth(german);
    Answer::of(agreed.header("meridian-home", "eu-central")).await.is(200);
    let again = ada.http.post(format!("{}/v1/sessions", ada.url)).bearer_auth(german);
    let again = again.header("meridian-home", "eu-central");
    let account = json!({"email": ada.email, "password": ada.password});
    Answer::of(again.json(&account)).await.is(201);
    // A browser sends the cookie of whoever was there before; nobody says anything with that.
    let other = ada.http.post(format!("{}/v1/sessions", ada.url));
    let other = other.header("meridian-home", "eu-central");
    let other = other.header("cookie", format!("__Host-meridian={american}"));
    Answer::of(other.json(&account)).await.is(201);
}

/// A body that counts how often somebody asks it for its next piece.
struct Watched(Arc<AtomicU32>);

impl hyper::body::Body for Watched {
    type Data = axum::body::Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(vec![b' '; 1024].into()))))
    }
}

/// What a region answers to a POST, and how often its body was asked for more.
async fn asked_of_the_body(lab: &Lab, region: &str, head: &[(&str, &str)]) -> (u16, u32) {
    let mut router = meridian::http::router(&lab.running(region).api, meridian::web::pages());
    let asked = Arc::new(AtomicU32::new(0));
    let mut request = http::Request::post("/v1/orders").header("content-type", "application/json");
    for (name, value) in head {
        request = request.header(*name, *value);
    }
    let request = request.body(axum::body::Body::new(Watched(Arc::clone(&asked)))).unwrap();
    let response = router.call(request).await.unwrap();
    (response.status().as_u16(), asked.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_asks_a_body_for_its_first_byte_in_the_wrong_region() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let bearer = format!("Bearer {}", ada.token);
    let key = new_key();
    let head = [("authorization", bearer.as_str()), ("idempotency-key", key.as_str())];
    assert_eq!(asked_of_the_body(&lab, "us-east", &head).await, (421, 0));
    let contradicts = [head[0], head[1], ("meridian-home", "us-east")];
    assert_eq!(asked_of_the_body(&lab, "us-east", &contradicts).await, (400, 0));
    // At home it is read, up to the limit: the body does count.
    let (status, asked) = asked_of_the_body(&lab, "eu-central", &head).await;
    assert_eq!(status, 413);
    assert!(asked > 60, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mebibyte_sent_slowly_is_answered_from_its_head_and_taken_from_nobody() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let total = 1024 * 1024;
    let head = format!(
        "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nIdempotency-Key: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {total}\r\n\r\n",
        ada.token,
        new_key()
    );
    let stream = TcpStream::connect(lab.running("us-east").address).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    to.write_all(head.as_bytes()).await.unwrap();
    // Not a byte of the body has left when the whole answer is here and the other side has closed.
    let mut answer = Vec::new();
    let reading = from.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(5), reading).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 421 Misdirected Request"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    // Whoever sends on regardless is cut off: what the kernel takes, it throws away.
    let mut taken = 0;
    while taken < total && to.write_all(&[b' '; 1024]).await.is_ok() {
        taken += 1024;
        tokio::task::yield_now().await;
    }
    assert!(taken < total, "the other side took all of it");
}
