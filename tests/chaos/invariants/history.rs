//! I6: an order's history is dense and legal: numbered from 0 without a gap, each event allowed by
//! the table of the order's life after the one before it, and the order is what it leads to.

use meridian::domain::order::{RULES, State};

use super::{Evidence, Plant};

/// The event that every history begins with.
const FIRST: (&str, State) = ("order.requested", State::Pending);

/// An event, or an order without one.
struct Event {
    order: String,
    /// Of the order's row.
    state: String,
    version: i64,
    seq: Option<i64>,
    kind: Option<String>,
    /// After the event.
    became: Option<String>,
}

pub(super) async fn broken(evidence: &Evidence<'_>) -> Vec<String> {
    let rows = evidence
        .rows
        .all(
            "SELECT o.id::text AS id, o.state, o.version, e.seq, e.kind, e.state AS became
             FROM orders AS o
             LEFT JOIN order_event AS e ON e.region = o.region AND e.order_id = o.id
             ORDER BY o.id, e.seq",
        )
        .await;
    let events: Vec<Event> = rows
        .iter()
        .map(|row| Event {
            order: row.get("id"),
            state: row.get("state"),
            version: row.get("version"),
            seq: row.get("seq"),
            kind: row.get("kind"),
            became: row.get("became"),
        })
        .collect();
    let histories = events.chunk_by(|one, next| one.order == next.order);
    histories
        .filter_map(|history| Some(format!("{}: {}", history[0].order, fault(history)?)))
        .collect()
}

/// What is wrong with a history.
fn fault(history: &[Event]) -> Option<String> {
    let mut before: Option<State> = None;
    for (number, event) in history.iter().enumerate() {
        if event.seq != i64::try_from(number).ok() {
            return Some(format!("event {number} is numbered {:?}", event.seq));
        }
        let kind = event.kind.as_deref().unwrap_or_default();
        let became: State = match event.became.as_deref().unwrap_or_default().parse() {
            Ok(became) => became,
            Err(error) => return Some(format!("event {number}: {error}")),
        };
        let legal = match before {
            None => (kind, became) == FIRST,
            Some(from) => {
                RULES.iter().any(|rule| (rule.from, rule.event, rule.to) == (from, kind, became))
            }
        };
        if !legal {
            let path: Vec<&str> = history.iter().filter_map(|it| it.kind.as_deref()).collect();
            return Some(format!("{kind} may not follow {before:?}: {}", path.join(", ")));
        }
        before = Some(became);
    }
    let order = history.last()?;
    let folded = before.map(State::name);
    let version = i64::try_from(history.len()).ok()? - 1;
    (folded != Some(order.state.as_str()) || version != order.version).then(|| {
        format!(
            "its events lead to {folded:?} at {version}, it is {} at {}",
            order.state, order.version
        )
    })
}

pub(super) const PLANTS: &[Plant] = &[
    Plant::Rows("DELETE FROM order_event WHERE seq = 1"),
    Plant::Rows(
        "UPDATE order_event SET seq = seq + 1 WHERE seq = (SELECT max(seq) FROM order_event)",
    ),
    Plant::Rows("UPDATE order_event SET kind = 'order.held' WHERE kind = 'payment.captured'"),
    Plant::Rows("UPDATE order_event SET state = 'held' WHERE kind = 'payment.captured'"),
    Plant::Rows("UPDATE orders SET state = 'failed' WHERE state = 'ticketed'"),
    Plant::Rows("UPDATE orders SET version = version + 1"),
    Plant::Rows("DELETE FROM order_event"),
];
