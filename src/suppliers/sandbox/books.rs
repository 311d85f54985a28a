//! What the sandbox's companies remember: every key with its answer, every reservation of money,
//! every booking. Pure; one thread at a time.

use std::collections::{BTreeMap, HashMap};

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::airline::Booking;
use super::faults::Faults;
use super::payments::Account;

/// With what a company says no for good; any other no may be a yes the next time.
const DEFINITE: [&str; 9] = [
    "declined",
    "authentication_failed",
    "capture_failed",
    "sold_out",
    "price_changed",
    "documents_invalid",
    "ticketing_failed",
    "not_changeable",
    "key_closed",
];

/// An answer.
pub(super) type Reply = (StatusCode, Value);

/// Which company a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Company {
    Payments,
    Airline,
}

/// What is kept under a key.
pub(super) struct Kept {
    operation: &'static str,
    /// Of the request; a closed key fits every one.
    fingerprint: Option<[u8; 32]>,
    reply: Reply,
    /// How often it was asked.
    asked: u64,
}

/// Everything that is remembered.
pub(super) struct Books {
    keys: HashMap<(Company, String), Kept>,
    /// Where to tell what happened under a key.
    pub(super) callback_urls: HashMap<(Company, String), String>,
    /// Operation -> how many calls came, whatever became of them.
    asked: BTreeMap<&'static str, u64>,
    /// Operation -> how often it was done: once a key.
    done: BTreeMap<&'static str, u64>,
    /// By its id.
    pub(super) accounts: HashMap<String, Account>,
    /// By its record locator.
    pub(super) bookings: HashMap<String, Booking>,
    /// By its key: what a slow airline is still working on.
    pub(super) under_way: HashMap<String, Booking>,
    /// Key of an authorisation or booking -> its id or locator.
    pub(super) made: HashMap<(Company, String), String>,
    pub(super) faults: Faults,
    count: u64,
    lost: u64,
}

impl Books {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            keys: HashMap::new(),
            callback_urls: HashMap::new(),
            asked: BTreeMap::new(),
            done: BTreeMap::new(),
            accounts: HashMap::new(),
            bookings: HashMap::new(),
            under_way: HashMap::new(),
            made: HashMap::new(),
            faults: Faults::new(seed),
            count: 0,
            lost: 0,
        }
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.take(1)
    }

    /// The first of so many numbers, none of which is anybody else's.
    pub(super) fn take(&mut self, numbers: u64) -> u64 {
        let first = self.count + 1;
        self.count += numbers;
        first
    }

    /// Whether the connection is cut this time: every second lost answer.
    pub(super) fn cut_this_time(&mut self) -> bool {
        self.lost += 1;
        self.lost.is_multiple_of(2)
    }

    pub(super) fn count_asked(&mut self, operation: &'static str) {
        *self.asked.entry(operation).or_default() += 1;
    }

    pub(super) fn count_done(&mut self, operation: &'static str) {
        *self.done.entry(operation).or_default() += 1;
    }

    /// Answers a key once and for all, and says how often it was asked; the work is done only the
    /// first time. Only a yes and a definite no are kept.
    pub(super) fn once(
        &mut self,
        operation: &'static str,
        key: (Company, &str),
        fingerprint: [u8; 32],
        work: impl FnOnce(&mut Self) -> Reply,
    ) -> (Reply, u64) {
        let key = (key.0, key.1.to_owned());
        if let Some(kept) = self.keys.get_mut(&key) {
            if kept.fingerprint.is_some_and(|other| other != fingerprint) {
                let code = json!({ "code": "idempotency_mismatch" });
                return ((StatusCode::UNPROCESSABLE_ENTITY, code), 0);
            }
            kept.asked += 1;
            return (kept.reply.clone(), kept.asked);
        }
        let reply = work(self);
        let code = reply.1["code"].as_str().unwrap_or_default();
        if reply.0.is_success() || DEFINITE.contains(&code) {
            let fingerprint = Some(fingerprint);
            let kept = Kept { operation, fingerprint, reply: reply.clone(), asked: 1 };
            self.keys.insert(key, kept);
        }
        // Who is still working on it has not done it yet.
        if reply.0.is_success() && reply.0 != StatusCode::ACCEPTED {
            self.count_done(operation);
        }
        (reply, 1)
    }

    /// What a key is answered from now on: it was said before that the work was under way.
    pub(super) fn decide(&mut self, key: (Company, &str), reply: Reply) {
        if let Some(kept) = self.keys.get_mut(&(key.0, key.1.to_owned())) {
            if reply.0.is_success() {
                *self.done.entry(kept.operation).or_default() += 1;
            }
            kept.reply = reply;
        }
    }

    /// Closes a key: nothing is done under it any more. A no that was said remains.
    pub(super) fn close(&mut self, operation: &'static str, key: (Company, &str)) {
        let closed = (StatusCode::CONFLICT, json!({ "code": "key_closed" }));
        let kept = self.keys.entry((key.0, key.1.to_owned())).or_insert(Kept {
            operation,
            fingerprint: None,
            reply: closed.clone(),
            asked: 0,
        });
        if kept.reply.0.is_success() {
            kept.reply = closed;
        }
    }

    /// All that was done, or only what was done under keys that begin so.
    pub(super) fn journal(&self, begin: &str, now: jiff::Timestamp) -> Value {
        let keys = |company: Company| -> serde_json::Map<String, Value> {
            let mine =
                self.keys.iter().filter(|((of, key), _)| *of == company && key.starts_with(begin));
            mine.map(|((_, key), kept)| (key.clone(), kept.journal())).collect()
        };
        let accounts = self.accounts.iter().filter(|(_, it)| it.key.starts_with(begin));
        let accounts = accounts.map(|(id, it)| (id.clone(), it.journal(now)));
        let bookings = self.bookings.iter().filter(|(_, it)| it.key.starts_with(begin));
        let bookings = bookings.map(|(locator, it)| (locator.clone(), it.journal()));
        json!({
            "done": self.done,
            "asked": self.asked,
            "keys": {
                "payments": keys(Company::Payments),
                "airline": keys(Company::Airline),
            },
            "money": accounts.collect::<serde_json::Map<_, _>>(),
            "bookings": bookings.collect::<serde_json::Map<_, _>>(),
        })
    }
}

impl Kept {
    fn journal(&self) -> Value {
        let code = &self.reply.1["code"];
        json!({
            "operation": self.operation, "status": self.reply.0.as_u16(), "code": code,
            "asked": self.asked,
        })
    }
}
