//! Signing up, logging in, logging out.

use serde_json::json;

use crate::asker::{Answer, Person, get};
use crate::lab::{Lab, count};

async fn log_in(lab: &Lab, home: &str, email: &str, password: &str) -> Answer {
    let url = format!("{}/v1/sessions", lab.url("eu-central"));
    let body = json!({"email": email, "password": password});
    let request = reqwest::Client::new().post(url).header("meridian-home", home).json(&body);
    Answer::of(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traveller_signs_up_logs_out_and_logs_in_again() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let me = ada.get("/v1/travellers/me").await.is(200);
    assert_eq!(me.data()["email"], ada.email);
    assert_eq!(me.header("cache-control"), Some("private, no-store"));

    let url = format!("{}/v1/sessions/current", ada.url);
    Answer::of(ada.http.delete(&url).bearer_auth(&ada.token)).await.is(204);
    ada.get("/v1/travellers/me").await.refuses(401, "unauthenticated");

    let opened = log_in(&lab, "eu-central", &ada.email, &ada.password).await.is(201);
    let cookie = opened.header("set-cookie").unwrap().to_owned();
    assert!(cookie.starts_with("__Host-meridian=mst_euc1_"), "{cookie}");
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert_ne!(opened.data()["token"], ada.token.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password_and_unknown_address_look_the_same() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let wrong = log_in(&lab, "eu-central", &ada.email, "not her password").await;
    let unknown = log_in(&lab, "eu-central", "nobody@canary.example", &ada.password).await;
    let strip = |answer: Answer| {
        let mut json = answer.refuses(401, "wrong_credentials").json();
        for field in ["request_id", "trace_id"] {
            json.as_object_mut().unwrap().remove(field);
        }
        json
    };
    assert_eq!(strip(wrong), strip(unknown));
    log_in(&lab, "us-east", &ada.email, &ada.password).await.refuses(421, "misdirected");
    log_in(&lab, "atlantis", &ada.email, &ada.password).await.refuses(400, "header_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_one_account_in_the_whole_world() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    for (country, region) in [("DE", "eu-central"), ("US", "us-east")] {
        let url = format!("{}/v1/travellers", lab.url(region));
        let body =
            json!({"email": format!(" {} ", ada.email.to_uppercase()), "password": "another one"});
        let request = reqwest::Client::new().post(url).header("residence-country", country);
        Answer::of(request.json(&body)).await.refuses(409, "address_taken");
    }
    assert_eq!(count(&lab.database, "SELECT count(*) FROM traveller").await, 1);
    assert_eq!(count(&lab.database, "SELECT count(*) FROM login_directory").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_log_ins_is_told_to_come_back() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let flood: Vec<_> = (0..200)
        .map(|_| {
            let url = format!("{}/v1/sessions", ada.url);
            let body = json!({"email": ada.email, "password": "not her password"});
            let request = ada.http.post(url).header("meridian-home", "eu-central").json(&body);
            tokio::spawn(Answer::of(request))
        })
        .collect();
    let mut busy = 0;
    for answer in flood {
        let answer = answer.await.unwrap();
        busy += u32::from(answer.status == 503);
        assert!(["wrong_credentials", "unavailable"].contains(&answer.code().as_str()));
    }
    assert!(busy > 0, "nobody was told to come back");
    log_in(&lab, "eu-central", &ada.email, &ada.password).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_holds_no_address_name_or_token_in_the_clear() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let token_rows = "SELECT count(*) FROM session";
    assert_eq!(count(&lab.database, token_rows).await, 1);
    let everything = "SELECT string_agg(t::text || s::text || d::text, '')
                      FROM traveller t, session s, login_directory d";
    let client = crate::lab::connect(&lab.database).await;
    #[expect(clippy::disallowed_methods, reason = "a test looks beside the store")]
    let text: String = client.query_one(everything, &[]).await.unwrap().get(0);
    let hex = |value: &str| value.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    for secret in [&ada.email, &ada.password, &ada.token] {
        assert!(!text.contains(secret.as_str()) && !text.contains(&hex(secret)));
    }
    assert!(text.contains("$argon2id$"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_counts_for_our_own_pages_only() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let cookie = format!("__Host-meridian={}", ada.token);
    let url = format!("{}/v1/sessions/current", ada.url);
    let me = format!("{}/v1/travellers/me", ada.url);
    Answer::of(ada.http.get(&me).header("cookie", &cookie)).await.is(200);
    let request = || ada.http.delete(&url).header("cookie", &cookie);
    Answer::of(request()).await.refuses(403, "cross_site");
    Answer::of(request().header("sec-fetch-site", "cross-site")).await.refuses(403, "cross_site");
    Answer::of(request().header("origin", "https://evil.example")).await.refuses(403, "cross_site");
    Answer::of(request().header("sec-fetch-site", "same-origin")).await.is(204);
    get(&lab, "eu-central", "/v1/travellers/me").await.refuses(401, "unauthenticated");
}
