//! How many SQL statements and round trips each request costs. Exact, so that nobody adds one
//! unseen.

use meridian::webhooks::guard::Reach;
use serde_json::{Value, json};

use crate::asker::{Answer, Person, an_offer, get, hold, id, instant, new_key, post, question};
use crate::lab::{Lab, Plan};

/// Statements and round trips of one request; a transaction's BEGIN and COMMIT are round trips
/// only.
#[cfg(test)]
const EXPECTED: &[(&str, u64, u64)] = &[
    ("GET /livez", 0, 0),
    ("GET /readyz", 1, 1),
    ("GET /v1/residence", 0, 0),
    ("GET /v1/residence (log-in)", 1, 1),
    ("GET /v1/places", 0, 0),
    ("POST /v1/offer-requests", 0, 0),
    ("GET /v1/offers/{id}", 1, 1),
    ("POST /v1/travellers", 4, 6),
    ("POST /v1/sessions", 3, 5),
    ("GET /v1/travellers/me", 1, 1),
    ("POST /v1/orders", 3, 5),
    ("POST /v1/orders (replay)", 3, 5),
    ("GET /v1/orders/{id}", 1, 1),
    ("GET /v1/orders", 2, 2),
    ("GET /v1/orders/{id}/events", 2, 2),
    ("POST /v1/payments", 3, 5),
    ("POST /v1/order-cancellations", 3, 5),
    ("POST /v1/order-cancellations/{id}/confirm", 4, 6),
    ("POST /v1/webhooks", 2, 4),
    ("GET /v1/webhooks", 2, 2),
    ("POST /v1/webhooks/{id}/ping", 2, 4),
    ("GET /v1/webhooks/{id}/deliveries", 2, 2),
    ("POST /v1/webhooks/{id}/deliveries/{event}/redeliver", 2, 4),
    ("POST /v1/webhooks/{id}/rotate-secret", 2, 4),
    ("DELETE /v1/webhooks/{id}", 2, 4),
    ("DELETE /v1/sessions/current", 1, 3),
    ("421 in another region", 1, 1),
];

struct Meter<'a> {
    lab: &'a Lab,
    region: &'static str,
    seen: Vec<(&'static str, u64, u64)>,
}

