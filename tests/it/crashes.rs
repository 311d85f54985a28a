//! A node dies at every crash point of an order's life, one after the other; another finishes what
//! it left. Each point is a test with the point's name.
//!
//! The dying node stands in this process: from its point on it commits nothing and asks nobody, its
//! lease stays, and its clients hear nothing. `rows.rs` has real processes die in the same way.
//!
//! `order_advance` and `order_postpone` are written many times in one life. The first of them dies
//! here under its own name; the others die as what stands next to them: nothing is between a step's
//! COMMIT and the next call, and nothing but the decision between an answer and its COMMIT.

mod stories;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use meridian::node::Node;
use meridian::store::crash::{CrashPoint, Death, Moment};
use regex::Regex;
use tokio::time::timeout;

use crate::asker::{Answer, Person, an_offer, hold, id, instant, new_key};
use crate::lab::{Lab, PATIENCE, Plan, count, sql, until};
use stories::Story;

/// Pause between two looks at an order.
const PAUSE: Duration = Duration::from_millis(20);

/// Two tests for each name: the node dies before it and after it.
macro_rules! crash_points {
    ($moments:ident: $($of:ident in $story:ident,)*) => {
        $(mod $of {
            use crate::crashes::stories::Story;

            #[tokio::test(flavor = "multi_thread")]
            async fn before() {
                crate::crashes::survive(super::$moments[0], stringify!($of), Story::$story).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn after() {
                crate::crashes::survive(super::$moments[1], stringify!($of), Story::$story).await;
            }
        })*

        /// What has its two tests.
        pub(super) const TESTED: &[&str] = &[$(stringify!($of)),*];
    };
}

mod call {
    use meridian::store::crash::Moment;

    const CALL: [Moment; 2] = [Moment::BeforeCall, Moment::AfterCall];
    crash_points! { CALL:
        price in Paid,
        authorize in Paid,
        book in Paid,
        capture in Paid,
        tickets in Paid,
        airline_change in AirlineMoves,
        authorization in CardholderComes,
        close_authorization in CardholderStaysAway,
        hold in HeldAndPaid,
        confirm in HeldAndPaid,
        release_hold in HeldAndForgotten,
        void in SoldOut,
        close_booking in AirlineIsSilent,
        cancel in Cancelled,
        refund in Cancelled,
        change in Changed,
        accept_change in AirlineMovesAndIsFollowed,
    }
}

mod commit {
    use meridian::store::crash::Moment;

    const COMMIT: [Moment; 2] = [Moment::BeforeCommit, Moment::AfterCommit];
    crash_points! { COMMIT:
        order_accept in Paid,
        order_advance in Paid,
        order_postpone in ProviderIsAway,
        order_act in HeldAndPaid,
        order_claim in TakenOver,
        order_nudge in CardholderComes,
        idempotency_get in AskedAgainMuchLater,
        idempotency_put in PaidTwice,
        quote_insert in Changed,
    }

    /// Transactions that are not of an order's life, and who looks after them.
    pub(super) const OTHERS: &[(&str, &[&str])] = &[
        (
            "rows 22 in relay.rs: told again with the same id",
            &[
                "outbox_fan_out",
                "stream_taken",
                "relay_claim",
                "lease_renew",
                "lease_release",
                "leases_forget",
                "delivery_claim",
                "delivery_settle",
                "delivery_retry",
                "deliveries_let_go",
                "endpoint_disable",
            ],
        ),
        (
            "endpoints.rs and webhooks.rs: an endpoint is there or not",
            &[
                "endpoint_insert",
                "endpoint_rotate",
                "endpoint_delete",
                "ping_insert",
                "delivery_redeliver",
            ],
        ),
        (
            "accounts.rs and transactions.rs: whoever signs up or logs in asks again",
            &["traveller_sign_up", "session_open", "session_close"],
        ),
        ("moving.rs: a traveller moves whole or not at all", &["traveller_rehome", "seats_rehome"]),
        (
            "rights.rs: whoever asks is answered the same again, and a worker goes on",
            &[
                "consent_put",
                "processing_set",
                "traveller_rectify",
                "export_ask",
                "export_read",
                "export_finish",
                "export_fetch",
                "erasure_ask",
                "erasure_confirm",
                "erasure_look",
                "erasure_finish",
                "erasure_repeat",
                "tombstone_put",
            ],
        ),
        (
            "lifecycle.rs: a step goes on after a crash",
            &["drain_set", "drain_clear", "life_set", "step_begin", "step_end", "region_let_go"],
        ),
        (
            "evidence.rs: what happened is linked once, by whoever has the turn",
            &["evidence_link", "evidence_checkpoint"],
        ),
        ("evidence.rs: only looks", &["audit_places", "audit_keys"]),
        ("keys.rs: a rotation goes on where it was", &["data_key_rewrap", "rotation_note"]),
        (
            "staff.rs: somebody of the house asks again",
            &["grant_put", "grant_delete", "staff_note"],
        ),
        ("looked at again at the next look", &["verdict_put"]),
        ("ledger.rs: what was counted since the last time is lost", &["ledger_write"]),
        ("oversell.rs: an operator says it again", &["oversell"]),
        ("written again by every node that starts", &["release_claim", "keepers_claim"]),
        (
            "forgotten at the next look",
            &[
                "session_purge",
                "idempotency_blank",
                "idempotency_purge",
                "moved_session_purge",
                "delivery_purge",
                "stream_purge",
                "retention_sweep",
            ],
        ),
    ];
}

/// A node that will die, whoever asks it, and in the end the node that takes over.
struct Scene {
    lab: Lab,
    ada: Person,
    point: CrashPoint,
    victim: Node,
    heir: Option<Node>,
    /// Accepted before the victim started, and nobody drives it.
    waiting: Option<String>,
}

impl Scene {
    async fn begin(point: CrashPoint, story: Story) -> Self {
        let quiet = Plan { work: false, regions: vec!["eu-central"], ..Plan::default() };
        let lab = Lab::plan(quiet).await;
        let ada = Person::berliner(&lab).await;
        let mut waiting = None;
        if story == Story::TakenOver {
            let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
            waiting = Some(id(&ada.book(&new_key(), &body).await.is(202)));
            leases_run_out(&lab).await;
        }
        let crash_at = Some((point.clone(), Death::Node));
        let victim = lab.another("eu-central", &Plan { crash_at, ..Plan::default() }).await;
        Self { lab, ada, point, victim, heir: None, waiting }
    }

    /// Asks the node that lives. A client that was not answered asks the next one, and says the
    /// same.
    async fn ask<Fut>(&mut self, ask: impl Fn(Person) -> Fut) -> Answer
    where
        Fut: Future<Output = Answer>,
    {
        if self.heir.is_none() {
            let asked = ask(self.ada.via(&format!("http://{}", self.victim.address)));
            let crash = self.victim.api.store.faults().crash();
            tokio::select! {
                biased;
                () = crash.death() => {}
                answer = asked => return answer,
            }
        }
        ask(self.heir().await).await
    }

    /// Asks the node that took over, which starts now if it has not.
    async fn heir(&mut self) -> Person {
        if self.heir.is_none() {
            leases_run_out(&self.lab).await;
            self.heir = Some(self.lab.another("eu-central", &Plan::default()).await);
        }
        let heir = self.heir.as_ref().expect("it was just started");
        self.ada.via(&format!("http://{}", heir.address))
    }

    async fn book(&mut self, body: &serde_json::Value) -> String {
        let key = new_key();
        let accepted = self.ask(async |ada: Person| ada.book(&key, body).await).await.is(202);
        id(&accepted)
    }

    async fn book_now(&mut self, name: &str, token: &str) -> String {
        let body = instant(&an_offer(&self.lab).await, name, token);
        self.book(&body).await
    }

    async fn hold(&mut self) -> String {
        let body = hold(&an_offer(&self.lab).await);
        let order = self.book(&body).await;
        self.wait("held").await;
        order
    }

    /// Waits until the only order is in a state, whoever drives it.
    async fn wait(&mut self, state: &str) {
        let so = format!("SELECT count(*) FROM orders WHERE state = '{state}'");
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if count(&self.lab.database, &so).await == 1 {
                return;
            }
            // Pauses between two tries are no part of the story.
            let hurry = "UPDATE orders SET due_at = now() WHERE lease_until IS NULL
                AND state <> 'held' AND due_at BETWEEN now() AND now() + interval '1 minute'";
            sql(&self.lab.database, hurry).await;
            let crash = self.victim.api.store.faults().crash();
            if self.heir.is_some() {
                tokio::time::sleep(PAUSE).await;
            } else if timeout(PAUSE, crash.death()).await.is_ok() {
                self.heir().await;
            }
        }
        panic!("{}: the order is never {state}", self.point);
    }

    /// Time passes for orders in a state, and for nothing else.
    async fn later(&self, state: &str, set: &str) {
        let later = format!("UPDATE orders SET due_at = now(), {set} WHERE state = '{state}'");
        sql(&self.lab.database, &later).await;
    }

    /// The node has died where it should, and the next one finishes what there is to do.
    async fn end(&mut self, state: &str) {
        let crash = self.victim.api.store.faults().crash();
        let died = timeout(PATIENCE, crash.death()).await;
        assert!(died.is_ok(), "{}: the story does not lead there", self.point);
        self.heir().await;
        self.wait(state).await;
        until("nobody has anything to do", || async {
            let busy = "SELECT count(*) FROM orders
                        WHERE lease_until IS NOT NULL OR due_at < now() + interval '1 minute'";
            count(&self.lab.database, busy).await == 0
        })
        .await;
    }
}

