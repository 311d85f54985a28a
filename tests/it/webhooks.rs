//! Webhooks: every event reaches the endpoints that want it, in each order's own order, signed,
//! with ids only; whatever endpoints do, and whichever node stops in the middle.

use std::time::Duration;

use meridian::clock::Deadline;
use meridian::webhooks::guard::Reach;
use serde_json::{Value, json};

use crate::asker::{Answer, Person, an_offer, id, instant, new_key};
use crate::lab::{Lab, PATIENCE, Plan, count, sql};
use crate::lifecycle::Planner;
use crate::moving::{germans_to_dublin, moved};
use crate::receiver::Receiver;

/// What a paid order's history tells.
pub(crate) const TICKETED: [&str; 5] = [
    "order.created",
    "payment.authorized",
    "order.confirmed",
    "payment.captured",
    "order.ticketed",
];

/// A house whose webhooks may go to this machine.
pub(crate) fn reaching() -> Plan {
    Plan { reach: Reach::Anywhere, ..Plan::default() }
}

/// A registered webhook.
pub(crate) struct Hook {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Hook {
    fn path(&self, rest: &str) -> String {
        format!("/v1/webhooks/{}{rest}", self.id)
    }
}

impl Person {
    pub(crate) async fn register(&self, body: &Value) -> Answer {
        self.post("/v1/webhooks", &new_key(), body).await
    }

    pub(crate) async fn hook(&self, url: &str) -> Hook {
        let made = self.register(&json!({"url": url})).await.is(201).data();
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        Hook { id: text("id"), secret: text("secret") }
    }

    pub(crate) async fn ask(&self, hook: &Hook, rest: &str) -> Answer {
        self.post(&hook.path(rest), &new_key(), &Value::Null).await
    }

    async fn delete(&self, path: &str) -> Answer {
        let url = format!("{}{path}", self.url);
        Answer::of(self.http.delete(url).bearer_auth(&self.token)).await
    }

    /// Deliveries to a webhook, newest first.
    pub(crate) async fn deliveries(&self, hook: &Hook) -> Vec<Value> {
        let list = self.get(&hook.path("/deliveries")).await.is(200).json();
        list["data"].as_array().unwrap().clone()
    }

