//! I1: no seat is sold twice. What flights hold and have sold is what live orders hold and have
//! bought, and is no more than they have.

use super::{Evidence, Plant};
use crate::seats::UNBALANCED;

pub(super) async fn broken(evidence: &Evidence<'_>) -> Vec<String> {
    let rows = evidence.rows.all(UNBALANCED).await;
    let number = |row: &tokio_postgres::Row, name: &str| -> i64 {
        row.get::<_, Option<i64>>(name).unwrap_or(-1)
    };
    rows.iter()
        .map(|row| {
            let (flight, day): (String, String) = (row.get("flight"), row.get("day"));
            format!(
                "{flight} on {day} has {} seats, {} held and {} sold; its orders hold {} and \
                 bought {}",
                number(row, "capacity"),
                number(row, "held"),
                number(row, "sold"),
                number(row, "held_by_orders"),
                number(row, "sold_to_orders")
            )
        })
        .collect()
}

pub(super) const PLANTS: &[Plant] = &[
    Plant::Rows(
        "UPDATE inventory SET sold = sold - 1 WHERE (flight, departs_on) =
         (SELECT flight, departs_on FROM inventory WHERE sold > 0
          ORDER BY flight, departs_on LIMIT 1)",
    ),
    Plant::Rows(
        "UPDATE seat_hold SET state = 'sold' WHERE order_id =
         (SELECT order_id FROM seat_hold WHERE state = 'released' ORDER BY order_id LIMIT 1)",
    ),
    // What the database itself forbids: first the rule goes, then one seat too many.
    Plant::Rows(
        "UPDATE inventory SET capacity = held + sold WHERE held + sold > 0;
         ALTER TABLE inventory DROP CONSTRAINT inventory_not_oversold;
         UPDATE inventory SET capacity = capacity - 1 WHERE held + sold > 0",
    ),
];
