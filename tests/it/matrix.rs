//! Who may do what to whose, where: every endpoint of the description, by every kind of asker,
//! about their own things and somebody else's, at home and elsewhere. An endpoint without a row
//! fails.

use std::collections::BTreeMap;

use meridian::domain::staff::Role;
use meridian::http::access::{Access, TABLE, described};
use meridian::webhooks::guard::Reach;
use reqwest::Method;
use serde_json::{Value, json};

use crate::asker::{Answer, Person, an_offer, direct_offers, id, instant, new_key, question};
use crate::lab::{Lab, Plan};

/// What a request carries besides its path; `{…}` in paths and bodies are things of Ada's.
struct Row {
    method: &'static str,
    path: &'static str,
    body: Option<Value>,
    /// Needs If-Match and an Idempotency-Key.
    confirms: bool,
}

fn row(method: &'static str, path: &'static str, body: Option<Value>) -> Row {
    Row { method, path, body, confirms: false }
}

fn confirming(method: &'static str, path: &'static str, body: Option<Value>) -> Row {
    Row { confirms: true, ..row(method, path, body) }
}

/// A row for each endpoint.
fn rows() -> Vec<Row> {
    let mut rows = rows_for_all();
    rows.extend(rows_of_people());
    rows
}

/// What is nobody's.
fn rows_for_all() -> Vec<Row> {
    vec![
        row("GET", "/v1/places", None),
        row("POST", "/v1/offer-requests", Some(question())),
        row("GET", "/v1/offer-requests/{search}", None),
        row("GET", "/v1/offers/{offer}", None),
        row("GET", "/livez", None),
        row("GET", "/readyz", None),
        row("GET", "/startupz", None),
        row("GET", "/edge-health", None),
        row("GET", "/version", None),
        row("GET", "/metrics", None),
    ]
}

/// What is somebody's.
fn rows_of_people() -> Vec<Row> {
    let order = || json!({"order_id": "{order}"});
    let account = || json!({"email": "{fresh}", "password": "long enough"});
    vec![
        row("GET", "/v1/residence", None),
        row("GET", "/v1/regions", None),
        row("POST", "/v1/travellers", Some(account())),
        row("GET", "/v1/travellers/me", None),
        row(
            "PATCH",
            "/v1/travellers/me",
            Some(json!({"password": "{password}", "email": "{fresh}"})),
        ),
        row("GET", "/v1/privacy", None),
        row(
            "POST",
            "/v1/privacy/consents",
            Some(json!({"purpose": "recommendations", "version": 1, "given": true})),
        ),
        row("PUT", "/v1/privacy/processing", Some(json!({"profiling_refused": true}))),
        row("POST", "/v1/privacy/exports", None),
        row("GET", "/v1/privacy/exports/{export}", None),
        row("GET", "/v1/privacy/exports/{export}/archive", None),
        row("POST", "/v1/privacy/erasures", Some(json!({"password": "{password}"}))),
        row("POST", "/v1/privacy/erasures/{erasure}/confirm", Some(json!({"receipt_token": "x"}))),
        row("GET", "/v1/privacy/receipts/current", None),
        row("GET", "/v1/compliance/locality", None),
        row("GET", "/v1/compliance/requests", None),
        row("GET", "/v1/compliance/travellers/{traveller}", None),
        row("GET", "/v1/compliance/bundle", None),
        row("POST", "/v1/sessions", Some(account())),
        row("DELETE", "/v1/sessions/current", None),
        row("GET", "/v1/orders", None),
        row("POST", "/v1/orders", Some(instant("{offer}", "Lovelace", "tok_visa"))),
        row("GET", "/v1/orders/{order}", None),
        row("GET", "/v1/orders/{order}/events", None),
        confirming("POST", "/v1/orders/{order}/airline-change/accept", Some(Value::Null)),
        row("POST", "/v1/order-cancellations", Some(order())),
        row("GET", "/v1/order-cancellations/{cancellation}", None),
        confirming("POST", "/v1/order-cancellations/{cancellation}/confirm", Some(Value::Null)),
        row(
            "POST",
            "/v1/order-changes",
            Some(json!({"order_id": "{order}", "offer_id": "{other}"})),
        ),
        row("GET", "/v1/order-changes/{change}", None),
        confirming("POST", "/v1/order-changes/{change}/confirm", Some(json!({}))),
        row(
            "POST",
            "/v1/payments",
            Some(json!({"order_id": "{order}", "payment": {"token": "t"}})),
        ),
        row("POST", "/v1/callbacks/payments", Some(json!({}))),
        row("POST", "/v1/callbacks/airline", Some(json!({}))),
        row("GET", "/v1/webhooks", None),
        row("POST", "/v1/webhooks", Some(json!({"url": "http://127.0.0.1:9/hook"}))),
        row("DELETE", "/v1/webhooks/{webhook}", None),
        row("POST", "/v1/webhooks/{webhook}/rotate-secret", None),
        row("POST", "/v1/webhooks/{webhook}/ping", None),
        row("GET", "/v1/webhooks/{webhook}/deliveries", None),
        row("POST", "/v1/webhooks/{webhook}/deliveries/{delivery}/redeliver", None),
    ]
}

