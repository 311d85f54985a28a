//! The audit finds what is where it must not be.

use meridian::privacy::audit::{Report, locality};

use crate::asker::{Person, an_offer, hold, id, new_key};
use crate::lab::{Lab, sql};

async fn audit(lab: &Lab) -> Report {
    let store = &lab.running("eu-central").api.store;
    locality(store, &lab.registry).await.unwrap()
}

/// What the audit says of a table, in short.
fn found(report: &Report, table: &str) -> Vec<String> {
    let of_table = report.violations.iter().filter(|found| found.table == table);
    of_table.map(|found| format!("{} {}", found.region, found.why)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_in_order_is_found_in_order() {
    let lab = Lab::start().await;
    let berliner = Person::berliner(&lab).await;
    Person::resident(&lab, "US", "us-east").await;
    let order = id(&berliner.book(&new_key(), &hold(&an_offer(&lab).await)).await.is(202));
    berliner.wait(&order, "held").await;
    let report = audit(&lab).await;
    assert_eq!(report.violations, []);
    let traveller = report.tables.iter().find(|table| table.table == "traveller").unwrap();
    assert_eq!(traveller.rows["eu-central"], 1);
    assert_eq!(traveller.rows["us-east"], 1);
    assert_eq!(traveller.declared, traveller.observed);
    assert_eq!(traveller.places["eu-central"], ["traveller_eu-central"]);
    assert!(!report.limits.is_empty(), "an audit says what it cannot see");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_row_is_found() {
    let lab = Lab::without_worker().await;
    let berliner = Person::berliner(&lab).await;
    berliner.book(&new_key(), &hold(&an_offer(&lab).await)).await.is(202);
    // A German in the American partition, with everything that cascades.
    sql(&lab.database, "UPDATE traveller SET region = 'us-east'").await;
    let report = audit(&lab).await;
    let why = found(&report, "traveller").join(" ");
    assert!(why.contains("us-east this region may not home residents of DE"), "{why}");
    assert_eq!(found(&report, "login_directory").len(), 1, "{:?}", report.violations);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_away_from_its_traveller_is_found() {
    let lab = Lab::without_worker().await;
    let berliner = Person::berliner(&lab).await;
    berliner.book(&new_key(), &hold(&an_offer(&lab).await)).await.is(202);
    for (constraint, table) in [
        ("order_event_order", "order_event"),
        ("session_traveller", "session"),
        ("idempotency_key_traveller", "idempotency_key"),
    ] {
        let plant = format!(
            "ALTER TABLE {table} DROP CONSTRAINT {constraint};
             UPDATE {table} SET region = 'ap-southeast'"
        );
        sql(&lab.database, &plant).await;
        let why = found(&audit(&lab).await, table).join(" ");
        assert!(why.contains("ap-southeast"), "{table}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_or_column_that_nobody_has_explained_is_found() {
    let lab = Lab::without_worker().await;
    sql(&lab.database, "CREATE TABLE marketing_list (email TEXT)").await;
    sql(&lab.database, "ALTER TABLE orders ADD COLUMN nickname TEXT").await;
    let report = audit(&lab).await;
    assert_eq!(found(&report, "marketing_list").len(), 1);
    assert_eq!(found(&report, "orders").len(), 1);
    assert_eq!(report.violations.len(), 2, "{:?}", report.violations);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_of_no_region_is_found() {
    let lab = Lab::without_worker().await;
    let plant = "CREATE TABLE traveller_rest PARTITION OF traveller DEFAULT;
                 CREATE TABLE session_moon PARTITION OF session FOR VALUES IN ('moon')";
    sql(&lab.database, plant).await;
    let report = audit(&lab).await;
    assert_eq!(found(&report, "traveller").len(), 1, "{:?}", report.violations);
    assert_eq!(found(&report, "session").len(), 1, "{:?}", report.violations);
}
