//! What other companies tell us by themselves: a hint that makes an order be looked at, and never
//! more, whoever sends it, however often, in whatever order.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use meridian::domain::ids::OrderId;
use meridian::domain::signed_message::{ID, SIGNATURE, Secret, TIMESTAMP};
use meridian::node::NodeConfig;
use meridian::orders::driver::{Driver, LetGo};
use meridian::store::StoreConfig;
use meridian::suppliers::airline::HttpAirline;
use meridian::suppliers::payments::HttpPayments;
use meridian::suppliers::{AIRLINE_CALLBACK, CallbackSecrets, PAYMENTS_CALLBACK};
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use tokio::net::TcpListener;

use crate::asker::{Answer, Person, an_offer, id, instant, new_key};
use crate::lab::{Lab, count, sql, until};

/// A company that calls us back.
struct Caller {
    url: String,
    secret: Secret,
    at: Timestamp,
}

impl Caller {
    fn airline(lab: &Lab) -> Self {
        let secrets = lab.running("eu-central").api.orders.keys.callbacks.clone();
        let url = format!("{}{AIRLINE_CALLBACK}", lab.url("eu-central"));
        Self { url, secret: secrets.airline.unwrap(), at: lab.world.clock.now() }
    }

    fn signed(&self, body: &str) -> RequestBuilder {
        self.sent(body, "evt_1", &self.at.as_second().to_string())
    }

    /// Signed as `evt_1` of a time, and sent as something perhaps else.
    fn sent(&self, body: &str, id: &str, second: &str) -> RequestBuilder {
        Client::new()
            .post(&self.url)
            .header("content-type", "application/json")
            .header(SIGNATURE, self.secret.sign("evt_1", self.at, body.as_bytes()))
            .header(ID, id)
            .header(TIMESTAMP, second)
            .body(body.to_owned())
    }

    async fn says(&self, body: &str) -> Answer {
        Answer::of(self.signed(body)).await
    }
}

fn happened(kind: &str, key: &str) -> String {
    json!({ "id": "evt_1", "type": kind, "key": key }).to_string()
}

/// An order that waits for an hour before anybody looks at it again: the airline is slow.
async fn waiting_order(lab: &Lab, ada: &Person) -> (OrderId, Driver) {
    let body = instant(&an_offer(lab).await, "SLOWAIRLINE", "tok_visa");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    let order = OrderId::parse(&lab.registry, &order).unwrap();
    let driver = Driver {
        orders: lab.running("eu-central").api.orders.clone(),
        payments: Arc::new(HttpPayments::new(&lab.suppliers, None)),
        airline: Arc::new(HttpAirline::new(&lab.suppliers, None)),
    };
    assert_eq!(driver.drive(order, 1).await.unwrap(), LetGo::Postponed);
    sql(&lab.database, "UPDATE orders SET due_at = now() + interval '1 hour'").await;
    (order, driver)
}

/// How many orders anybody would look at now.
async fn due(lab: &Lab) -> i64 {
    count(&lab.database, "SELECT count(*) FROM orders WHERE due_at <= now()").await
}

/// What a callback may never change.
async fn fenced(lab: &Lab) -> i64 {
    count(&lab.database, "SELECT epoch * 1000 + version * 10 + attempts FROM orders").await
}

