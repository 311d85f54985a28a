//! Travellers of every jurisdiction, and everything that they do and do wrong.

use std::io::{Cursor, Read};
use std::time::Duration;

use meridian::clock::Clock;
use meridian::demo::client::day_from_now;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::house::{House, REGIONS};
use crate::marks::{Mark, letters, plain};
use crate::places::Place;
use crate::process::until;

/// Countries of residence: each jurisdiction, and countries that another one takes in.
const COUNTRIES: [&str; 8] = ["DE", "FR", "US", "SG", "CH", "GB", "CA", "JP"];
/// Longest that something may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

/// A traveller and their markers.
pub(crate) struct Person {
    http: Client,
    country: &'static str,
    home: String,
    token: String,
    password: String,
    marks: Vec<Mark>,
    copy: Vec<u8>,
}

/// What was answered.
struct Said {
    status: StatusCode,
    body: Value,
    bytes: Vec<u8>,
}

async fn send(request: RequestBuilder) -> Said {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let bytes = answer.bytes().await.unwrap().to_vec();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Said { status, body, bytes }
}

impl Said {
    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    fn data(&self) -> &Value {
        &self.body["data"]
    }

    fn text(&self, name: &str) -> String {
        self.data()[name].as_str().unwrap().to_owned()
    }
}

fn key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Everybody lives their life; nodes die on the way.
pub(crate) async fn live(house: &mut House) -> Vec<Person> {
    let mut people = Vec::new();
    for country in COUNTRIES {
        people.push(Person::sign_up(house, country).await);
    }
    for person in &mut people {
        person.err(house).await;
        person.travel(house).await;
    }
    // Every region's node is killed while somebody's booking is under way, and starts again.
    for person in &mut people[..REGIONS.len()] {
        let order = person.book_anew().await;
        house.crash(&person.home_name(house)).await;
        person.wait(&order, "ticketed").await;
    }
    for person in &mut people {
        person.use_rights().await;
    }
    people
}

impl Person {
    async fn sign_up(house: &House, country: &'static str) -> Self {
        let http = Client::builder().no_proxy().build().unwrap();
        let anywhere = house.url(REGIONS[2]);
        let asked = http.get(format!("{anywhere}/v1/residence?country={country}"));
        let home = send(asked).await.is(200).data()["home"]["url"].as_str().unwrap().to_owned();
        let (local, password) = (plain(), plain());
        let body = json!({ "email": format!("{local}@canary.example"), "password": password });
        for region in REGIONS {
            let url = house.url(region);
            // Somebody who does not ask first is sent home, with the body that was not read.
            if url != home {
                let wrong = http.post(format!("{url}/v1/travellers")).json(&body);
                send(wrong.header("residence-country", country)).await.is(421);
            }
        }
        let right = http.post(format!("{home}/v1/travellers")).json(&body);
        let session = send(right.header("residence-country", country)).await.is(201);
        let mark = |field: &str, text: &str| Mark {
            field: format!("{field} of {country}"),
            text: text.to_owned(),
        };
        let marks = vec![mark("e-mail", &local), mark("password", &password)];
        let token = session.text("token");
        Self { http, country, home, token, password, marks, copy: Vec::new() }
    }

