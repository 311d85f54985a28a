//! Pages of ours that no region served: the edge's, and those of the hosts that lead to the nearest
//! region. They search where they are and talk to the traveller's home from a browser.

use clap::Parser;
use http::Method;
use meridian::config::{Cli, Command, PageOrigin};
use reqwest::Client;
use serde_json::json;

use crate::asker::{Answer, Person, get};
use crate::lab::{Lab, Plan};

/// Where the edge serves the page.
const WWW: &str = "https://www.meridian.example";

async fn house() -> Lab {
    let page_origins = vec![WWW.to_owned()];
    Lab::plan(Plan { work: false, page_origins, ..Plan::default() }).await
}

/// What a browser asks before it lets a page's script send a request.
async fn may(lab: &Lab, origin: &str, method: &str, headers: &str) -> Answer {
    let url = format!("{}/v1/sessions", lab.url("eu-central"));
    let asked = Client::new()
        .request(Method::OPTIONS, url)
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", headers);
    Answer::of(asked).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_edge_logs_in_at_home() {
    let lab = house().await;
    let ada = Person::berliner(&lab).await;
    let answer = may(&lab, WWW, "POST", "content-type,meridian-home").await.is(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(WWW));
    assert!(answer.header("access-control-allow-headers").unwrap().contains("meridian-home"));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
    let session = Client::new()
        .post(format!("{}/v1/sessions", ada.url))
        .header("origin", WWW)
        .header("meridian-home", "eu-central")
        .json(&json!({ "email": ada.email, "password": ada.password }));
    let session = Answer::of(session).await.is(201);
    assert_eq!(session.header("access-control-allow-origin"), Some(WWW));
    let token = session.data()["token"].as_str().unwrap().to_owned();
    let me = Client::new().get(format!("{}/v1/travellers/me", ada.url));
    let me = Answer::of(me.header("origin", WWW).bearer_auth(token)).await.is(200);
    assert_eq!(me.header("access-control-allow-origin"), Some(WWW));
    // A browser adds nothing of its own, so a page gets nothing that it did not have.
    for answer in [&answer, &session, &me] {
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_others_are_let_in_nowhere() {
    let lab = house().await;
    let region = lab.url("us-east");
    for (origin, lets) in [
        (region.as_str(), true),
        (WWW, true),
        ("https://evil.example", false),
        ("https://www.meridian.example.evil.example", false),
        ("http://www.meridian.example", false),
        ("https://www.meridian.example:8443", false),
        ("null", false),
        ("*", false),
    ] {
        let answer = may(&lab, origin, "POST", "authorization").await;
        let said = answer.header("access-control-allow-origin");
        assert_eq!(said, lets.then_some(origin), "{origin}");
    }
    let bare = Lab::without_worker().await;
    let answer = may(&bare, WWW, "POST", "authorization").await;
    assert_eq!(answer.header("access-control-allow-origin"), None, "nobody named it");
    let plain = get(&lab, "eu-central", "/v1/regions").await.is(200);
    assert_eq!(plain.header("access-control-allow-origin"), None, "no browser asked");
}

#[test]
fn an_origin_is_written_as_browsers_write_it() {
    for good in [WWW, "https://eu.meridian.example:8443", "http://localhost:8080"] {
        assert_eq!(good.parse(), Ok(PageOrigin(good.to_owned())));
    }
    for bad in [
        "",
        "*",
        "null",
        "www.meridian.example",
        "http://www.meridian.example",
        "https://*.meridian.example",
        "https://www.meridian.example/",
        "https://www.meridian.example:443",
        "https://www.meridian.example:0443",
        "https://www.meridian.example:",
        "https://WWW.meridian.example",
        "https://ada@www.meridian.example",
        "https://",
        "file://",
    ] {
        let refused = bad.parse::<PageOrigin>().unwrap_err();
        assert!(refused.contains("write an origin as browsers do"), "{bad}: {refused}");
    }
    let serve = [
        "meridian",
        "serve",
        "--region",
        "eu-central",
        "--keys",
        "keys",
        "--database-url",
        "postgresql://ops@db.example/meridian",
        "--payments-url",
        "https://pay.example",
        "--airline-url",
        "https://fly.example",
        "--page-origin",
        WWW,
        "--page-origin",
        "https://api.meridian.example",
    ];
    let Command::Serve(serve) = Cli::try_parse_from(serve).unwrap().command else {
        panic!("that was serve")
    };
    assert_eq!(serve.node.page_origins.len(), 2);
}
