//! I7: of every event others are told, at least once, in each order's order, and of nothing else.
//! Nothing waits in the outbox or on its way to a webhook any more.

use meridian::domain::event::told_as;

use super::{Evidence, Plant};

pub(super) async fn broken(evidence: &Evidence<'_>) -> Vec<String> {
    let mut broken = evidence
        .rows
        .texts(
            "SELECT order_id::text || ' ' || seq || ' waits in the outbox' FROM outbox
             UNION ALL
             SELECT about::text || ' ' || seq || ' is ' || state FROM webhook_delivery
             WHERE state <> 'delivered'
             ORDER BY 1",
        )
        .await;
    let rows = "SELECT order_id::text AS id, seq, kind, state FROM order_event ORDER BY 1, 2";
    let mut heard = evidence.heard.events.clone();
    for row in evidence.rows.all(rows).await {
        let (order, seq): (String, i64) = (row.get("id"), row.get("seq"));
        let (kind, state): (String, String) = (row.get("kind"), row.get("state"));
        match heard.remove(&(order.clone(), seq)) {
            None => broken.push(format!("nobody was told of {order} {seq}, {kind}")),
            Some(event) if event.name != told_as(&kind) || event.state != state => {
                broken.push(format!("{order} {seq} is {kind} {state}, told was {event:?}"));
            }
            Some(_) => {}
        }
    }
    broken.extend(heard.iter().map(|(id, event)| format!("told of {id:?} {event:?}, never was")));
    broken.extend(evidence.heard.wrong.iter().cloned());
    broken
}

pub(super) const PLANTS: &[Plant] = &[
    Plant::Rows("DELETE FROM order_event WHERE seq = 0"),
    Plant::Rows("UPDATE order_event SET kind = 'order.held' WHERE kind = 'payment.captured'"),
    Plant::Rows(
        "INSERT INTO outbox (region, order_id, seq, topic, payload)
         SELECT region, order_id, seq, kind, '{}' FROM order_event ORDER BY order_id, seq LIMIT 1",
    ),
    Plant::Rows("UPDATE webhook_delivery SET state = 'pending' WHERE seq = 0"),
    Plant::Heard(|heard| heard.events.pop_first().is_some()),
    Plant::Heard(|heard| {
        let first = heard.events.first_key_value().map(|(_, event)| event.clone());
        first.map(|event| heard.events.insert(("nobody".to_owned(), 0), event)).is_some()
    }),
];
