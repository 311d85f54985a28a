//! Somebody who asks the API: with or without a session, politely or not.

use meridian::clock::Deadline;
use meridian::node::Node;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::lab::{Lab, PATIENCE};

/// An answer with everything that a test may want of it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, bytes: response.bytes().await.unwrap().to_vec() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| {
            panic!("no JSON: {} {}", self.status, String::from_utf8_lossy(&self.bytes))
        })
    }

    pub(crate) fn data(&self) -> Value {
        self.json()["data"].clone()
    }

    /// The problem's code; panics when it is no problem.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{:?}", self.json());
        self.json()["code"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    #[track_caller]
    pub(crate) fn refuses(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.code(), code);
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A key that nobody used before.
pub(crate) fn new_key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A day that is on sale.
pub(crate) fn day(days: i64) -> String {
    meridian::demo::client::day_from_now(&meridian::clock::Clock::default(), days)
}

/// Gets a path of a region without a session.
pub(crate) async fn get(lab: &Lab, region: &str, path: &str) -> Answer {
    Answer::of(Client::new().get(format!("{}{path}", lab.url(region)))).await
}

/// Posts to a path of a region without a session.
pub(crate) async fn post(lab: &Lab, region: &str, path: &str, body: &Value) -> Answer {
    Answer::of(Client::new().post(format!("{}{path}", lab.url(region))).json(body)).await
}

/// Somebody with an account.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) http: Client,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) password: String,
}

impl Person {
    /// A resident of Germany, at home in eu-central.
    pub(crate) async fn berliner(lab: &Lab) -> Self {
        Self::resident(lab, "DE", "eu-central").await
    }

    pub(crate) async fn resident(lab: &Lab, country: &str, home: &str) -> Self {
        Self::sign_up(lab.url(home), country).await
    }

    async fn sign_up(url: String, country: &str) -> Self {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let email = format!("ada.{unique}@canary.example");
        let password = format!("secret-{unique}");
        let http = Client::new();
        let request = http
            .post(format!("{url}/v1/travellers"))
            .header("residence-country", country)
            .json(&json!({"email": email, "password": password}));
        let session = Answer::of(request).await.is(201).data();
        let text = |field: &str| session[field].as_str().unwrap().to_owned();
        Self { token: text("token"), id: text("traveller_id"), http, url, email, password }
    }

    /// A resident who signs up at one node.
    pub(crate) async fn resident_at(node: &Node, country: &str) -> Self {
        Self::sign_up(format!("http://{}", node.address), country).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let url = format!("{}{path}", self.url);
        Answer::of(self.http.get(url).bearer_auth(&self.token)).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        Answer::of(self.request(path, key, body)).await
    }

    /// A request with a body; an empty key is none.
    fn request(&self, path: &str, key: &str, body: &Value) -> RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.token);
        let keyed = if key.is_empty() { request } else { request.header("idempotency-key", key) };
        keyed.json(body)
    }

    /// Asks what cancelling an order would give back.
    pub(crate) async fn quote_cancellation(&self, order: &str) -> Answer {
        self.quote_cancellation_once("", order).await
    }

    /// The same under a key.
    pub(crate) async fn quote_cancellation_once(&self, key: &str, order: &str) -> Answer {
        self.post("/v1/order-cancellations", key, &json!({ "order_id": order })).await
    }

    /// Asks what flying as an offer says would cost.
    pub(crate) async fn quote_change(&self, order: &str, offer: &str) -> Answer {
        self.quote_change_once("", order, offer).await
    }

    /// The same under a key.
    pub(crate) async fn quote_change_once(&self, key: &str, order: &str, offer: &str) -> Answer {
        let body = json!({ "order_id": order, "offer_id": offer });
        self.post("/v1/order-changes", key, &body).await
    }

    /// Confirms a quote, having seen the order as the quote says.
    pub(crate) async fn confirm(&self, quote: &Value, key: &str, body: &Value) -> Answer {
        let text = |field: &str| quote[field].as_str().unwrap();
        let room = if text("id").starts_with("orc_") { "cancellations" } else { "changes" };
        let path = format!("/v1/order-{room}/{}/confirm", text("id"));
        self.post_seen(&path, key, text("order_etag"), body).await
    }

    /// Asks and confirms: an order is cancelled.
    pub(crate) async fn cancel(&self, order: &str) -> Answer {
        let quote = self.quote_cancellation(order).await.is(201).data();
        self.confirm(&quote, &new_key(), &Value::Null).await
    }

    /// Posts, having seen a version of the order.
    pub(crate) async fn post_seen(
        &self,
        path: &str,
        key: &str,
        seen: &str,
        body: &Value,
    ) -> Answer {
        let request = self.request(path, key, body).header("if-match", seen);
        Answer::of(request).await
    }

    pub(crate) async fn book(&self, key: &str, body: &Value) -> Answer {
        self.post("/v1/orders", key, body).await
    }

    /// The same person, asking another node.
    pub(crate) fn via(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// Posts to a node that may die before it answers.
    pub(crate) async fn post_into_the_dark(&self, path: &str, key: &str, body: &Value) {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.token);
        let _ = request.header("idempotency-key", key).json(body).send().await;
    }

    /// Waits until an order is in a state, and returns it.
    pub(crate) async fn wait(&self, order: &str, state: &str) -> Value {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let seen = self.get(&format!("/v1/orders/{order}")).await.is(200).data();
            if seen["state"] == state {
                return seen;
            }
            assert!(!deadline.passed(), "{order} is {}, not {state}", seen["state"]);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// The names of an order's events, in order; checks that no number is missing.
    pub(crate) async fn events(&self, order: &str) -> Vec<String> {
        let events = self.get(&format!("/v1/orders/{order}/events")).await.is(200).json();
        let events = events["data"].as_array().unwrap().clone();
        for (index, event) in events.iter().enumerate() {
            assert_eq!(event["seq"], index);
        }
        events.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }
}

/// A search from Frankfurt to New York.
pub(crate) fn question() -> Value {
    json!({"slices": [{"origin": "FRA", "destination": "JFK", "departure_date": day(40)}]})
}

/// Offers of a direct flight between two airports.
pub(crate) async fn direct_offers(lab: &Lab, from: &str, to: &str, seats: u8) -> Vec<Value> {
    let body = json!({
        "slices": [{"origin": from, "destination": to, "departure_date": day(40)}],
        "max_connections": 0, "passengers": seats,
    });
    let found = post(lab, "eu-central", "/v1/offer-requests", &body).await.is(201).data();
    found["offers"].as_array().unwrap().clone()
}

/// The id of an offer of one direct flight.
pub(crate) async fn an_offer(lab: &Lab) -> String {
    direct_offers(lab, "FRA", "JFK", 1).await[0]["id"].as_str().unwrap().to_owned()
}

/// A booking that is paid now.
pub(crate) fn instant(offer: &str, family_name: &str, token: &str) -> Value {
    json!({
        "type": "instant", "offer_id": offer, "payment": {"token": token},
        "passengers": [{"given_name": "Ada", "family_name": family_name, "born_on": "1987-03-21"}],
    })
}

/// A booking that is held.
pub(crate) fn hold(offer: &str) -> Value {
    json!({
        "type": "hold", "offer_id": offer,
        "passengers": [{"given_name": "Ada", "family_name": "Lovelace", "born_on": "1987-03-21"}],
    })
}

/// The id of an accepted order.
pub(crate) fn id(accepted: &Answer) -> String {
    accepted.data()["id"].as_str().unwrap().to_owned()
}