/// A path of the matrix as the description writes it.
fn template(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        parts.push(match part {
            "{delivery}" => "{event}",
            it if it.starts_with('{') => "{id}",
            it => it,
        });
    }
    parts.join("/")
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asker {
    Nobody,
    Ada,
    Grace,
    Compliance,
    Operations,
    Receipt,
}

const ASKERS: [Asker; 6] =
    [Asker::Nobody, Asker::Ada, Asker::Grace, Asker::Compliance, Asker::Operations, Asker::Receipt];

/// A house with Ada's things in it, and everybody's tokens.
struct Stage {
    lab: Lab,
    ada: Person,
    tokens: BTreeMap<&'static str, String>,
    things: BTreeMap<&'static str, String>,
}

impl Stage {
    async fn set() -> Self {
        let lab = Lab::plan(Plan { reach: Reach::Anywhere, ..Plan::default() }).await;
        let (ada, grace) = (Person::berliner(&lab).await, Person::berliner(&lab).await);
        let offer = an_offer(&lab).await;
        let order =
            id(&ada.book(&new_key(), &instant(&offer, "Lovelace", "tok_visa")).await.is(202));
        ada.wait(&order, "ticketed").await;
        let other =
            direct_offers(&lab, "FRA", "JFK", 1).await[1]["id"].as_str().unwrap().to_owned();
        let change = ada.quote_change(&order, &other).await.is(201);
        let cancellation = ada.quote_cancellation(&order).await.is(201);
        let hook = json!({"url": "http://127.0.0.1:9/hook"});
        let webhook = id(&ada.post("/v1/webhooks", "", &hook).await.is(201));
        let pinged = ada.post(&format!("/v1/webhooks/{webhook}/ping"), "", &Value::Null).await;
        let delivery = pinged.is(202).data()["event_id"].as_str().unwrap().to_owned();
        let export = id(&ada.post("/v1/privacy/exports", "", &Value::Null).await.is(202));
        let wish = json!({"password": ada.password});
        let asked = ada.post("/v1/privacy/erasures", "", &wish).await.is(201).data();
        let search =
            crate::asker::post(&lab, "eu-central", "/v1/offer-requests", &question()).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let things = BTreeMap::from([
            ("{offer}", offer),
            ("{other}", other),
            ("{order}", order),
            ("{change}", id(&change)),
            ("{cancellation}", id(&cancellation)),
            ("{webhook}", webhook),
            ("{delivery}", delivery),
            ("{export}", export),
            ("{erasure}", text(&asked["request"]["id"])),
            ("{search}", id(&search.is(201))),
            ("{traveller}", ada.id.clone()),
            ("{password}", ada.password.clone()),
        ]);
        let desk = &lab.running("eu-central").api.desk;
        let mut tokens = BTreeMap::from([
            ("Ada", ada.token.clone()),
            ("Grace", grace.token.clone()),
            ("Receipt", text(&asked["receipt_token"])),
        ]);
        for (name, role) in [("Compliance", Role::Compliance), ("Operations", Role::Operations)] {
            let (_, token) = desk.grant(role, "the duty desk", 1).await.unwrap();
            tokens.insert(name, token);
        }
        Self { lab, ada, tokens, things }
    }

    fn fill(&self, text: &str) -> String {
        let mut text = text.replace("{fresh}", &format!("{}@canary.example", uuid::Uuid::new_v4()));
        for (name, thing) in &self.things {
            text = text.replace(name, thing);
        }
        text
    }

