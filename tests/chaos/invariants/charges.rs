//! I2: nobody is charged twice. An order has at most one charge that was not paid back, and one
//! more for each change that was made; at most one live booking, and nothing is left reserved.

use serde_json::Value;

use super::journal::{by_order, plant};
use super::{Evidence, Plant};

pub(super) async fn broken(evidence: &Evidence<'_>) -> Vec<String> {
    let known = evidence.rows.texts("SELECT id::text FROM orders").await;
    let changed = "SELECT order_id::text FROM order_event WHERE kind = 'order.changed'";
    let changed = evidence.rows.texts(changed).await;
    let mut broken = Vec::new();
    for (order, dealings) in by_order(&evidence.journal) {
        let charges = dealings.accounts.iter().filter(|account| account.net() > 0).count();
        if charges > 1 + changed.iter().filter(|it| **it == order).count() {
            broken.push(format!("{order} is charged {charges} times: {:?}", dealings.accounts));
        }
        let (live, reserved) = (dealings.live().len(), dealings.reserved());
        if live > 1 {
            broken.push(format!("{order} has {live} live bookings: {:?}", dealings.bookings));
        }
        if reserved > 0 {
            broken.push(format!("{reserved} reservations are left of {order}"));
        }
        if !known.contains(&order) {
            broken.push(format!("others know an order {order} that is not there"));
        }
    }
    broken
}

fn charged(it: &Value) -> bool {
    it["captured"].as_i64() > Some(0) && it["refunded"] == 0
}

pub(super) const PLANTS: &[Plant] = &[
    Plant::Journal(|journal| plant(journal, "money", charged, |_| {})),
    Plant::Journal(|journal| {
        plant(journal, "money", charged, |it| {
            (it["status"], it["captured"]) = ("reserved".into(), 0.into());
        })
    }),
    Plant::Journal(|journal| plant(journal, "bookings", |it| it["state"] == "ticketed", |_| {})),
    Plant::Journal(|journal| {
        plant(journal, "money", |_| true, |it| it["key"] = "nobody:authorize:0".into())
    }),
];