impl Meter<'_> {
    async fn measure(
        &mut self,
        name: &'static str,
        request: impl Future<Output = Answer>,
    ) -> Answer {
        let counts = self.lab.running(self.region).api.store.counts();
        let before = counts.so_far();
        let answer = request.await;
        let after = counts.so_far();
        self.seen.push((name, after.0 - before.0, after.1 - before.1));
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_costs_what_the_table_says() {
    assert_eq!(measure().await, EXPECTED);
}

/// Makes one request of each kind and counts; the bench prints what this returns.
pub(crate) async fn measure() -> Vec<(&'static str, u64, u64)> {
    let plan = Plan { work: false, reach: Reach::Anywhere, ..Plan::default() };
    let lab = Lab::plan(plan).await;
    let mut meter = Meter { lab: &lab, region: "eu-central", seen: Vec::new() };
    let ada = Person::berliner(&lab).await;
    let offer = an_offer(&lab).await;
    let public = |path: String| {
        let lab = &lab;
        async move { get(lab, "eu-central", &path).await.is(200) }
    };
    meter.measure("GET /livez", public("/livez".into())).await;
    meter.measure("GET /readyz", public("/readyz".into())).await;
    meter.measure("GET /v1/residence", public("/v1/residence?country=DE".into())).await;
    let subject = reqwest::Client::new()
        .get(format!("{}/v1/residence", ada.url))
        .header("meridian-subject", "00".repeat(32));
    meter.measure("GET /v1/residence (log-in)", Answer::of(subject)).await.is(200);
    meter.measure("GET /v1/places", public("/v1/places?q=fra".into())).await;
    let question = question();
    let search = post(&lab, "eu-central", "/v1/offer-requests", &question);
    meter.measure("POST /v1/offer-requests", search).await.is(201);
    meter.measure("GET /v1/offers/{id}", public(format!("/v1/offers/{offer}"))).await;
    account(&lab, &mut meter, &ada).await;
    orders(&lab, &mut meter, &ada, &offer).await;
    webhooks(&mut meter, &ada).await;
    let out = ada.http.delete(format!("{}/v1/sessions/current", ada.url)).bearer_auth(&ada.token);
    meter.measure("DELETE /v1/sessions/current", Answer::of(out)).await.is(204);
    meter.region = "us-east";
    let abroad = ada.http.get(format!("{}/v1/orders", lab.url("us-east"))).bearer_auth(&ada.token);
    meter.measure("421 in another region", Answer::of(abroad)).await.is(421);
    meter.seen
}

async fn account(lab: &Lab, meter: &mut Meter<'_>, ada: &Person) {
    let email = format!("{}@canary.example", uuid::Uuid::new_v4().simple());
    let body = serde_json::json!({"email": email, "password": "long enough"});
    let url = lab.url("eu-central");
    let http = reqwest::Client::new();
    let up =
        http.post(format!("{url}/v1/travellers")).header("residence-country", "DE").json(&body);
    meter.measure("POST /v1/travellers", Answer::of(up)).await.is(201);
    let log_in = http.post(format!("{url}/v1/sessions")).header("meridian-home", "eu-central");
    meter.measure("POST /v1/sessions", Answer::of(log_in.json(&body))).await.is(201);
    meter.measure("GET /v1/travellers/me", ada.get("/v1/travellers/me")).await.is(200);
}

async fn orders(lab: &Lab, meter: &mut Meter<'_>, ada: &Person, offer: &str) {
    let (key, body) = (new_key(), instant(offer, "Lovelace", "tok_visa"));
    meter.measure("POST /v1/orders", ada.book(&key, &body)).await.is(202);
    let replay = meter.measure("POST /v1/orders (replay)", ada.book(&key, &body)).await.is(202);
    let path = format!("/v1/orders/{}", id(&replay));
    meter.measure("GET /v1/orders/{id}", ada.get(&path)).await.is(200);
    meter.measure("GET /v1/orders", ada.get("/v1/orders")).await.is(200);
    let events = format!("{path}/events");
    meter.measure("GET /v1/orders/{id}/events", ada.get(&events)).await.is(200);
    let held = id(&ada.book(&new_key(), &hold(offer)).await.is(202));
    let plant = "UPDATE orders SET state = 'held', payment_required_by = now() + interval '1 hour'
                 WHERE kind = 'hold'";
    crate::lab::sql(&lab.database, plant).await;
    let body = serde_json::json!({"order_id": held, "payment": {"token": "tok_visa"}});
    let key = new_key();
    meter.measure("POST /v1/payments", ada.post("/v1/payments", &key, &body)).await.is(202);
    // As if the payment had been declined: only then may a held order be cancelled again.
    let plant = "UPDATE orders SET payment_token = NULL WHERE kind = 'hold'";
    crate::lab::sql(&lab.database, plant).await;
    let request = ada.quote_cancellation(&held);
    let quote = meter.measure("POST /v1/order-cancellations", request).await.is(201).data();
    let key = new_key();
    let request = ada.confirm(&quote, &key, &Value::Null);
    meter.measure("POST /v1/order-cancellations/{id}/confirm", request).await.is(202);
}

async fn webhooks(meter: &mut Meter<'_>, ada: &Person) {
    let body = json!({"url": "http://127.0.0.1:9/hook"});
    let register = ada.post("/v1/webhooks", "", &body);
    let made = meter.measure("POST /v1/webhooks", register).await.is(201);
    let path = format!("/v1/webhooks/{}", id(&made));
    meter.measure("GET /v1/webhooks", ada.get("/v1/webhooks")).await.is(200);
    let nothing = Value::Null;
    let ping = format!("{path}/ping");
    let ping = ada.post(&ping, "", &nothing);
    let pinged = meter.measure("POST /v1/webhooks/{id}/ping", ping).await.is(202).data();
    let deliveries = format!("{path}/deliveries");
    let list = ada.get(&deliveries);
    meter.measure("GET /v1/webhooks/{id}/deliveries", list).await.is(200);
    let again = format!("{deliveries}/{}/redeliver", pinged["event_id"].as_str().unwrap());
    let again = ada.post(&again, "", &nothing);
    let name = "POST /v1/webhooks/{id}/deliveries/{event}/redeliver";
    meter.measure(name, again).await.is(202);
    let rotate = format!("{path}/rotate-secret");
    let rotate = ada.post(&rotate, "", &nothing);
    meter.measure("POST /v1/webhooks/{id}/rotate-secret", rotate).await.is(200);
    let gone = ada.http.delete(format!("{}{path}", ada.url)).bearer_auth(&ada.token);
    meter.measure("DELETE /v1/webhooks/{id}", Answer::of(gone)).await.is(204);
}
