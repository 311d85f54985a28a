//! An event, and how it is written into a record.

use jiff::Timestamp;
use rdkafka::message::{Header, OwnedHeaders};

/// The version of CloudEvents that the headers follow.
const SPEC_VERSION: &str = "1.0";
/// What a payload is.
const CONTENT_TYPE: &str = "application/json";
/// Longest name of a topic that brokers take.
const TOPIC_BYTES_MAX: usize = 249;
/// Digits of an event's number, so that numbers compare as text, too.
const SEQ_DIGITS: usize = 10;

/// Something that happened to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id, the same however often it is published.
    pub id: String,
    /// Its name, as `order.confirmed`: the family, a dot, what happened.
    pub kind: String,
    /// Which order; decides the partition.
    pub key: String,
    /// Its number within its order: 0 and up, without a gap.
    pub seq: i64,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// JSON with ids only.
    pub payload: Vec<u8>,
    /// The trace that it belongs to, as W3C Trace Context writes it.
    pub traceparent: Option<String>,
}

impl Event {
    /// The topic of its family, `None` when its kind names none that a broker would take.
    pub(crate) fn topic(&self, prefix: &str) -> Option<String> {
        let (family, rest) = self.kind.split_once('.')?;
        let word = |text: &str| !text.is_empty() && text.bytes().all(is_of_word);
        let topic = format!("{prefix}.{family}");
        (word(family) && rest.split('.').all(word) && topic.len() <= TOPIC_BYTES_MAX)
            .then_some(topic)
    }

    /// The headers: CloudEvents 1.0 in binary mode (its Kafka protocol binding, 3.2), with the
    /// `sequence` extension; `traceparent` as tracing libraries look for it.
    pub(crate) fn headers(&self, source: &str) -> OwnedHeaders {
        let (time, seq) = (self.occurred_at.to_string(), format!("{:0SEQ_DIGITS$}", self.seq));
        let mut pairs = vec![
            ("content-type", CONTENT_TYPE),
            ("ce_specversion", SPEC_VERSION),
            ("ce_id", &self.id),
            ("ce_type", &self.kind),
            ("ce_source", source),
            ("ce_subject", &self.key),
            ("ce_time", &time),
            ("ce_sequence", &seq),
        ];
        if let Some(traceparent) = &self.traceparent {
            pairs.push(("traceparent", traceparent));
        }
        let headers = OwnedHeaders::new_with_capacity(pairs.len());
        pairs.into_iter().fold(headers, |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        })
    }
}

/// Whether a topic's name may be this.
pub(crate) fn is_topic(name: &str) -> bool {
    !name.is_empty() && name.split('.').all(|it| !it.is_empty() && it.bytes().all(is_of_name))
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str) -> Event {
        Event {
            id: "wev_7_3".into(),
            kind: kind.into(),
            key: "ord_euc1_7".into(),
            seq: 3,
            occurred_at: "2026-11-01T10:00:00.25Z".parse().expect("a time"),
            payload: b"{}".to_vec(),
            traceparent: None,
        }
    }

    #[test]
    fn a_kind_leads_to_the_topic_of_its_family() {
        for (kind, topic) in [
            ("order.confirmed", Some("meridian.order")),
            ("payment.captured", Some("meridian.payment")),
            ("order.change.accepted", Some("meridian.order")),
            ("", None),
            ("ping", None),
            (".held", None),
            ("order.", None),
            ("order..held", None),
            ("Order.held", None),
            ("or der.held", None),
        ] {
            assert_eq!(event(kind).topic("meridian").as_deref(), topic, "{kind:?}");
        }
        let long = format!("{}.held", "o".repeat(TOPIC_BYTES_MAX));
        assert_eq!(event(&long).topic("meridian"), None);
    }

    #[test]
    fn a_prefix_is_what_brokers_take() {
        for (prefix, fine) in [
            ("meridian", true),
            ("eu.meridian-2", true),
            ("", false),
            ("a..b", false),
            ("ä", false),
        ] {
            assert_eq!(is_topic(prefix), fine, "{prefix:?}");
        }
    }
}
