//! What an order costs the database from its acceptance until it is confirmed. Counted, so that
//! nobody adds a COMMIT unseen: each one is a wait for a quorum where replicas are far apart.

use meridian::orders::driver::LetGo;
use meridian::store::Counts;

use crate::asker::{Person, an_offer, id, instant, new_key};
use crate::lab::{Lab, count, driver, parse};

/// Accepted, authorised, confirmed.
#[cfg(test)]
const COMMITS_MAX: u64 = 3;
/// What all of it sends: the session; key, order and seats; two looks, the passengers, two steps,
/// the seats again. BEGIN and COMMIT are round trips only.
#[cfg(test)]
const STATEMENTS_AND_ROUND_TRIPS: (u64, u64) = (9, 15);

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) commits: u64,
    pub(crate) statements: u64,
    pub(crate) round_trips: u64,
    /// Transactions that left one of the order's events behind, as the database tells them apart.
    pub(crate) transactions_with_events: u64,
}

impl Cost {
    fn so_far(counts: &Counts) -> Self {
        let (statements, round_trips) = counts.so_far();
        let commits = counts.commits();
        Self { commits, statements, round_trips, transactions_with_events: 0 }
    }

    fn since(self, before: Self) -> Self {
        Self {
            commits: self.commits - before.commits,
            statements: self.statements - before.statements,
            round_trips: self.round_trips - before.round_trips,
            ..self
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instant_order_is_confirmed_by_three_commits_at_most() {
    let cost = to_confirmed().await;
    assert!(cost.commits <= COMMITS_MAX, "{cost:?}");
    assert_eq!(cost.commits, cost.transactions_with_events, "a COMMIT without an event: {cost:?}");
    assert_eq!((cost.statements, cost.round_trips), STATEMENTS_AND_ROUND_TRIPS);
}

/// Drives one instant order from its request to `confirmed`, by hand, so that no round of a worker
/// is counted among its steps; the bench prints what this returns.
pub(crate) async fn to_confirmed() -> Cost {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let counts = lab.running("eu-central").api.store.counts();
    let driver = driver(&lab);
    // The money cannot be taken yet, so the order stays confirmed.
    lab.fault("capture", "unavailable", 1000).await;
    let before = Cost::so_far(counts);
    let order = parse(&lab, &id(&ada.book(&new_key(), &body).await.is(202)));
    assert_eq!(driver.drive(order, 1).await.unwrap(), LetGo::Postponed);
    let tried = Cost::so_far(counts);
    // The last step was to ask for the money in vain, which is past `confirmed`. It is done once
    // more to see what it costs, and taken off.
    assert_eq!(driver.drive(order, 1).await.unwrap(), LetGo::Postponed);
    let in_vain = Cost::so_far(counts).since(tried);
    let confirmed = "SELECT count(*) FROM orders WHERE state = 'confirmed' AND version = 2";
    assert_eq!(count(&lab.database, confirmed).await, 1, "neither before nor beyond confirmed");
    let writers = "SELECT count(DISTINCT xmin::text) FROM order_event";
    let writers = count(&lab.database, writers).await;
    Cost {
        transactions_with_events: writers.try_into().unwrap(),
        ..tried.since(before).since(in_vain)
    }
}
