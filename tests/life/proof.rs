//! What has to hold after every phase: every personal row in its jurisdiction, no seat sold twice,
//! every accepted order at a good end, nobody charged twice. It looks beside the program's own
//! store, at the rows and at the other companies' journal.

use std::collections::BTreeSet;
use std::time::Duration;

use meridian::store::datamap::{self, Class};
use serde_json::Value;

use crate::figures::Figures;
use crate::files::{MOVED, NEW};
use crate::house::House;
use crate::process::until;
use crate::seats::UNBALANCED;

/// Longest that an accepted order may take to its end, a lease of a dead node included.
const ORDER_PATIENCE: Duration = Duration::from_secs(40);

/// States on the way to tickets, the detours around a company that does not answer included.
const UNDER_WAY: &str = "'pending', 'authorized', 'confirming', 'unknown', 'confirmed',
     'payment_retry', 'paid', 'ticketing_retry'";

/// Orders whose money may be taken.
const CHARGEABLE: &str = "SELECT count(*) FROM orders
     WHERE state IN ('confirmed', 'payment_retry', 'paid', 'ticketing_retry', 'ticketed')";

/// What was found, over all looks.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    pub(crate) audits: u64,
    pub(crate) violations: usize,
    pub(crate) oversold: i64,
    pub(crate) charged_twice: i64,
    /// Orders without a good end, or that nobody has heard of though they were accepted.
    pub(crate) orders_lost: i64,
    /// Promises that were broken, in words.
    pub(crate) broken: Vec<String>,
}

impl Proof {
    pub(crate) fn holds(&self) -> bool {
        let seats_and_money = self.oversold + self.charged_twice + self.orders_lost;
        self.violations == 0 && seats_and_money == 0 && self.broken.is_empty()
    }

    pub(crate) fn check(&mut self, so: bool, otherwise: impl FnOnce() -> String) {
        if !so {
            let words = otherwise();
            eprintln!("           broken: {words}");
            self.broken.push(words);
        }
    }

    /// Looks while the crowd goes on.
    pub(crate) async fn look(&mut self, house: &House) {
        self.orders_end(house).await;
        self.audit(house).await;
        self.seats(house).await;
        // The journal first: what was taken by then belongs to an order that is as far by now.
        let captured = money(&house.journal().await, "captured");
        let chargeable = count(house, CHARGEABLE).await;
        self.charged(captured - chargeable);
    }

    /// Looks when nobody asks for anything any more: the books agree to the last order.
    pub(crate) async fn balance(&mut self, house: &House, figures: &Figures) -> i64 {
        self.look(house).await;
        let ticketed = count(house, "SELECT count(*) FROM orders WHERE state = 'ticketed'").await;
        let journal = house.journal().await;
        self.charged((money(&journal, "captured") - ticketed).abs());
        let reserved = money(&journal, "reserved");
        self.check(reserved == 0, || format!("{reserved} reservations of money were left"));
        let accepted: BTreeSet<String> = figures.accepted().iter().map(|it| bare(it)).collect();
        let known = texts(house, "SELECT id::text FROM orders WHERE state = 'ticketed'").await;
        let known: BTreeSet<String> = known.iter().map(|id| bare(id)).collect();
        let lost = accepted.difference(&known).count();
        self.lost(i64::try_from(lost).unwrap(), "were accepted and are not ticketed");
        ticketed
    }

    /// Every order that is there by now comes to its end, and the end is tickets: no card of the
    /// crowd is declined and no airline refuses.
    async fn orders_end(&mut self, house: &House) {
        let now = texts(house, "SELECT now()::text").await.remove(0);
        let under_way = format!(
            "SELECT count(*) FROM orders WHERE created_at <= '{now}'
             AND state IN ({UNDER_WAY})"
        );
        let ended = || async { count(house, &under_way).await == 0 };
        if !until(ORDER_PATIENCE, ended).await {
            self.lost(count(house, &under_way).await, "do not come to an end");
        }
        let bad =
            format!("SELECT count(*) FROM orders WHERE state NOT IN ({UNDER_WAY}, 'ticketed')");
        self.lost(count(house, &bad).await, "came to a bad end");
    }