/// As if the node that holds them had been dead for a while.
async fn leases_run_out(lab: &Lab) {
    let past = "UPDATE orders SET lease_until = now() - interval '1 second'
                WHERE lease_until IS NOT NULL";
    sql(&lab.database, past).await;
}

/// Plays a story in which the node dies at a point, and looks at what is there in the end.
async fn survive(moment: Moment, of: &str, story: Story) {
    let point = CrashPoint { moment, of: of.to_owned() };
    let (mut scene, end) = (Scene::begin(point.clone(), story).await, story.end());
    let order = story.play(&mut scene).await;
    scene.end(end.state).await;

    let seen = scene.heir().await;
    assert_eq!(seen.events(&order).await.join(" "), end.events, "{point}");
    let one = count(&scene.lab.database, "SELECT count(*) FROM orders").await;
    assert_eq!(one, 1, "{point}: one order");
    let flies = ["ticketed", "disrupted"].contains(&end.state);
    assert_eq!(scene.lab.seats().await, (0, i64::from(flies)), "{point}: seats");

    let books = scene.lab.books().await;
    for operation in stories::DEEDS {
        let wanted = end.done.split(' ').filter(|it| *it == operation).count();
        let done = books["done"][operation].as_u64().unwrap_or(0);
        assert_eq!(done, wanted as u64, "{point}: {operation} was done {done} times");
    }
    let money = || books["money"].as_object().unwrap().values();
    let sum = |what: &str| money().map(|it| it[what].as_i64().unwrap()).sum::<i64>();
    let owed = count(&scene.lab.database, "SELECT total_minor FROM orders").await;
    let kept = sum("captured") - sum("refunded");
    assert_eq!(kept, if flies { owed } else { 0 }, "{point}: money that was kept");
    assert!(money().all(|it| it["status"] != "reserved"), "{point}: {books}");
    let bookings = books["bookings"].as_object().unwrap().values();
    let live: Vec<_> = bookings.filter(|it| it["state"] != "cancelled").collect();
    assert_eq!(live.len(), usize::from(flies), "{point}: {live:?}");
    assert!(live.iter().all(|it| it["state"] == "ticketed"), "{point}: {live:?}");
}

/// All of our own source, one text.
fn source(dir: &Path, into: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source(&path, into);
        } else {
            into.push_str(&std::fs::read_to_string(path).unwrap_or_default());
        }
    }
}

fn found(pattern: &str, text: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).unwrap();
    pattern.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

fn names<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> BTreeSet<String> {
    names.into_iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_call_that_there_is_has_its_two_tests() {
    let saga = include_str!("../../src/orders/saga/mod.rs");
    let body = saga.split_once("pub fn name(&self) -> &'static str {").unwrap().1;
    let there = found(r#""(\w+)""#, body.split_once("\n    }\n").unwrap().0);
    assert_eq!(names(call::TESTED), there);
}

#[test]
fn every_transaction_that_there_is_has_its_two_tests_or_is_another_story() {
    let mut text = String::new();
    source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
    let mut there = found(r#"\.(?:tx|transact|forget)\(\s*"(\w+)""#, &text);
    // A statement in a transaction of its own is called as its file is.
    there.extend(found(r"\.write\(\s*deadline,\s*&sql::\w+::(\w+)", &text));
    let others = commit::OTHERS.iter().flat_map(|(_, names)| *names);
    assert_eq!(names(commit::TESTED.iter().chain(others)), there);
}