#[tokio::test(flavor = "multi_thread")]
async fn row_14_callbacks_that_come_twice_early_or_in_another_order_make_one_transition() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let (order, driver) = waiting_order(&lab, &ada).await;
    let caller = Caller::airline(&lab);
    let key = format!("{}:book", order.uuid());
    let before = fenced(&lab).await;

    // Before our commit: somebody is working on it, and goes on undisturbed.
    sql(&lab.database, "UPDATE orders SET lease_until = now() + interval '1 hour'").await;
    caller.says(&happened("booking.made", &key)).await.is(204);
    assert_eq!(due(&lab).await, 0);
    sql(&lab.database, "UPDATE orders SET lease_until = NULL").await;

    // A later one first, then twice the earlier one.
    for kind in ["booking.changed", "booking.made", "booking.made"] {
        caller.says(&happened(kind, &key)).await.is(204);
        assert_eq!(due(&lab).await, 1);
    }
    assert_eq!(fenced(&lab).await, before, "a hint fences nobody and decides nothing");

    until("the airline has booked", || async { lab.journal("book").await == 1 }).await;
    assert_eq!(driver.drive(order, 1).await.unwrap(), LetGo::Rested);
    ada.wait(&order.to_string(), "ticketed").await;
    let events = ada.events(&order.to_string()).await;
    for kind in ["booking.made", "booking.made"] {
        caller.says(&happened(kind, &key)).await.is(204);
    }
    // A ticketed order is looked at once more: the airline may have changed something by itself.
    assert_eq!(due(&lab).await, 1);
    assert_eq!(driver.drive(order, 1).await.unwrap(), LetGo::Rested);
    assert_eq!(due(&lab).await, 0, "an order at rest stays at rest");
    assert_eq!(ada.events(&order.to_string()).await, events);
    assert_eq!(events.len(), 6);
    for operation in ["authorize", "book", "capture", "tickets"] {
        assert_eq!(lab.journal(operation).await, 1, "{operation}");
    }
    assert_eq!(lab.seats().await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_14_the_sandbox_calls_back_twice_and_late_and_an_order_is_ticketed_once() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    for mode in ["duplicate", "reordered"] {
        lab.fault("callback", mode, 1).await;
        let body = instant(&an_offer(&lab).await, "SLOWAIRLINE", "tok_visa");
        let order = id(&ada.book(&new_key(), &body).await.is(202));
        ada.wait(&order, "ticketed").await;
        assert_eq!(ada.events(&order).await.len(), 6, "{mode}");
    }
    for operation in ["authorize", "book", "capture", "tickets"] {
        assert_eq!(lab.journal(operation).await, 2, "{operation}");
    }
    assert_eq!(lab.books().await["asked"]["callback"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_15_forged_and_stale_callbacks_are_refused_and_change_nothing() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let (order, _) = waiting_order(&lab, &ada).await;
    let caller = Caller::airline(&lab);
    let body = happened("booking.made", &format!("{}:book", order.uuid()));
    let before = fenced(&lab).await;
    let five = SignedDuration::from_secs(5 * 60 + 5);
    let stranger = Secret::from_bytes(vec![7; 32]).unwrap();
    let payments = format!("{}{PAYMENTS_CALLBACK}", lab.url("eu-central"));
    let forged = [
        Caller { at: caller.at - five, ..Caller::airline(&lab) }.signed(&body),
        Caller { at: caller.at + five, ..Caller::airline(&lab) }.signed(&body),
        Caller { secret: stranger, ..Caller::airline(&lab) }.signed(&body),
        // The airline's own, at the payment provider's door.
        Caller { url: payments, ..Caller::airline(&lab) }.signed(&body),
        // Signed for other bytes.
        caller.signed(&body).body(body.replace("made", "lost")),
        // Signed for another second, and for another id.
        caller.sent(&body, "evt_1", &(caller.at.as_second() + 1).to_string()),
        caller.sent(&body, "evt_2", &caller.at.as_second().to_string()),
        Client::new().post(&caller.url).body(body.clone()),
        Client::new().post(&caller.url).header(SIGNATURE, "v1,AAAA").body("{".to_owned()),
    ];
    for (nth, request) in forged.into_iter().enumerate() {
        let refused = Answer::of(request).await;
        assert_eq!(refused.status, 401, "{nth}");
        refused.refuses(401, "signature_invalid");
    }
    assert_eq!((due(&lab).await, fenced(&lab).await), (0, before));

    // Proven, and of no use: nothing happens either.
    for malformed in ["{", "{}", &happened("x", "no-key"), &happened("x", &new_key())] {
        caller.says(malformed).await.refuses(400, "malformed");
    }
    caller.says(&happened("booking.made", &format!("{}:book", new_key()))).await.is(204);
    assert_eq!((due(&lab).await, fenced(&lab).await), (0, before));
    caller.says(&body).await.is(204);
    assert_eq!((due(&lab).await, fenced(&lab).await), (1, before), "the true one is heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_without_a_secret_hears_nobody() {
    let lab = Lab::without_worker().await;
    let region = lab.region("eu-central");
    let mut keys = lab.running("eu-central").api.orders.keys.clone();
    keys.callbacks = CallbackSecrets::default();
    let store = StoreConfig::new(lab.database.clone());
    let config = NodeConfig { work: false, ..NodeConfig::new(region, store, keys, &lab.suppliers) };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = meridian::node::Node::start(&lab.world, config, listener).await.unwrap();
    let url = format!("http://{}{AIRLINE_CALLBACK}", node.address);
    let caller = Caller { url, ..Caller::airline(&lab) };
    caller.says(&happened("booking.made", "x:book")).await.refuses(401, "signature_invalid");
    node.stop().await;
}
