//! Rows of the fault matrix, told one by one before chance takes over: each breaks one thing in a
//! house that is well, and looks at what the row promises.

use std::sync::Arc;
use std::time::Duration;

use meridian::clock::{Clock, Deadline};
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::crowd::{Crowd, Traveller, booking};
use crate::figures::Figures;
use crate::fleet::{Order, Process};
use crate::house::{House, LEASE};
use crate::ledger::Answer;
use crate::process::until;
use crate::proxy::Weather;

/// What a busy machine may add to a promised time.
const SLACK: Duration = Duration::from_secs(4);
/// Longest that anything may take that has no promised time.
const PATIENCE: Duration = Duration::from_secs(20);
/// A node of a region that drives orders, and one that only accepts them.
const DRIVES: usize = 0;
const ACCEPTS: usize = 1;
/// How slow an airline or a provider is made, so that something can happen meanwhile.
const SLOW_MS: u64 = 900;

/// The rows of the matrix that are told here.
pub(crate) const ROWS: [u32; 10] = [1, 4, 5, 6, 7, 9, 10, 11, 25, 45];

type Told = Result<Value, String>;

/// Who tells.
pub(crate) struct Teller<'a> {
    pub(crate) house: &'a House,
    pub(crate) crowd: &'a Crowd,
    pub(crate) figures: &'a Figures,
    pub(crate) chance: Chance,
}

fn check(so: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if so { Ok(()) } else { Err(otherwise()) }
}

fn seconds(since: std::time::Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 100.0).round() / 100.0
}

