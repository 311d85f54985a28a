//! What the house says about itself, and what it must never say.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use meridian::telemetry::{self, LogFormat, metrics};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::asker::{Answer, Person, an_offer, get, id, instant, new_key};
use crate::lab::Lab;

/// Where this process logs to while it is tested.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The log of the whole process; other tests' lines are in it, too.
    fn of_process() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self::default();
            telemetry::init(LogFormat::Json, "trace", log.clone());
            metrics::handle();
            log
        })
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_in_no_log_no_metric_and_no_error() {
    let log = Log::of_process();
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let canary = "Canariensis";
    let offer = an_offer(&lab).await;
    let mut answers = Vec::new();
    for token in ["tok_visa", "tok_decline", "tok_canary"] {
        let body = instant(&offer, canary, token);
        let accepted = ada.book(&new_key(), &body).await.is(202);
        let order = id(&accepted);
        ada.wait(&order, if token == "tok_decline" { "failed" } else { "ticketed" }).await;
        answers.push(ada.get(&format!("/v1/orders/{order}")).await.is(200).bytes);
        answers.push(ada.get(&format!("/v1/orders/{order}/events")).await.bytes);
    }
    // Careless clients put people everywhere.
    let careless = [
        format!("/v1/orders/{canary}"),
        format!("/v1/places?q={canary}&email={}", ada.email),
        format!("/{canary}@canary.example"),
    ];
    for path in careless {
        answers.push(get(&lab, "eu-central", &path).await.bytes);
    }
    let mut bad = instant(&offer, canary, "tok_visa");
    bad["passengers"][0]["born_on"] = json!(canary);
    answers.push(ada.book(&new_key(), &bad).await.refuses(422, "validation_failed").bytes);
    let scraped = get(&lab, "eu-central", "/metrics").await.is(200).bytes;
    let text = log.text();
    assert!(text.contains("answered"), "the log is there");
    for secret in [canary, &ada.email, &ada.password, &ada.token, "tok_canary", "1987-03-21"] {
        assert!(!text.contains(secret), "{secret} is in the log");
        for answer in answers.iter().chain([&scraped]) {
            let answer = String::from_utf8_lossy(answer);
            assert!(!answer.contains(secret), "{secret} is in {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_carry_their_trace_in_and_out() {
    let log = Log::of_process();
    let lab = Lab::start().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let url = format!("{}/v1/regions", lab.url("us-east"));
    let ask = |header: &str| {
        let request = reqwest::Client::new().get(&url).header("traceparent", header);
        Answer::of(request)
    };
    let answer = ask(&format!("00-{trace}-00f067aa0ba902b7-01")).await.is(200);
    let out = answer.header("traceparent").unwrap();
    assert!(out.starts_with(&format!("00-{trace}-")) && !out.contains("00f067aa0ba902b7"));
    assert!(log.text().contains(trace));
    let other = ask("garbage").await.is(200).header("traceparent").unwrap().to_owned();
    assert!(!other.contains(trace));

    let mine = "0123456789abcdef-0123";
    let request = reqwest::Client::new().get(&url).header("x-request-id", mine);
    assert_eq!(Answer::of(request).await.header("x-request-id"), Some(mine));
    let request = reqwest::Client::new().get(&url).header("x-request-id", "ada@canary.example");
    let given = Answer::of(request).await.header("x-request-id").unwrap().to_owned();
    assert!(given.starts_with("req-"), "{given}");
    let problem = get(&lab, "us-east", "/v1/nothing").await;
    assert_eq!(problem.json()["request_id"], problem.header("x-request-id").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_are_json_with_the_route_and_never_the_path() {
    let log = Log::of_process();
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let order = format!("ord_euc1_{}", "ab".repeat(16));
    ada.get(&format!("/v1/orders/{order}")).await.refuses(404, "not_found");
    let text = log.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered: Vec<&Value> = lines.iter().filter(|line| line["message"] == "answered").collect();
    let routes: BTreeSet<&str> =
        answered.iter().filter_map(|line| line["span"]["route"].as_str()).collect();
    assert!(routes.contains("/v1/orders/{id}"), "{routes:?}");
    assert!(answered.iter().all(|line| line["status"].is_u64() && line["duration_ms"].is_u64()));
    assert!(!text.contains(&order));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_in_the_catalogue() {
    Log::of_process();
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    ada.wait(&order, "ticketed").await;
    let text = String::from_utf8(get(&lab, "eu-central", "/metrics").await.is(200).bytes).unwrap();
    let known: BTreeSet<&str> = metrics::CATALOGUE.iter().map(|metric| metric.name).collect();
    let scraped: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .map(|name| {
            let stem = |end: &str| name.strip_suffix(end).filter(|stem| known.contains(stem));
            stem("_bucket").or_else(|| stem("_sum")).or_else(|| stem("_count")).unwrap_or(name)
        })
        .collect();
    let unknown: Vec<_> = scraped.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for name in [
        "http_server_request_duration_seconds",
        "meridian_db_txn_duration_seconds",
        "meridian_db_txn_outcomes_total",
        "meridian_booking_transitions_total",
        "meridian_supplier_call_duration_seconds",
        "meridian_orders",
    ] {
        assert!(scraped.contains(name), "{name} was not scraped");
    }
}

#[test]
fn the_description_lists_what_the_router_serves() {
    let document = serde_json::to_value(meridian::http::openapi()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let described = meridian::http::access::described(&meridian::http::openapi());
    assert_eq!(described.len(), meridian::http::access::TABLE.len());
    for (method, path, _) in meridian::http::access::TABLE {
        let operation = &document["paths"][path][method.to_lowercase()];
        assert!(operation["summary"].is_string(), "{method} {path} has no words");
    }
}
