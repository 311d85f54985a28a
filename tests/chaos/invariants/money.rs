//! I4: money and state agree. Ticketed is paid for in full, by payments that the order knows, with
//! a booking and tickets; what came to nothing cost nothing and has no booking.

use meridian::domain::order::State;

use super::journal::{Dealings, by_order, change};
use super::{Evidence, Plant};

/// An order, as its row has it.
struct Row {
    state: State,
    total: i64,
    payments: Vec<String>,
    booking: Option<String>,
    documents: i64,
}

pub(super) async fn broken(evidence: &Evidence<'_>) -> Vec<String> {
    let rows = evidence
        .rows
        .all(
            "SELECT o.id::text, o.state, o.total_minor, o.booking_reference,
                 coalesce(jsonb_array_length(o.documents), 0)::int8 AS documents,
                 ARRAY(
                     SELECT p.reference FROM order_payment AS p
                     WHERE p.region = o.region AND p.order_id = o.id AND p.state = 'captured'
                 ) AS payments
             FROM orders AS o
             ORDER BY o.id",
        )
        .await;
    let dealings = by_order(&evidence.journal);
    let nothing = Dealings::default();
    rows.iter()
        .filter_map(|row| {
            let id: String = row.get("id");
            let state = row.get::<_, String>("state").parse().ok()?;
            let order = Row {
                state,
                total: row.get("total_minor"),
                payments: row.get("payments"),
                booking: row.get("booking_reference"),
                documents: row.get("documents"),
            };
            let dealings = dealings.get(&id).unwrap_or(&nothing);
            let why = disagreement(&order, dealings)?;
            Some(format!("{id} is {state}, but {why}: {dealings:?}"))
        })
        .collect()
}

fn disagreement(order: &Row, others: &Dealings) -> Option<&'static str> {
    let live = others.live();
    match order.state {
        State::Ticketed | State::Disrupted => {
            let mut charges = others.accounts.iter().filter(|it| it.net() != 0);
            let paid =
                charges.all(|it| order.payments.contains(&it.id)) && others.net() == order.total;
            let booked = live.iter().any(|it| Some(&it.locator) == order.booking.as_ref());
            let tickets = live.iter().all(|it| it.state == "ticketed" && it.documents > 0);
            match (paid, booked, tickets && order.documents > 0) {
                (false, _, _) => Some("it is not paid"),
                (_, false, _) => Some("the airline has no such booking"),
                (_, _, false) => Some("there are no tickets"),
                _ => None,
            }
        }
        State::Failed | State::Expired | State::Cancelled | State::Refunded => {
            if others.net() != 0 {
                Some("money was taken")
            } else if !live.is_empty() {
                Some("a booking is left")
            } else {
                None
            }
        }
        _ => None,
    }
}

pub(super) const PLANTS: &[Plant] = &[
    Plant::Journal(|journal| {
        let charged = |it: &serde_json::Value| it["status"] == "captured" && it["refunded"] == 0;
        change(journal, "money", charged, |it| it["captured"] = 0.into())
    }),
    Plant::Journal(|journal| {
        let refunded = |it: &serde_json::Value| it["refunded"].as_i64() > Some(0);
        change(journal, "money", refunded, |it| it["refunded"] = 0.into())
    }),
    Plant::Journal(|journal| {
        change(
            journal,
            "bookings",
            |it| it["state"] == "cancelled",
            |it| {
                it["state"] = "booked".into();
            },
        )
    }),
    Plant::Rows(
        "UPDATE orders SET state = 'failed' WHERE id = (SELECT id FROM orders
         WHERE state = 'ticketed' ORDER BY id LIMIT 1)",
    ),
    Plant::Rows(
        "UPDATE orders SET documents = NULL WHERE id = (SELECT id FROM orders
         WHERE state = 'ticketed' ORDER BY id LIMIT 1)",
    ),
];
