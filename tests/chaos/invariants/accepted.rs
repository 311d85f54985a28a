//! I3: what was accepted is not lost. Every order that was ever shown is there, no older than it
//! was shown, and at rest; a person has to look only where it says why.

use std::collections::BTreeMap;

use meridian::domain::order::State;

use super::{Evidence, Plant};

pub(super) async fn broken(evidence: &Evidence<'_>) -> Vec<String> {
    let rows =
        evidence.rows.all("SELECT id::text, state, version, failure FROM orders ORDER BY id").await;
    let mut broken = Vec::new();
    let mut versions: BTreeMap<String, i64> = BTreeMap::new();
    for row in rows {
        let (id, state): (String, String) = (row.get("id"), row.get("state"));
        match state.parse::<State>() {
            Ok(State::ManualReview) if row.get::<_, Option<String>>("failure").is_none() => {
                broken.push(format!("{id} waits for a person, and nobody knows why"));
            }
            Ok(state) if state.rests() => {}
            _ => broken.push(format!("{id} is still {state}")),
        }
        versions.insert(id, row.get("version"));
    }
    for (id, shown) in evidence.ledger.shown() {
        match versions.get(&id) {
            None => broken.push(format!("{id} was accepted and is not there")),
            Some(version) if *version < shown => {
                broken.push(format!("{id} was shown at {shown} and is at {version}"));
            }
            Some(_) => {}
        }
    }
    broken
}

pub(super) const PLANTS: &[Plant] = &[
    Plant::Rows(
        "DELETE FROM orders WHERE id = (SELECT id FROM orders WHERE state = 'ticketed'
         ORDER BY id LIMIT 1)",
    ),
    Plant::Rows(
        "UPDATE orders SET state = 'confirmed' WHERE id = (SELECT id FROM orders
         WHERE state = 'ticketed' ORDER BY id LIMIT 1)",
    ),
    Plant::Rows("UPDATE orders SET version = 0"),
    Plant::Rows(
        "UPDATE orders SET state = 'manual_review', failure = NULL WHERE id = (SELECT id FROM orders
         WHERE state = 'ticketed' ORDER BY id LIMIT 1)",
    ),
];
