//! A request that reached the wrong region is passed on where the law of its home allows that, over
//! mutual TLS, unread; and nowhere else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use meridian::http::BODY_BYTES_MAX;
use reqwest::{Body, Client, Method};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::asker::{Answer, Person, an_offer, id, instant, new_key};
use crate::authority::Authority;
use crate::lab::{Lab, Plan, count, until};
use crate::processes::{meridian, run, url_text, words};

/// Frankfurt, Dublin and New York; the first two are under one law.
const ALL: [&str; 3] = ["eu-central", "eu-west", "us-east"];

fn plan(peers: &Arc<Authority>) -> Plan {
    Plan { regions: ALL.to_vec(), peers: Some(Arc::clone(peers)), ..Plan::default() }
}

/// Nodes that speak to each other, and no worker that would ask the database meanwhile.
async fn quiet(peers: &Arc<Authority>) -> Lab {
    Lab::plan(Plan { work: false, ..plan(peers) }).await
}

fn statements(lab: &Lab, region: &str) -> u64 {
    lab.running(region).api.store.counts().so_far().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_berliner_who_came_through_dublin_is_served_from_frankfurt() {
    let lab = quiet(&Authority::new()).await;
    let dublin = lab.url("eu-west");
    let (http, before) = (Client::new(), statements(&lab, "eu-west"));
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let account = json!({"email": format!("ada.{unique}@canary.example"), "password": unique});
    let up = http.post(format!("{dublin}/v1/travellers")).header("residence-country", "DE");
    let made = Answer::of(up.json(&account)).await.is(201);
    assert!(made.header("set-cookie").unwrap().starts_with("__Host-meridian=mst_euc1_"));
    let log_in = http.post(format!("{dublin}/v1/sessions")).header("meridian-home", "eu-central");
    let session = Answer::of(log_in.json(&account)).await.is(201).data();
    let text = |field: &str| session[field].as_str().unwrap().to_owned();
    assert!(text("traveller_id").starts_with("trv_euc1_"));
    assert_eq!(statements(&lab, "eu-west"), before, "Dublin asked its database");

    let (token, traveller) = (text("token"), text("traveller_id"));
    let (email, password) = (String::new(), unique);
    let ada = Person { http, url: dublin, token, id: traveller, email, password };
    let offer = an_offer(&lab).await;
    let before = statements(&lab, "eu-west");
    let (key, body) = (new_key(), instant(&offer, "Lovelace", "tok_visa"));
    let order = id(&ada.book(&key, &body).await.is(202));
    let again = ada.book(&key, &body).await.is(202);
    assert_eq!((id(&again), again.header("idempotent-replayed")), (order.clone(), Some("true")));
    let path = format!("/v1/orders/{order}");
    let seen = ada.get(&path).await.is(200);
    let url = format!("{}{path}", ada.url);
    let etag = seen.header("etag").unwrap();
    let unchanged = ada.http.get(&url).bearer_auth(&ada.token).header("if-none-match", etag);
    assert!(Answer::of(unchanged).await.is(304).bytes.is_empty());
    let head = ada.http.head(&url).bearer_auth(&ada.token);
    assert!(Answer::of(head).await.is(200).bytes.is_empty());
    // For each token Dublin asks its own copy of a GLOBAL table whether its bearer has moved.
    assert_eq!(statements(&lab, "eu-west") - before, 5);
    for table in ["traveller", "session", "orders", "order_passenger", "idempotency_key"] {
        let at = |is: &str| format!("SELECT count(*) FROM {table} WHERE region {is} 'eu-central'");
        assert!(count(&lab.database, &at("=")).await > 0, "{table}");
        assert_eq!(count(&lab.database, &at("<>")).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_served_through_another_region_as_at_home() {
    let lab = quiet(&Authority::new()).await;
    let ada = Person::berliner(&lab).await;
    let dublin = lab.url("eu-west");
    let cookie = format!("other=1; __Host-meridian={}", ada.token);
    let order = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let book = |site: &'static str| {
        let request = ada.http.post(format!("{dublin}/v1/orders"));
        let request = request.header("cookie", &cookie).header("sec-fetch-site", site);
        Answer::of(request.header("idempotency-key", new_key()).json(&order))
    };
    book("same-origin").await.is(202);
    book("cross-site").await.refuses(403, "cross_site");
    // Without that header the home compares where the page is from with whom it asked.
    let by_origin = |origin: String| {
        let request = ada.http.post(format!("{dublin}/v1/orders"));
        let request = request.header("cookie", &cookie).header("origin", origin);
        Answer::of(request.header("idempotency-key", new_key()).json(&order))
    };
    let answer = by_origin(dublin.clone()).await.is(202);
    let allowed: Vec<_> = answer.headers.get_all("access-control-allow-origin").iter().collect();
    assert_eq!(allowed, [dublin.as_str()]);
    by_origin("https://evil.example".into()).await.refuses(403, "cross_site");

    // Packed or not, the answer looks the same either way.
    for encoding in ["gzip", "identity"] {
        let looks = async |origin: &str| {
            let request = ada.http.get(format!("{origin}/v1/orders")).bearer_auth(&ada.token);
            let request = request.header("origin", origin).header("accept-encoding", encoding);
            let mut answer = Answer::of(request).await.is(200);
            for own in ["date", "x-request-id", "traceparent", "access-control-allow-origin"] {
                assert!(answer.headers.remove(own).is_some(), "{own}");
            }
            let vary = answer.headers.get_all("vary").iter().map(|it| it.as_bytes().to_vec());
            let vary: BTreeSet<Vec<u8>> = vary.collect();
            answer.headers.remove("vary");
            (answer.headers, vary, answer.bytes)
        };
        assert_eq!(looks(&dublin).await, looks(&ada.url).await, "{encoding}");
    }

    let request = ada.http.get(format!("{dublin}/v1/orders/ord_euc1_x")).bearer_auth(&ada.token);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let lost = Answer::of(request.header("traceparent", trace)).await.refuses(404, "not_found");
    assert_eq!(lost.json()["request_id"], lost.header("x-request-id").unwrap());
    assert_eq!(lost.json()["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

/// What a peer would say to have somebody's orders.
fn orders_of(who: &Person) -> String {
    let bearer = format!("Authorization: Bearer {}", who.token);
    format!("GET /v1/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{bearer}\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_another_law_is_never_passed_on() {
    let authority = Authority::new();
    let lab = quiet(&authority).await;
    let ada = Person::berliner(&lab).await;
    let bob = Person::resident(&lab, "US", "us-east").await;
    let ask = |who: &Person, region: &str| {
        let url = format!("{}/v1/orders", lab.url(region));
        Answer::of(who.http.get(url).bearer_auth(&who.token))
    };
    let sent = ask(&ada, "us-east").await.refuses(421, "misdirected").json();
    assert_eq!(sent["home"]["url"], lab.url("eu-central"));
    ask(&bob, "eu-west").await.refuses(421, "misdirected");
    ask(&ada, "eu-west").await.is(200);

    // And if New York did, Frankfurt would not listen.
    let files = authority.of_region("us-east");
    let request = orders_of(&ada);
    let door = lab.door("eu-central");
    let said = authority.ask(door, ("eu-central", Some(&files)), &request).await;
    assert_eq!(said.unwrap_or_default(), "");
    let files = authority.of_region("eu-west");
    let said = authority.ask(door, ("eu-central", Some(&files)), &request).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_show_who_it_is_is_refused() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let lab = quiet(&authority).await;
    let door = lab.door("eu-central");
    let request = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let good = authority.of_region("eu-west");
    let said = authority.ask(door, ("eu-central", Some(&good)), request).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    let west = "eu-west.peer.meridian";
    for (what, files) in [
        ("none", None),
        ("of another authority", Some(foreign.issue("a", west))),
        ("run out", Some(authority.issue_old("b", west))),
        ("for every region", Some(authority.issue("c", "*.peer.meridian"))),
        ("for no region", Some(authority.issue("d", "atlantis.peer.meridian"))),
        ("for the region itself", Some(authority.of_region("eu-central"))),
        ("for a host", Some(authority.issue("e", "eu-west.api.meridian.example"))),
    ] {
        let said = authority.ask(door, ("eu-central", files.as_ref()), request).await;
        assert_eq!(said.unwrap_or_default(), "", "{what}");
    }
    // In clear text, and nothing at all, while others are served.
    let mut silent = tokio::net::TcpStream::connect(door).await.unwrap();
    silent.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    let _ = silent.read_to_end(&mut said).await;
    assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_passed_on_twice() {
    let authority = Authority::new();
    let lab = quiet(&authority).await;
    let dubliner = Person::resident(&lab, "IE", "eu-west").await;
    let url = format!("{}/v1/orders", lab.url("eu-central"));
    let ask = || dubliner.http.get(&url).bearer_auth(&dubliner.token);
    Answer::of(ask()).await.is(200);
    let again = ask().header("meridian-passed-on-by", "eu-west");
    Answer::of(again).await.refuses(421, "misdirected");
    // A peer that leaves the mark out is known by its certificate.
    let request = orders_of(&dubliner);
    let files = authority.of_region("eu-west");
    let door = lab.door("eu-central");
    let said = authority.ask(door, ("eu-central", Some(&files)), &request).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 421 "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_is_down_is_answered_for_with_the_way_there() {
    let authority = Authority::new();
    let mut lab = quiet(&authority).await;
    let ada = Person::berliner(&lab).await.via(&lab.url("eu-west"));
    let order = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    ada.get("/v1/orders").await.is(200);
    let at = lab.nodes.iter().position(|node| node.api.region.name == "eu-central").unwrap();
    // Its door stays open, and nobody is behind it: connections are made and never answered.
    lab.nodes.remove(at).stop().await;
    ada.get("/v1/orders").await.refuses(421, "misdirected");
    let sent = ada.book(&new_key(), &order).await.refuses(421, "misdirected").json();
    assert_eq!(sent["home"]["region"], "eu-central");
    assert_eq!(sent["retryable"], true);
    // Nor if it refuses connections.
    lab.doors.remove("eu-central");
    ada.book(&new_key(), &order).await.refuses(421, "misdirected");
}

/// What somebody does who pretends to be Frankfurt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Hangs up at the first word.
    Refuses,
    /// Hangs up at the first word that matters.
    HangsUp,
    /// Listens on and on.
    Listens,
}

/// Somebody at Frankfurt's door who takes connections and answers nothing that matters. Tells how
/// many bytes were heard.
async fn pretend(lab: &mut Lab, authority: &Authority, manner: Manner) -> Arc<AtomicUsize> {
    let at = lab.nodes.iter().position(|node| node.api.region.name == "eu-central").unwrap();
    lab.nodes.remove(at).stop().await;
    let door = lab.doors["eu-central"].try_clone().unwrap();
    door.set_nonblocking(true).unwrap();
    let door = tokio::net::TcpListener::from_std(door).unwrap();
    let acceptor = TlsAcceptor::from(authority.pretend("eu-central"));
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = door.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut bytes).await {
                let trial = bytes[..length].starts_with(b"GET /livez ");
                if trial && manner != Manner::Refuses {
                    let well = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                    stream.write_all(well).await.unwrap();
                    continue;
                }
                count.fetch_add(length, Ordering::SeqCst);
                if manner != Manner::Listens {
                    break;
                }
            }
        }
    });
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_done_is_said_to_be_unknown() {
    let authority = Authority::new();
    let mut lab = quiet(&authority).await;
    let ada = Person::berliner(&lab).await.via(&lab.url("eu-west"));
    let order = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    pretend(&mut lab, &authority, Manner::HangsUp).await;
    let unknown = ada.book(&new_key(), &order).await.refuses(503, "unavailable").json();
    assert_eq!(unknown["charged"], "unknown");
    assert_eq!(unknown["retryable"], true);
    // Reading twice harms nobody.
    ada.get("/v1/orders").await.refuses(421, "misdirected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_tried_before_anything_of_a_person_goes_over_it() {
    let authority = Authority::new();
    let mut lab = quiet(&authority).await;
    let ada = Person::berliner(&lab).await.via(&lab.url("eu-west"));
    let order = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    pretend(&mut lab, &authority, Manner::Refuses).await;
    ada.book(&new_key(), &order).await.refuses(421, "misdirected");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_passed_on_than_a_body_may_have() {
    let authority = Authority::new();
    let mut lab = quiet(&authority).await;
    let ada = Person::berliner(&lab).await;
    let url = format!("{}/v1/orders", lab.url("eu-west"));
    let post = || {
        let request = ada.http.request(Method::POST, &url).bearer_auth(&ada.token);
        request.header("idempotency-key", new_key()).header("content-type", "application/json")
    };
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    Answer::of(post().body(large.clone())).await.refuses(421, "misdirected");
    // Of unknown length: Dublin counts what passes.
    let chunked = Body::wrap(Pieces(large.clone().into_bytes(), 1000));
    Answer::of(post().body(chunked)).await.refuses(413, "body_too_large");
    let chunked = Body::wrap(Pieces(b"{\"type\": \"instant\"}".to_vec(), 5));
    Answer::of(post().body(chunked)).await.refuses(422, "validation_failed");
    // The connections that were cut are not used again.
    ada.via(&lab.url("eu-west")).get("/v1/orders").await.is(200);
    // It is Dublin that counts, whatever Frankfurt would take.
    let heard = pretend(&mut lab, &authority, Manner::Listens).await;
    let chunked = Body::wrap(Pieces(large.repeat(4).into_bytes(), 1000));
    Answer::of(post().body(chunked)).await.refuses(413, "body_too_large");
    let heard = heard.load(Ordering::SeqCst);
    assert!(heard < BODY_BYTES_MAX + 4096, "{heard} bytes were passed on");
}

/// A body in pieces, whose length nobody is told.
struct Pieces(Vec<u8>, usize);

impl hyper::body::Body for Pieces {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        let length = self.1.min(self.0.len());
        let piece: Vec<u8> = self.0.drain(..length).collect();
        let frame = (!piece.is_empty()).then(|| Ok(hyper::body::Frame::data(piece.into())));
        std::task::Poll::Ready(frame)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ran_out_is_replaced_without_a_restart() {
    let authority = Authority::new();
    authority.issue_old("eu-west", "eu-west.peer.meridian");
    let lab = quiet(&authority).await;
    let ada = Person::berliner(&lab).await.via(&lab.url("eu-west"));
    // Frankfurt's refusal is seen before anything that could be done twice is sent.
    let order = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    ada.book(&new_key(), &order).await.refuses(421, "misdirected");
    // Rubbish changes nothing, and nothing stops.
    let files = authority.of_region("eu-west");
    std::fs::write(&files.cert, "rubbish").unwrap();
    ada.get("/v1/orders").await.refuses(421, "misdirected");
    authority.issue("eu-west", "eu-west.peer.meridian");
    until("Dublin shows its new certificate", || async {
        ada.get("/v1/orders").await.status == 200
    })
    .await;
    ada.book(&new_key(), &order).await.is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_configuration_and_a_key_that_others_read_are_refused() {
    let authority = Authority::new();
    let lab = quiet(&authority).await;
    let files = authority.of_region("eu-west");
    let serve = |peer: &[&str]| {
        let mut command = meridian();
        command
            .args(["serve", "--region", "eu-west", "--listen", "127.0.0.1:0", "--profile", "tiny"])
            .args(["--seed", "7", "--payments-url", "http://127.0.0.1:9", "--airline-url"])
            .args(["http://127.0.0.1:9", "--database-url", &url_text(&lab.database), "--keys"])
            .arg(&lab.keys.0)
            .args(peer);
        let output = run(&mut command);
        (output.status.code(), words(&output))
    };
    let half = serve(&["--peer-listen", "127.0.0.1:0"]);
    assert!(half.0 == Some(64) && half.1.contains("--peer-cert"), "{}", half.1);
    let clear = serve(&["--peer-url", "eu-central=http://127.0.0.1:1"]);
    assert!(clear.0 == Some(1) && clear.1.contains("https://"), "{}", clear.1);
    let nowhere = serve(&["--peer-url", "atlantis=https://127.0.0.1:1"]);
    assert!(nowhere.0 == Some(1) && nowhere.1.contains("atlantis"), "{}", nowhere.1);
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let with = |cert: &std::path::Path, key: &std::path::Path| {
        let (cert, key, ca) = (text(cert), text(key), text(&files.ca));
        serve(&[
            "--peer-listen",
            "127.0.0.1:0",
            "--peer-cert",
            &cert,
            "--peer-key",
            &key,
            "--peer-ca",
            &ca,
        ])
    };
    let other = authority.of_region("eu-central");
    let not_ours = with(&other.cert, &other.key);
    assert!(not_ours.0 == Some(1) && not_ours.1.contains("is not for eu-west"), "{}", not_ours.1);
    let unfit = with(&files.cert, &other.key);
    assert!(unfit.0 == Some(1) && unfit.1.contains("--peer-key"), "{}", unfit.1);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&files.key, open).unwrap();
    let read = with(&files.cert, &files.key);
    assert!(read.0 == Some(1) && read.1.contains("chmod 600"), "{}", read.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pass_at_once_and_an_answer_is_never_somebody_elses() {
    let lab = quiet(&Authority::new()).await;
    let mut people = Vec::new();
    for _ in 0..4 {
        people.push(Person::berliner(&lab).await.via(&lab.url("eu-west")));
    }
    let asking = (0..64).map(|number: usize| {
        let ada = people[number % people.len()].clone();
        tokio::spawn(async move {
            let me = ada.get("/v1/travellers/me").await.is(200).data();
            assert_eq!(me["id"], ada.id);
        })
    });
    let asking: Vec<_> = asking.collect();
    for asked in asking {
        tokio::time::timeout(Duration::from_secs(30), asked).await.unwrap().unwrap();
    }
}