    async fn wait_for<T>(
        &self,
        hook: &Hook,
        what: &str,
        found: impl Fn(&[Value]) -> Option<T>,
    ) -> T {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let seen = self.deliveries(hook).await;
            if let Some(found) = found(&seen) {
                return found;
            }
            assert!(!deadline.passed(), "never {what}: {seen:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the newest delivery is so, and returns it.
    pub(crate) async fn newest(
        &self,
        hook: &Hook,
        what: &str,
        so: impl Fn(&Value) -> bool,
    ) -> Value {
        self.wait_for(hook, what, |deliveries| deliveries.first().filter(|it| so(it)).cloned())
            .await
    }

    /// Waits until the oldest delivery is so, and returns it.
    pub(crate) async fn oldest(
        &self,
        hook: &Hook,
        what: &str,
        so: impl Fn(&Value) -> bool,
    ) -> Value {
        self.wait_for(hook, what, |deliveries| deliveries.last().filter(|it| so(it)).cloned()).await
    }

    /// Books and waits for the ticket.
    pub(crate) async fn ticket(&self, lab: &Lab, family_name: &str) -> String {
        let body = instant(&an_offer(lab).await, family_name, "tok_visa");
        let order = id(&self.book(&new_key(), &body).await.is(202));
        self.wait(&order, "ticketed").await;
        order
    }
}

/// As if all pauses between tries were over.
pub(crate) async fn no_more_waiting(lab: &Lab) {
    sql(&lab.database, "UPDATE webhook_delivery SET due_at = now() WHERE state = 'pending'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_an_order_arrives_in_order_signed_and_with_ids_only() {
    let lab = Lab::plan(reaching()).await;
    let ada = Person::berliner(&lab).await;
    let receiver = Receiver::start().await;
    let hook = ada.hook(&format!("{}?mine=1", receiver.url)).await;
    assert!(hook.id.starts_with("whe_euc1_") && hook.secret.starts_with("whsec_"));
    let order = ada.ticket(&lab, "Canaryson").await;

    let seen = receiver.wait(5).await;
    assert_eq!(receiver.names(), TICKETED);
    let history = ada.get(&format!("/v1/orders/{order}/events")).await.is(200).json();
    for (seq, received) in seen.iter().enumerate() {
        assert!(received.is_signed_with(&hook.secret));
        assert_eq!(received.path, "/hook?mine=1");
        assert_eq!(received.header("content-type"), "application/json");
        let body = received.json();
        assert_eq!(received.id(), body["id"]);
        let uuid = order.rsplit('_').next().unwrap();
        assert_eq!(received.id(), format!("wev_{uuid}_{seq}"));
        let event = &history["data"][seq];
        let expected = json!({
            "id": received.id(), "type": TICKETED[seq], "timestamp": event["created_at"],
            "data": {"order_id": order, "state": event["state"], "seq": seq},
        });
        assert_eq!(body, expected, "ids and words of the house, and nothing else");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_is_in_any_byte_that_leaves_the_house() {
    let lab = Lab::plan(reaching()).await;
    let ada = Person::berliner(&lab).await;
    let receiver = Receiver::start().await;
    ada.hook(&receiver.url).await;
    ada.ticket(&lab, "Canaryson").await;
    let seen = receiver.wait(5).await;
    let traveller = ada.id.rsplit('_').next().unwrap();
    let email = ada.email.split('@').next().unwrap();
    let secrets = [&ada.token, &ada.password, email, traveller, "canaryson", "tok_visa"];
    for received in seen {
        let headers: String =
            received.headers.iter().map(|(name, value)| format!("{name}: {value:?}\n")).collect();
        let text = headers + &received.path + &String::from_utf8(received.bytes).unwrap();
        for secret in secrets {
            assert!(!text.to_lowercase().contains(&secret.to_lowercase()), "{secret} in {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_gets_what_it_asked_for_and_may_be_tried() {
    let lab = Lab::plan(reaching()).await;
    let ada = Person::berliner(&lab).await;
    let receiver = Receiver::start().await;
    let body = json!({"url": receiver.url, "events": ["order.ticketed", "order.created"]});
    let made = ada.register(&body).await.is(201).data();
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    let hook = Hook { id: text("id"), secret: text("secret") };

    let pinged = ada.ask(&hook, "/ping").await.is(202).data();
    assert_eq!((&pinged["type"], &pinged["state"]), (&json!("ping"), &json!("pending")));
    let ping = receiver.wait(1).await.remove(0);
    assert!(ping.is_signed_with(&hook.secret));
    assert_eq!(ping.json()["data"], json!({"webhook_id": hook.id}));
    ada.newest(&hook, "delivered", |it| it["state"] == "delivered").await;
    let order = ada.ticket(&lab, "Lovelace").await;
    receiver.wait(3).await;
    assert_eq!(receiver.names(), ["ping", "order.created", "order.ticketed"]);

    let seen = ada.deliveries(&hook).await;
    let newest = ada.newest(&hook, "delivered", |it| it["state"] == "delivered").await;
    assert_eq!(seen.len(), 3);
    assert_eq!(newest["event_id"], format!("wev_{}_4", order.rsplit('_').next().unwrap()));
    assert_eq!((&newest["attempts"], &newest["last_status"]), (&json!(1), &json!(204)));
    assert_eq!(newest["next_attempt_at"], Value::Null);
    let list = ada.get("/v1/webhooks").await.is(200).json();
    assert_eq!(list["data"][0]["url"], receiver.url);
    assert_eq!(list["data"][0]["events"], json!(["order.created", "order.ticketed"]));
    assert!(list["data"][0].get("secret").is_none(), "a secret is shown once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_with_where() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let refuses = async |body: Value, pointer: &str| {
        let answer = ada.register(&body).await.refuses(422, "validation_failed").json();
        assert_eq!(answer["errors"][0]["pointer"], pointer, "{body}");
    };
    for url in [
        "http://hooks.example.com/",
        "https://127.0.0.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://localhost/",
        "https://2130706433/",
        "https://user:pass@hooks.example.com/",
        "https://no-such-host.invalid/",
    ] {
        refuses(json!({"url": url}), "/url").await;
    }
    let url = "https://hooks.example.com/";
    refuses(json!({"url": url, "events": ["order.held", "order.sold"]}), "/events/1").await;
    refuses(json!({"url": url, "events": []}), "/events").await;
    refuses(json!({"url": url, "secret": "whsec_mine"}), "/secret").await;
    assert_eq!(count(&lab.database, "SELECT count(*) FROM webhook_endpoint").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_or_touches_the_webhook_of_another() {
    let lab = Lab::plan(reaching()).await;
    let (ada, eve) = (Person::berliner(&lab).await, Person::berliner(&lab).await);
    let receiver = Receiver::start().await;
    let hook = ada.hook(&receiver.url).await;
    let event = ada.ask(&hook, "/ping").await.is(202).data()["event_id"].clone();
    let redeliver = format!("/deliveries/{}/redeliver", event.as_str().unwrap());
    for rest in ["/ping", "/rotate-secret", &redeliver] {
        eve.ask(&hook, rest).await.refuses(404, "not_found");
    }
    eve.get(&hook.path("/deliveries")).await.refuses(404, "not_found");
    eve.delete(&hook.path("")).await.refuses(404, "not_found");
    assert_eq!(eve.get("/v1/webhooks").await.is(200).json()["data"], json!([]));
    ada.ask(&hook, "/deliveries/wev_1/redeliver").await.refuses(404, "not_found");
    let abroad = Person { url: lab.url("us-east"), ..ada.clone() };
    abroad.register(&json!({"url": receiver.url})).await.refuses(421, "misdirected");

    receiver.wait(1).await;
    assert!(receiver.seen()[0].is_signed_with(&hook.secret), "it is as it was");
    let hers = Receiver::start().await;
    eve.hook(&hers.url).await;
    eve.ticket(&lab, "Lovelace").await;
    hers.wait(5).await;
    ada.ask(&hook, &redeliver).await.is(202);
    receiver.wait(2).await;
    assert_eq!(receiver.firsts().len(), 1, "events of others go to others");

    ada.delete(&hook.path("")).await.is(204);
    ada.get(&hook.path("/deliveries")).await.refuses(404, "not_found");
    assert_eq!(count(&lab.database, "SELECT count(*) FROM webhook_delivery").await, 5, "hers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traveller_has_ten_endpoints_at_most_however_many_ask_at_once() {
    let lab = Lab::plan(Plan { work: false, ..reaching() }).await;
    let ada = Person::berliner(&lab).await;
    let body = json!({"url": "http://127.0.0.1:9/hook"});
    let asking: Vec<_> = (0..14)
        .map(|_| {
            let (ada, body) = (ada.clone(), body.clone());
            tokio::spawn(async move { ada.register(&body).await })
        })
        .collect();
    let mut made = 0;
    for answer in asking {
        let answer = answer.await.unwrap();
        if answer.status == 201 {
            made += 1;
        } else {
            answer.refuses(409, "webhook_limit");
        }
    }
    assert_eq!(made, 10);
    let list = ada.get("/v1/webhooks").await.is(200).json();
    assert_eq!(list["data"].as_array().unwrap().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_secret_signs_along_for_a_day_and_then_no_more() {
    let lab = Lab::plan(reaching()).await;
    let ada = Person::berliner(&lab).await;
    let receiver = Receiver::start().await;
    let hook = ada.hook(&receiver.url).await;
    let rotated = ada.ask(&hook, "/rotate-secret").await.is(200).data();
    let new = rotated["secret"].as_str().unwrap();
    assert_ne!(new, hook.secret);
    assert!(rotated["old_secret_until"].is_string());
    ada.ask(&hook, "/ping").await.is(202);
    let both = receiver.wait(1).await.remove(0);
    assert_eq!(both.header("webhook-signature").split(' ').count(), 2);
    assert!(both.is_signed_with(new) && both.is_signed_with(&hook.secret));

    let tomorrow = "UPDATE webhook_endpoint SET old_secret_until = now()";
    sql(&lab.database, tomorrow).await;
    ada.newest(&hook, "delivered", |it| it["state"] == "delivered").await;
    let event = both.id();
    ada.ask(&hook, &format!("/deliveries/{event}/redeliver")).await.is(202);
    let one = receiver.wait(2).await.remove(1);
    assert_eq!(one.id(), event);
    assert!(one.is_signed_with(new) && !one.is_signed_with(&hook.secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_moves_home_with_its_traveller() {
    let regions = vec!["eu-central", "eu-west"];
    let lab = Lab::plan(Plan { regions, ..reaching() }).await;
    let ada = Person::berliner(&lab).await;
    let receiver = Receiver::start().await;
    let hook = ada.hook(&receiver.url).await;
    let rotated = ada.ask(&hook, "/rotate-secret").await.is(200).data();
    let order = ada.ticket(&lab, "Lovelace").await;
    receiver.wait(5).await;

    moved(&Planner::of(&lab, germans_to_dublin), &lab);
    let there = Person { url: lab.url("eu-west"), ..ada.clone() };
    there.cancel(&order).await.is(202);
    let seen = receiver.wait(9).await;
    let names =
        ["order.cancellation_quoted", "order.cancelling", "order.cancelled", "payment.refunded"];
    assert_eq!(receiver.names()[5..], names);
    for received in &seen {
        assert!(received.is_signed_with(rotated["secret"].as_str().unwrap()));
        assert!(received.is_signed_with(&hook.secret), "the old one signs along, moved or not");
    }
    let first = seen[0].id();
    there.ask(&hook, &format!("/deliveries/{first}/redeliver")).await.is(202);
    let again = receiver.wait(10).await.remove(9);
    assert_eq!(again.id(), first, "an event keeps its id");
    assert_eq!(there.get("/v1/webhooks").await.is(200).json()["data"][0]["url"], receiver.url);
}