impl Teller<'_> {
    /// Tells every row; what came of each.
    pub(crate) async fn tell(&mut self) -> Value {
        let mut report = json!({});
        for row in ROWS {
            let told = match row {
                1 => self.killed_in_the_middle().await,
                4 => self.asleep_beyond_the_lease().await,
                5 => self.database_crashes_under_load().await,
                6 => self.answer_to_commit_lost().await,
                7 => self.commit_lost().await,
                9 => self.clients_hang_up().await,
                10 => self.one_key_fifty_times().await,
                11 => self.one_key_for_another_body().await,
                25 => self.half_open().await,
                _ => self.swizzled().await,
            };
            if let Err(broken) = &told {
                self.figures.wrong("rows", format!("row {row}: {broken}"));
            }
            self.figures.say(&format!("row {row}: {told:?}"));
            report[row.to_string()] = told.unwrap_or_else(|broken| json!({ "broken": broken }));
            self.house.calm().await;
            self.house.is_up_within(PATIENCE).await;
        }
        report
    }

    /// Somebody who is at home in the first region.
    fn somebody(&self) -> Arc<Traveller> {
        Arc::clone(self.crowd.traveller(0))
    }

    fn node(&self, number: usize) -> Arc<Process> {
        Arc::clone(&self.house.nodes(0)[number])
    }

    /// A booking that is about to be sent.
    async fn a_booking(&mut self, who: &Traveller, token: Option<&str>) -> usize {
        loop {
            if let Some(offer) = who.roomy_offer(&mut self.chance).await {
                let body = booking(&offer, "Lovelace", token);
                return who.intend(who.deed("/v1/orders", body));
            }
        }
    }

    /// Books at a node, and waits until that has asked the provider, which is slow: the order.
    async fn accepted_and_under_way(&mut self, at: usize) -> Result<String, String> {
        let asked = async || self.house.journal().await["asked"]["authorize"].as_u64();
        let before = asked().await;
        let who = self.somebody();
        let deed = self.a_booking(&who, Some("tok_visa")).await;
        let slow = json!({"operation": "authorize", "mode": "slow", "times": 1, "ms": SLOW_MS});
        self.house.supplier_fault(slow).await;
        let answer = who.send_deed(deed, at).await;
        let answer = answer.filter(Answer::is_yes).ok_or("the booking was not accepted")?;
        let asked_now = async || asked().await > before;
        check(until(PATIENCE, asked_now).await, || "the provider is not asked".to_owned())?;
        Ok(answer.text("/data/id"))
    }

    /// Waits until an order is ticketed, by a node that is there.
    async fn ticketed(&self, order: &str, patience: Duration) -> bool {
        let who = self.somebody();
        let path = format!("/v1/orders/{order}");
        until(patience, || async {
            let seen = who.get(&path, ACCEPTS).await;
            seen.is_some_and(|seen| seen.text("/data/state") == "ticketed")
        })
        .await
    }

    /// Row 1: a node is killed; another finishes its order a lease and a look later.
    async fn killed_in_the_middle(&mut self) -> Told {
        let order = self.accepted_and_under_way(DRIVES).await?;
        let began = Clock::instant();
        self.node(DRIVES).order(Order::Kill(LEASE * 4));
        let done = self.ticketed(&order, LEASE + Duration::from_secs(1) + SLACK).await;
        check(done, || format!("{order} is not finished {} s after the kill", seconds(began)))?;
        Ok(json!({ "seconds": seconds(began), "lease_seconds": LEASE.as_secs_f64() }))
    }

    /// Row 4: a node sleeps beyond its lease; what it writes when it wakes changes nothing.
    async fn asleep_beyond_the_lease(&mut self) -> Told {
        let before = self.house.fenced(self.figures).await;
        let order = self.accepted_and_under_way(DRIVES).await?;
        self.node(DRIVES).order(Order::Freeze(LEASE * 2));
        let done = self.ticketed(&order, LEASE * 2 + SLACK).await;
        check(done, || format!("{order} is not finished by another"))?;
        let stopped = async || self.house.fenced(self.figures).await > before;
        check(until(PATIENCE, stopped).await, || "no write was stopped".to_owned())?;
        Ok(json!({ "fenced": self.house.fenced(self.figures).await - before }))
    }

    /// Row 5: the database crashes under load; people are told to try again, and nothing else.
    async fn database_crashes_under_load(&mut self) -> Told {
        let who = self.somebody();
        let mut deeds = Vec::new();
        for _ in 0..24 {
            deeds.push(self.a_booking(&who, None).await);
        }
        let database = Arc::clone(&self.house.database);
        let crash = tokio::spawn(async move { database.crash(Duration::from_secs(1)).await });
        let mut later = 0;
        for (turn, deed) in deeds.iter().enumerate() {
            let answer = who.send_deed(*deed, turn).await;
            later += usize::from(answer.is_none_or(|answer| answer.status == 503));
        }
        crash.await.map_err(|error| error.to_string())?;
        let began = Clock::instant();
        let first = deeds[0];
        let again = async || who.send_deed(first, DRIVES).await.is_some_and(|it| it.is_yes());
        check(until(PATIENCE, again).await, || "nobody books after the crash".to_owned())?;
        check(later > 0, || "nobody noticed the crash".to_owned())?;
        for deed in deeds {
            who.ask(deed, 0).await;
        }
        Ok(json!({ "told_to_try_again": later, "seconds_until_books": seconds(began) }))
    }

    /// Row 6: the answer to a COMMIT is lost; the key decides, and one order is there.
    async fn answer_to_commit_lost(&mut self) -> Told {
        self.node(ACCEPTS).database.lose_commit_replies(1);
        self.booked_once_although_lost(|(_, replies)| replies).await
    }

    /// Row 7: a COMMIT never arrives; it is run again, and one order is there.
    async fn commit_lost(&mut self) -> Told {
        self.node(ACCEPTS).database.lose_commit_requests(1);
        self.booked_once_although_lost(|(requests, _)| requests).await
    }

    async fn booked_once_although_lost(&mut self, lost: fn((u64, u64)) -> u64) -> Told {
        let (who, node) = (self.somebody(), self.node(ACCEPTS));
        let before = (lost(node.database.commits_lost()), self.orders().await);
        let deed = self.a_booking(&who, None).await;
        let answer = who.send_deed(deed, ACCEPTS).await.ok_or("no answer")?;
        check(answer.is_yes(), || format!("{} {}", answer.status, answer.json()))?;
        let again = who.send_deed(deed, DRIVES).await.ok_or("no answer again")?;
        check(again == answer, || "the second answer is another".to_owned())?;
        let after = (lost(node.database.commits_lost()), self.orders().await);
        check(after == (before.0 + 1, before.1 + 1), || format!("{before:?} became {after:?}"))?;
        Ok(json!({ "commits_lost": 1, "orders": 1 }))
    }

    async fn orders(&self) -> i64 {
        self.house.database.look().await.count("SELECT count(*) FROM orders").await
    }

    /// Row 9: clients hang up anywhere in a request; an order is whole or not there, and no session
    /// is left in a transaction.
    async fn clients_hang_up(&mut self) -> Told {
        let who = self.somebody();
        let before = self.orders().await;
        for turn in 0..30 {
            let deed = self.a_booking(&who, None).await;
            let length = who.bytes(&who.written(deed)).len();
            // The last ones hang up while their answer is being made.
            let late = Duration::from_millis(5) * u32::try_from(turn).expect("small");
            who.hang_up(deed, length * (turn + 1) / 20, late, turn).await;
        }
        let rows = self.house.database.look().await;
        let idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
        let quiet = async || rows.count(idle).await == 0;
        check(until(PATIENCE, quiet).await, || "a session stays in a transaction".to_owned())?;
        let halves = "SELECT count(*) FROM orders AS o WHERE
            0 = (SELECT count(*) FROM order_event AS e WHERE e.order_id = o.id) OR
            1 <> (SELECT count(*) FROM order_passenger AS p WHERE p.order_id = o.id) OR
            1 <> (SELECT count(*) FROM seat_hold AS s WHERE s.order_id = o.id)";
        let halves = rows.count(halves).await;
        check(halves == 0, || format!("{halves} orders are there by half"))?;
        Ok(json!({ "hung_up": 30, "orders": self.orders().await - before }))
    }

    /// Row 10: one request fifty times at once is one order, and one answer.
    async fn one_key_fifty_times(&mut self) -> Told {
        let (who, before) = (self.somebody(), self.orders().await);
        let deed = self.a_booking(&who, None).await;
        let answers = who.burst(deed).await;
        let yes = answers.iter().filter(|answer| answer.is_yes()).count();
        let other: Vec<u16> = answers.iter().map(|it| it.status).filter(|it| *it != 202).collect();
        let orders = self.orders().await - before;
        check(yes > 0 && orders == 1, || format!("{yes} were accepted, {orders} orders"))?;
        let fair = other.iter().all(|status| [409, 503].contains(status));
        check(fair, || format!("some were answered {other:?}"))?;
        Ok(json!({ "yes": yes, "told_to_try_again": other.len(), "orders": orders }))
    }

    /// Row 11: a key is not good for another body.
    async fn one_key_for_another_body(&mut self) -> Told {
        let who = self.somebody();
        let deed = self.a_booking(&who, None).await;
        who.ask(deed, DRIVES).await.filter(Answer::is_yes).ok_or("not accepted")?;
        let mut other = who.written(deed);
        other.body["passengers"][0]["given_name"] = "Grace".into();
        for turn in [DRIVES, ACCEPTS] {
            let answer = who.send_as_it_is(&other, turn).await.ok_or("no answer")?;
            let right = answer.status == 422 && answer.text("/code") == "idempotency_mismatch";
            check(right, || format!("{} {}", answer.status, answer.json()))?;
        }
        Ok(json!({ "status": 422 }))
    }

    /// Row 25: nothing passes any more on a node's connections and nobody says so; it gives them up
    /// and books over new ones.
    async fn half_open(&mut self) -> Told {
        let who = self.somebody();
        let mut deeds = Vec::new();
        for _ in 0..12 {
            deeds.push(self.a_booking(&who, None).await);
        }
        for deed in &deeds[..4] {
            who.ask(*deed, ACCEPTS).await;
        }
        self.node(ACCEPTS).database.forget();
        let began = Clock::instant();
        let mut slowest = 0.0_f64;
        let deadline = Deadline::after(PATIENCE);
        let mut booked = 0;
        while booked < 4 {
            check(!deadline.passed(), || "the pool does not recover".to_owned())?;
            let asked = Clock::instant();
            let asking = deeds[4..].iter().map(|deed| {
                let (who, deed) = (Arc::clone(&who), *deed);
                tokio::spawn(async move { who.send_deed(deed, ACCEPTS).await })
            });
            booked = 0;
            for answer in asking.collect::<Vec<_>>() {
                let answer = answer.await.map_err(|error| error.to_string())?;
                booked += usize::from(answer.is_some_and(|it| it.is_yes()));
            }
            slowest = slowest.max(seconds(asked));
        }
        Ok(json!({ "seconds_until_books": seconds(began), "slowest_answer": slowest }))
    }

    /// Row 45: all links go down one by one and come back in another order; everybody books again.
    async fn swizzled(&mut self) -> Told {
        let processes = &self.house.processes;
        let down = Weather { down: true, ..Weather::default() };
        for (order, weather) in [
            (self.chance.shuffled(processes.len()), down),
            (self.chance.shuffled(processes.len()), Weather::default()),
        ] {
            for at in order {
                processes[at].database.set(weather);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        let began = Clock::instant();
        for number in 0..self.house.plan.regions {
            let who = Arc::clone(self.crowd.traveller(number));
            for turn in [DRIVES, ACCEPTS] {
                let deed = self.a_booking(&who, None).await;
                let yes = async || who.send_deed(deed, turn).await.is_some_and(|it| it.is_yes());
                check(until(PATIENCE, yes).await, || format!("nobody books at {number} {turn}"))?;
            }
        }
        Ok(json!({ "seconds_until_all_book": seconds(began) }))
    }
}
