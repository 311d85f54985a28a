//! The journal of the other companies, read by order: an order's number begins every key of it.

use std::collections::BTreeMap;

use serde_json::Value;

/// Money on a card.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) captured: i64,
    pub(super) refunded: i64,
}

impl Account {
    /// What was taken and not given back.
    pub(super) fn net(&self) -> i64 {
        self.captured - self.refunded
    }
}

/// A booking at the airline.
#[derive(Clone, Debug)]
pub(super) struct Booking {
    pub(super) locator: String,
    pub(super) state: String,
    pub(super) documents: usize,
}

/// What the other companies have of one order.
#[derive(Clone, Debug, Default)]
pub(super) struct Dealings {
    pub(super) accounts: Vec<Account>,
    pub(super) bookings: Vec<Booking>,
}

impl Dealings {
    pub(super) fn net(&self) -> i64 {
        self.accounts.iter().map(Account::net).sum()
    }

    /// Bookings that are not cancelled.
    pub(super) fn live(&self) -> Vec<&Booking> {
        self.bookings.iter().filter(|booking| booking.state != "cancelled").collect()
    }

    /// Money that is reserved and neither taken nor let go.
    pub(super) fn reserved(&self) -> usize {
        self.accounts.iter().filter(|account| account.status == "reserved").count()
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// By order.
pub(super) fn by_order(journal: &Value) -> BTreeMap<String, Dealings> {
    let mut orders: BTreeMap<String, Dealings> = BTreeMap::new();
    let of = |it: &Value| text(it, "key").split(':').next().unwrap_or_default().to_owned();
    for (id, it) in journal["money"].as_object().into_iter().flatten() {
        let number = |field: &str| it[field].as_i64().unwrap_or_default();
        let (captured, refunded) = (number("captured"), number("refunded"));
        let account = Account { id: id.clone(), status: text(it, "status"), captured, refunded };
        orders.entry(of(it)).or_default().accounts.push(account);
    }
    for (locator, it) in journal["bookings"].as_object().into_iter().flatten() {
        let documents = it["documents"].as_array().map_or(0, Vec::len);
        let booking = Booking { locator: locator.clone(), state: text(it, "state"), documents };
        orders.entry(of(it)).or_default().bookings.push(booking);
    }
    orders
}

/// Copies an entry of which something is so, changes the copy, and adds it; false if there is none.
pub(super) fn plant(
    journal: &mut Value,
    table: &str,
    of: impl Fn(&Value) -> bool,
    change: impl Fn(&mut Value),
) -> bool {
    let Some(entries) = journal[table].as_object_mut() else { return false };
    let Some(mut copy) = entries.values().find(|it| of(it)).cloned() else { return false };
    change(&mut copy);
    entries.insert("planted".to_owned(), copy);
    true
}

/// Changes an entry of which something is so; false if there is none.
pub(super) fn change(
    journal: &mut Value,
    table: &str,
    of: impl Fn(&Value) -> bool,
    change: impl Fn(&mut Value),
) -> bool {
    let entries = journal[table].as_object_mut().into_iter().flatten();
    let Some((_, it)) = entries.into_iter().find(|(_, it)| of(it)) else { return false };
    change(it);
    true
}
