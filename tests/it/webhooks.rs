//! Webhooks: every event reaches the endpoints that want it, in each order's own order, signed,
//! with ids only; whatever endpoints do, and whichever node stops in the middle.

use serde_json::{Value, json};

use crate::asker::{Answer, Person, an_offer, id, instant, new_key};
use crate::lab::{Lab, Plan};
use crate::receiver::Receiver;
use meridian::webhooks::guard::Reach;

/// What a paid order's history tells.
const TICKETED: [&str; 5] = [
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

impl Person {
    pub(crate) async fn register(&self, body: &Value) -> Answer {
        self.post("/v1/webhooks", &new_key(), body).await
    }

    pub(crate) async fn hook(&self, url: &str) -> Hook {
        let made = self.register(&json!({"url": url})).await.is(201).data();
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        Hook { id: text("id"), secret: text("secret") }
    }

    /// Books and waits for the ticket.
    pub(crate) async fn ticket(&self, lab: &Lab, family_name: &str) -> String {
        let body = instant(&an_offer(lab).await, family_name, "tok_visa");
        let order = id(&self.book(&new_key(), &body).await.is(202));
        self.wait(&order, "ticketed").await;
        order
    }
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