    fn lost(&mut self, orders: i64, how: &str) {
        if orders > 0 {
            eprintln!("           broken: {orders} orders {how}");
            self.orders_lost = self.orders_lost.max(orders);
        }
    }

    fn charged(&mut self, twice: i64) {
        if twice > 0 {
            eprintln!("           broken: {twice} charges without an order");
            self.charged_twice = self.charged_twice.max(twice);
        }
    }

    async fn seats(&mut self, house: &House) {
        let oversold = format!("SELECT count(*) FROM ({UNBALANCED}) AS flights");
        let oversold = count(house, &oversold).await;
        if oversold > 0 {
            eprintln!("           broken: the seats of {oversold} flights do not agree");
            self.oversold = self.oversold.max(oversold);
        }
    }

    async fn audit(&mut self, house: &House) {
        let (code, said, complained) = house.run(&["audit", "locality", "--json"]).await;
        assert!(code == 0 || code == 2, "the audit could not tell: {said}{complained}");
        let report: Value = serde_json::from_str(&said).unwrap();
        let found = report["violations"].as_array().unwrap();
        self.audits += 1;
        self.violations += found.len();
        for violation in found {
            eprintln!("           broken: the audit finds {violation}");
        }
    }

    /// Nothing is left of the region that was removed: no row and no partition.
    pub(crate) async fn is_gone(&mut self, house: &House) {
        let partitions = format!(
            "SELECT count(*) FROM pg_class WHERE relispartition AND relname LIKE '%\\_{NEW}'"
        );
        let left = count(house, &partitions).await;
        self.check(left == 0, || format!("{left} partitions of {NEW} are left"));
        for (table, about) in datamap::tables() {
            if about.class != Class::Global {
                let rows = format!("SELECT count(*) FROM {table} WHERE region::text = '{NEW}'");
                let left = count(house, &rows).await;
                self.check(left == 0, || format!("{left} rows of {table} are left in {NEW}"));
            }
        }
    }
}

/// Travellers of the countries that move, who are at home in a region.
pub(crate) async fn at_home(house: &House, region: &str) -> i64 {
    let countries = MOVED.map(|country| format!("'{country}'")).join(", ");
    let travellers = format!(
        "SELECT count(*) FROM traveller
         WHERE region::text = '{region}' AND residence_country IN ({countries})"
    );
    count(house, &travellers).await
}

/// Flights whose seats a region keeps.
pub(crate) async fn kept(house: &House, region: &str) -> i64 {
    let flights = format!("SELECT count(*) FROM inventory WHERE region::text = '{region}'");
    count(house, &flights).await
}

/// Reservations of money that are so far, by the other company's books.
fn money(journal: &Value, status: &str) -> i64 {
    let accounts = journal["money"].as_object().unwrap();
    i64::try_from(accounts.values().filter(|it| it["status"] == status).count()).unwrap()
}

/// The number in an order's id, without the tag of its home.
fn bare(id: &str) -> String {
    id.rsplit('_').next().unwrap_or(id).replace('-', "")
}

async fn count(house: &House, statement: &str) -> i64 {
    rows(house, statement).await[0].get(0)
}

async fn texts(house: &House, statement: &str) -> Vec<String> {
    rows(house, statement).await.iter().map(|row| row.get(0)).collect()
}

#[expect(clippy::disallowed_methods, reason = "a proof looks beside the store")]
async fn rows(house: &House, statement: &str) -> Vec<tokio_postgres::Row> {
    let connected = tokio_postgres::connect(&house.database(), tokio_postgres::NoTls).await;
    let (client, connection) = connected.unwrap();
    let driving = tokio::spawn(connection);
    let rows = client.query(statement, &[]).await.unwrap();
    drop(client);
    driving.await.unwrap().unwrap();
    rows
}
