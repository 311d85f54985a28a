//! I7: of every event others are told. For each event there is a message in the outbox, and no
//! message is without an event.

use super::{Evidence, Plant};

pub(super) async fn broken(evidence: &Evidence<'_>) -> Vec<String> {
    evidence
        .rows
        .texts(
            "SELECT coalesce(e.order_id, m.order_id)::text || ' ' || coalesce(e.seq, m.seq) ||
                 CASE WHEN m.order_id IS NULL THEN ': nobody is told of ' || e.kind
                      WHEN e.order_id IS NULL THEN ': told of ' || m.topic || ', which never was'
                      ELSE ': told of ' || m.topic || ', which was ' || e.kind END
             FROM order_event AS e
             FULL JOIN outbox AS m
                 ON m.region = e.region AND m.order_id = e.order_id AND m.seq = e.seq
             WHERE m.topic IS DISTINCT FROM e.kind
             ORDER BY 1",
        )
        .await
}

pub(super) const PLANTS: &[Plant] = &[
    Plant::Rows("DELETE FROM outbox WHERE seq = 0"),
    Plant::Rows("UPDATE outbox SET seq = seq + 1000 WHERE seq = 1"),
    Plant::Rows("UPDATE outbox SET topic = 'order.held' WHERE topic = 'payment.captured'"),
];
