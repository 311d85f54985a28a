//! What others are told: an event by its name and by ids, never a name, a token or an itinerary.
//!
//! An event has the same id whenever and to whomever it is told, so that whoever hears of it twice
//! can tell.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::ids::{EndpointId, OrderId};
use super::order::RULES;

/// The event that a traveller sends to try an endpoint.
pub const PING: &str = "ping";
/// The event that an order's history begins with.
const REQUESTED: &str = "order.requested";
/// What others know under another name than the order's history: the house's word, the others'.
const TOLD_AS: &[(&str, &str)] =
    &[(REQUESTED, "order.created"), ("ticket.issued", "order.ticketed")];
/// What the text of an event's id begins with.
const PREFIX: &str = "wev_";

/// The id of an event: what it is about, and its number there. It carries no home: it stays the
/// same when its traveller moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId {
    /// The order; of a ping, the endpoint.
    pub about: Uuid,
    /// Rises with every event about the same.
    pub seq: i64,
}

impl EventId {
    /// Reads `wev_hex_seq`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (hex, seq) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let id = Self { about: Uuid::try_parse(hex).ok()?, seq: seq.parse().ok()? };
        // One id has one text.
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_{}", self.about.simple(), self.seq)
    }
}

/// An event on its way out of the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Its name, as others know it.
    pub name: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// What it is about.
    pub subject: Subject,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An order, and its state after the event.
    Order(OrderId, String),
    /// An endpoint that is being tried.
    Endpoint(EndpointId),
}

impl Event {
    /// An event of an order, from its row.
    pub fn of_order(
        order: OrderId,
        seq: i64,
        kind: &str,
        state: String,
        occurred_at: Timestamp,
    ) -> Self {
        Self {
            id: EventId { about: order.uuid(), seq },
            name: told_as(kind).to_owned(),
            occurred_at,
            subject: Subject::Order(order, state),
        }
    }

    /// The bytes that are sent: the same event has the same bytes.
    pub fn body(&self) -> Vec<u8> {
        let mut data = Map::new();
        match &self.subject {
            Subject::Order(order, state) => {
                data.insert("order_id".into(), order.to_string().into());
                data.insert("state".into(), state.as_str().into());
                data.insert("seq".into(), self.id.seq.into());
            }
            Subject::Endpoint(endpoint) => {
                data.insert("webhook_id".into(), endpoint.to_string().into());
            }
        }
        let body = json!({
            "id": self.id.to_string(), "type": self.name, "timestamp": self.occurred_at,
            "data": Value::Object(data),
        });
        serde_json::to_vec(&body).expect("an event is plain data")
    }
}

/// The name under which others know what the order's history calls so.
pub fn told_as(kind: &str) -> &str {
    TOLD_AS.iter().find(|(ours, _)| *ours == kind).map_or(kind, |(_, theirs)| theirs)
}

/// What the order's history calls what others know under this name; `None` when there is no such
/// event.
pub fn kind_of(name: &str) -> Option<&'static str> {
    kinds().find(|kind| told_as(kind) == name)
}

/// Every name that an endpoint may ask for.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = kinds().map(told_as).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn kinds() -> impl Iterator<Item = &'static str> {
    std::iter::once(REQUESTED).chain(RULES.iter().map(|rule| rule.event))
}

#[cfg(test)]
mod tests {
    use meridian_regions::Registry;

    use super::*;

    #[test]
    fn an_event_has_one_id_and_one_text() {
        let id = EventId { about: Uuid::from_u128(7), seq: 12 };
        assert_eq!(id.to_string(), "wev_00000000000000000000000000000007_12");
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
        for text in ["", "wev_", "wev_7_1", "ord_00000000000000000000000000000007_12"] {
            assert_eq!(EventId::parse(text), None, "{text}");
        }
        let hex = "0".repeat(32);
        for text in [
            format!("wev_{hex}_01"),
            format!("wev_{hex}_+1"),
            format!("wev_{hex}"),
            format!("wev_{hex}_1_2"),
            format!("wev_{}_1", Uuid::nil()),
        ] {
            assert_eq!(EventId::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn a_body_holds_ids_only() {
        let registry = Registry::embedded().expect("embedded regions");
        let home = registry.by_name("eu-central").expect("a shipped region");
        let order = OrderId::from_parts(home, Uuid::from_u128(7));
        let at = "2026-11-01T10:00:00Z".parse().expect("a time");
        let event = Event::of_order(order, 4, "ticket.issued", "ticketed".into(), at);
        let body: Value = serde_json::from_slice(&event.body()).expect("JSON");
        let expected = json!({
            "id": "wev_00000000000000000000000000000007_4",
            "type": "order.ticketed",
            "timestamp": "2026-11-01T10:00:00Z",
            "data": {
                "order_id": "ord_euc1_00000000000000000000000000000007",
                "state": "ticketed", "seq": 4,
            },
        });
        assert_eq!(body, expected);
        assert_eq!(event.body(), event.clone().body());
    }

    #[test]
    fn every_name_leads_back_to_one_word_of_the_house() {
        for name in names() {
            assert_eq!(told_as(kind_of(name).expect("a name that is offered")), name);
        }
        for name in ["order.created", "order.held", "order.ticketed", "payment.captured"] {
            assert!(names().contains(&name), "{name}");
        }
        for name in ["ticket.issued", "order.requested", PING, "order.*", ""] {
            assert_eq!(kind_of(name), None, "{name}");
        }
    }
}