    fn home_name(&self, house: &House) -> &'static str {
        REGIONS.into_iter().find(|region| house.url(region) == self.home).unwrap()
    }

    /// A new marker of a field.
    fn mark(&mut self, field: &str, text: String) -> String {
        self.marks.push(Mark { field: format!("{field} of {}", self.country), text: text.clone() });
        text
    }

    pub(crate) fn marks(&self) -> Vec<Mark> {
        self.marks.clone()
    }

    /// Their own copy of their data.
    pub(crate) fn own_copy(&self) -> Place {
        Place::new(format!("the copy of {}", self.country), self.copy.clone())
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.home)).bearer_auth(&self.token)
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.home)).bearer_auth(&self.token);
        request.header("idempotency-key", key()).json(body)
    }

    /// Everything that can be done wrong, with markers in it.
    async fn err(&mut self, house: &House) {
        let (oops, name) = (self.mark("mistake", plain()), self.mark("mistaken name", letters()));
        let home = self.home.clone();
        let raw = |body: String| {
            let request = self.http.post(format!("{home}/v1/orders")).bearer_auth(&self.token);
            request
                .header("idempotency-key", key())
                .header("content-type", "application/json")
                .body(body)
        };
        send(raw(format!("{{\"passengers\": [\"{oops}\""))).await.is(400);
        send(raw(format!("{{\"{oops}\": \"{name}\"}}"))).await.is(422);
        send(self.post("/v1/orders", &json!({ "type": name, "offer_id": oops }))).await.is(422);
        send(self.get(&format!("/v1/orders/{oops}"))).await.is(404);
        send(self.get(&format!("/v1/orders?state={oops}"))).await.is(422);
        send(self.get(&format!("/v1/{oops}/{name}"))).await.is(404);
        let odd = self.http.post(format!("{home}/v1/orders")).bearer_auth(&self.token);
        let odd = odd.header("idempotency-key", format!("{oops} {name}"));
        send(odd.json(&json!({}))).await.is(400);
        let wrong = json!({ "email": format!("{oops}@canary.example"), "password": oops });
        let log_in = self.http.post(format!("{home}/v1/sessions")).json(&wrong);
        send(log_in.header("meridian-home", self.home_name(house))).await.is(401);
        send(self.get(&format!("/v1/places?q={name}"))).await.is(200);
        let agent = self.get("/v1/travellers/me").header("user-agent", oops.as_str());
        send(agent.header("referer", format!("https://{oops}.example/{name}"))).await.is(200);
        let misdirected = self.http.get(format!("{}/v1/orders", self.other(house)));
        let misdirected = misdirected.header("x-note", oops.as_str()).bearer_auth(&self.token);
        send(misdirected).await.is(421);
    }

    fn other(&self, house: &House) -> String {
        REGIONS.into_iter().map(|region| house.url(region)).find(|url| *url != self.home).unwrap()
    }

    /// An offer of a direct flight.
    async fn offer(&self, number: usize) -> String {
        let day = day_from_now(&Clock::default(), 40);
        let question = json!({
            "slices": [{ "origin": "FRA", "destination": "JFK", "departure_date": day }],
            "max_connections": 0, "passengers": 1,
        });
        let request = self.http.post(format!("{}/v1/offer-requests", self.home)).json(&question);
        let found = send(request).await.is(201);
        let offers = found.data()["offers"].as_array().unwrap().clone();
        offers[number % offers.len()]["id"].as_str().unwrap().to_owned()
    }

    /// Books, with markers in every field; the order's id.
    async fn book_anew(&mut self) -> String {
        let given = self.mark("given name", letters());
        let family = self.mark("family name", letters());
        let token = self.mark("payment token", format!("tok_{}", plain()));
        let body = json!({
            "type": "instant", "offer_id": self.offer(0).await, "payment": { "token": token },
            "passengers": [{ "given_name": given, "family_name": family, "born_on": "1907-03-17" }],
        });
        let request = self.post("/v1/orders", &body);
        send(request).await.is(202).text("id")
    }

    async fn wait(&self, order: &str, state: &str) {
        let path = format!("/v1/orders/{order}");
        let so = until(PATIENCE, || async {
            let answer = self.get(&path).send().await;
            let Ok(answer) = answer else { return false };
            let body: Value = answer.json().await.unwrap_or_default();
            body["data"]["state"] == state
        });
        assert!(so.await, "the order of {} never became {state}", self.country);
    }

    /// Books, is told, changes, cancels.
    async fn travel(&mut self, house: &House) {
        let path = self.mark("webhook", plain());
        let hook = json!({ "url": format!("{}/{path}", house.receiver) });
        let hook = send(self.post("/v1/webhooks", &hook)).await.is(201).text("id");
        send(self.post(&format!("/v1/webhooks/{hook}/ping"), &Value::Null)).await.is(202);
        let order = self.book_anew().await;
        self.wait(&order, "ticketed").await;
        let change = json!({ "order_id": order, "offer_id": self.offer(1).await });
        let quote = send(self.post("/v1/order-changes", &change)).await.is(201);
        let token = self.mark("second payment token", format!("tok_{}", plain()));
        let charge = quote.data()["charge"]["amount_minor"].as_i64().unwrap_or(0);
        let body = if charge > 0 { json!({ "payment": { "token": token } }) } else { json!({}) };
        let path = format!("/v1/order-changes/{}/confirm", quote.text("id"));
        let seen = quote.text("order_etag");
        send(self.post(&path, &body).header("if-match", seen)).await.is(202);
        self.wait(&order, "ticketed").await;
        let gone = self.book_anew().await;
        self.wait(&gone, "ticketed").await;
        let quote = send(self.post("/v1/order-cancellations", &json!({ "order_id": gone }))).await;
        let quote = quote.is(201);
        let path = format!("/v1/order-cancellations/{}/confirm", quote.text("id"));
        let seen = quote.text("order_etag");
        send(self.post(&path, &Value::Null).header("if-match", seen)).await.is(202);
    }

    /// Agrees, puts right, logs in anew, fetches a copy.
    async fn use_rights(&mut self) {
        let agree = json!({ "purpose": "recommendations", "version": 1, "given": true });
        send(self.post("/v1/privacy/consents", &agree)).await.is(200);
        let (local, password) =
            (self.mark("new e-mail", plain()), self.mark("new password", plain()));
        let email = format!("{local}@canary.example");
        let change = json!({ "password": self.password, "email": email, "new_password": password });
        let request = self.http.patch(format!("{}/v1/travellers/me", self.home));
        send(request.bearer_auth(&self.token).json(&change)).await.is(200);
        self.password = password;
        let asked = send(self.post("/v1/privacy/exports", &Value::Null)).await.is(202).text("id");
        let path = format!("/v1/privacy/exports/{asked}");
        let made = until(PATIENCE, || async {
            send(self.get(&path)).await.is(200).data()["state"] == "done"
        });
        assert!(made.await, "the copy of {} is never made", self.country);
        let url = send(self.get(&path)).await.is(200).text("archive_url");
        let packed = send(self.get(&url)).await.is(200).bytes;
        let mut archive = zip::ZipArchive::new(Cursor::new(packed)).unwrap();
        let mut file = archive.by_name("data.json").unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        drop(file);
        self.copy = bytes;
    }

    /// Is forgotten, and waits for the receipt.
    pub(crate) async fn erase(&self, house: &House) {
        let wish = json!({ "password": self.password });
        let asked = send(self.post("/v1/privacy/erasures", &wish)).await.is(201);
        let token = asked.text("receipt_token");
        let id = asked.data()["request"]["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/privacy/erasures/{id}/confirm");
        send(self.post(&path, &json!({ "receipt_token": token }))).await.is(202);
        let url = format!("{}/v1/privacy/receipts/current", self.home);
        let done = until(PATIENCE, || async {
            let receipt = send(self.http.get(&url).bearer_auth(&token)).await;
            receipt.data()["state"] == "done"
        });
        assert!(done.await, "{} of {} is never forgotten", self.country, self.home_name(house));
    }
}