    async fn ask(&self, row: &Row, asker: Asker, region: &str) -> Answer {
        let url = format!("{}{}", self.lab.url(region), self.fill(row.path));
        let url = if row.path.ends_with("/archive") { format!("{url}?link=forged") } else { url };
        let query = match row.path {
            "/v1/residence" => "?country=DE",
            "/v1/places" => "?q=fra",
            _ => "",
        };
        let method: Method = row.method.parse().unwrap();
        let mut request = self.ada.http.request(method, format!("{url}{query}"));
        if let Some(token) = self.tokens.get(format!("{asker:?}").as_str()) {
            request = request.bearer_auth(token);
        }
        match row.path {
            "/v1/travellers" => request = request.header("residence-country", "DE"),
            "/v1/sessions" => request = request.header("meridian-home", "eu-central"),
            _ => {}
        }
        if row.confirms {
            request = request.header("if-match", "\"order-99\"");
        }
        if row.method == "POST" {
            request = request.header("idempotency-key", new_key());
        }
        if let Some(body) = &row.body {
            let body: Value = serde_json::from_str(&self.fill(&body.to_string())).unwrap();
            request = request.json(&body);
        }
        Answer::of(request).await
    }
}

/// Whether a path names a thing of Ada's.
fn names_a_thing(row: &Row) -> bool {
    let mine = ["{order}", "{cancellation}", "{change}", "{webhook}", "{export}", "{erasure}"];
    let body = row.body.as_ref().map(Value::to_string).unwrap_or_default();
    mine.iter().any(|thing| row.path.contains(thing) || body.contains(thing))
}

/// The status that must come; `None` where the asker may, and then nothing forbids it.
fn expected(row: &Row, access: Access, asker: Asker, home: bool) -> Option<u16> {
    match access {
        Access::Public | Access::Supplier => None,
        Access::HomeOfCountry | Access::HomeNamed => (!home).then_some(421),
        _ if asker == Asker::Nobody => Some(401),
        _ if !home => Some(421),
        Access::Traveller => match asker {
            Asker::Ada => None,
            Asker::Grace => names_a_thing(row).then_some(404),
            // Logging out ends the session of the token, or nothing.
            _ => (row.path != "/v1/sessions/current").then_some(401),
        },
        Access::Receipt => match asker {
            Asker::Receipt => None,
            _ => Some(404),
        },
        Access::Staff => match (asker, row.path) {
            (Asker::Compliance, _) | (Asker::Operations, "/v1/compliance/locality") => None,
            (Asker::Operations, _) => Some(403),
            _ => Some(401),
        },
    }
}

#[test]
fn every_endpoint_of_the_description_has_a_row() {
    let rows = rows();
    for (method, path) in described(&meridian::http::openapi()) {
        let there = rows.iter().any(|it| it.method == method && template(it.path) == path);
        assert!(there, "{method} {path} is in no row of the matrix");
    }
    assert_eq!(rows.len(), TABLE.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_what_the_table_does_not_give_them() {
    let stage = Stage::set().await;
    let mut asked = 0;
    for row in rows() {
        let path = template(row.path);
        let listed = TABLE.iter().find(|(m, p, _)| *m == row.method && *p == path);
        let access = listed.unwrap_or_else(|| panic!("{} {path}", row.method)).2;
        for asker in ASKERS {
            for region in ["us-east", "eu-central"] {
                // What would end Ada's things is asked by those who may not.
                let ends = row.path.contains("/v1/sessions/current")
                    || (row.method == "DELETE" || row.method == "PATCH");
                let home = region == "eu-central";
                if ends && home && (asker == Asker::Ada || asker == Asker::Grace) {
                    continue;
                }
                let answer = stage.ask(&row, asker, region).await;
                let said = format!("{} {path} by {asker:?} in {region}", row.method);
                match expected(&row, access, asker, home) {
                    Some(status) => assert_eq!(answer.status, status, "{said}"),
                    None => {
                        let open = ![403, 421].contains(&answer.status.as_u16());
                        assert!(open, "{said}: {}", answer.status);
                    }
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 550, "{asked}");
    let refused = "SELECT (SELECT count(*) FROM evidence_intake WHERE kind = 'staff.refused')
        + (SELECT count(*) FROM evidence WHERE record LIKE '%\"kind\":\"staff.refused\"%')";
    assert!(
        crate::lab::count(&stage.lab.database, refused).await >= 3,
        "refusals are written down"
    );
}
