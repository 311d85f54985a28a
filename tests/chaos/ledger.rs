//! What people asked for and what they were answered: the other side of the books.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use reqwest::Response;
use serde_json::Value;

use crate::figures::locked;

/// Headers that belong to a delivery and not to what was answered.
const OF_A_DELIVERY: [&str; 6] =
    ["date", "x-request-id", "traceparent", "idempotent-replayed", "connection", "keep-alive"];

/// An answer, as far as it has to be the same again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Seconds after which one may ask again, if it says so.
    pub(crate) retry_after: Option<u64>,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> reqwest::Result<Self> {
        let status = response.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        let mut headers: BTreeMap<String, String> =
            response.headers().iter().map(|(name, it)| (name.to_string(), text(it))).collect();
        headers.retain(|name, _| !OF_A_DELIVERY.contains(&name.as_str()));
        let retry_after = headers.get("retry-after").and_then(|it| it.parse().ok());
        Ok(Self { status, headers, body: response.bytes().await?.to_vec(), retry_after })
    }

    pub(crate) fn is_yes(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it says that the request is refused, and not only for now.
    pub(crate) fn is_no(&self) -> bool {
        (400..500).contains(&self.status) && self.status != 429
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn text(&self, pointer: &str) -> String {
        let body = self.json();
        body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// A write that somebody asked for under a key.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    /// Who.
    pub(crate) traveller: usize,
    pub(crate) key: String,
    pub(crate) path: String,
    pub(crate) body: Value,
    /// The order's tag that it was made for, if it needs one.
    pub(crate) seen: Option<String>,
    /// Whether it books.
    pub(crate) books: bool,
    /// The first yes.
    pub(crate) yes: Option<Answer>,
    /// The last definite no.
    pub(crate) no: Option<Answer>,
}

/// Everything that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    deeds: Mutex<Vec<Deed>>,
    /// Order -> the highest version that was shown of it.
    seen: Mutex<BTreeMap<String, i64>>,
}

impl Ledger {
    /// Writes a deed down before it is sent; its number.
    pub(crate) fn intend(&self, deed: Deed) -> usize {
        let mut deeds = locked(&self.deeds);
        deeds.push(deed);
        deeds.len() - 1
    }

    pub(crate) fn deed(&self, number: usize) -> Deed {
        locked(&self.deeds)[number].clone()
    }

    pub(crate) fn deeds(&self) -> Vec<Deed> {
        locked(&self.deeds).clone()
    }

    /// Deeds that were answered neither yes nor no.
    pub(crate) fn open(&self) -> Vec<usize> {
        let deeds = locked(&self.deeds);
        (0..deeds.len()).filter(|at| deeds[*at].yes.is_none() && deeds[*at].no.is_none()).collect()
    }

    /// Writes an answer down; in what it differs from the first yes.
    pub(crate) fn note(&self, number: usize, answer: &Answer) -> Option<String> {
        let deed = &mut locked(&self.deeds)[number];
        if answer.is_no() {
            deed.no = Some(answer.clone());
        } else if answer.is_yes() {
            return match &deed.yes {
                Some(first) => difference(first, answer),
                None => {
                    deed.yes = Some(answer.clone());
                    None
                }
            };
        }
        None
    }

    /// A version of an order was shown to its traveller.
    pub(crate) fn saw(&self, order: &str, version: i64) {
        let mut seen = locked(&self.seen);
        let highest = seen.entry(bare(order)).or_default();
        *highest = (*highest).max(version);
    }

    /// Every order that was said to be there, with the highest version that was shown of it.
    pub(crate) fn shown(&self) -> BTreeMap<String, i64> {
        let mut shown = locked(&self.seen).clone();
        for id in self.accepted() {
            shown.entry(id).or_default();
        }
        shown
    }

    /// Bookings that were answered with a yes.
    pub(crate) fn accepted(&self) -> BTreeSet<String> {
        let deeds = locked(&self.deeds);
        let accepted = deeds.iter().filter(|deed| deed.books);
        accepted.filter_map(|deed| Some(bare(&deed.yes.as_ref()?.text("/data/id")))).collect()
    }
}

/// In what a repeated answer differs from the first.
pub(crate) fn difference(first: &Answer, again: &Answer) -> Option<String> {
    if first.status != again.status {
        return Some(format!("{} became {}", first.status, again.status));
    }
    if first.headers != again.headers {
        return Some(format!("{:?} became {:?}", first.headers, again.headers));
    }
    let text = |answer: &Answer| String::from_utf8_lossy(&answer.body).into_owned();
    (first.body != again.body).then(|| format!("{} became {}", text(first), text(again)))
}

/// The number in an order's id, without the tag of its home, as the database writes it.
pub(crate) fn bare(id: &str) -> String {
    let number = id.rsplit('_').next().unwrap_or(id);
    number.parse::<uuid::Uuid>().map_or_else(|_| number.to_owned(), |it| it.to_string())
}

/// Tells the comparison lies that it has to see.
pub(crate) fn check() {
    let headers = BTreeMap::from([("location".to_owned(), "/v1/orders/1".to_owned())]);
    let first = Answer { status: 202, headers, body: b"{}".to_vec(), retry_after: None };
    let other_header = BTreeMap::from([("location".to_owned(), "/v1/orders/2".to_owned())]);
    assert_eq!(difference(&first, &first.clone()), None);
    for lie in [
        Answer { status: 201, ..first.clone() },
        Answer { headers: other_header, ..first.clone() },
        Answer { headers: BTreeMap::new(), ..first.clone() },
        Answer { body: b"{} ".to_vec(), ..first.clone() },
    ] {
        assert!(difference(&first, &lie).is_some(), "{lie:?} is not seen");
    }
}
