//! One trial: a house is built, shaken under load, left alone, and held against its promises.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use meridian::clock::Deadline;
use meridian::domain::order::State;
use serde_json::{Value, json};

use crate::Pace;
use crate::chance::Chance;
use crate::crowd::Crowd;
use crate::figures::Figures;
use crate::fleet::Counted;
use crate::house::{House, Plan};
use crate::invariants::{Evidence, Invariant, see_what_is_planted};
use crate::market;
use crate::nemesis::Nemesis;
use crate::process::until;
use crate::rows::Rows;
use crate::schedule::Schedule;
use crate::stories::Teller;

/// Longest until every process is there again once all is left alone.
const UP_PATIENCE: Duration = Duration::from_secs(60);
/// Longest until every order has come to its end: a hold, a long pause between tries, a lease.
const REST_PATIENCE: Duration = Duration::from_secs(120);
/// The same where orders may never come to an end.
const WRONG_REST_PATIENCE: Duration = Duration::from_secs(25);

/// What has to be reached before a trial may end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goals {
    pub(crate) requests: u64,
    pub(crate) kills: u64,
    pub(crate) crashes: u64,
    /// It ends then, whatever was reached.
    pub(crate) most: Duration,
}

/// A trial.
pub(crate) struct Trial {
    pub(crate) plan: Plan,
    pub(crate) pace: Pace,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) violations: BTreeMap<&'static str, u64>,
    requests: u64,
    kills: u64,
    crashes: u64,
    counted: Counted,
    figures: Value,
}

impl Outcome {
    /// Whether everything was reached, and nothing was violated.
    pub(crate) fn holds(&self, goals: &Goals) -> bool {
        self.violations.values().sum::<u64>() == 0
            && self.requests >= goals.requests
            && self.kills >= goals.kills
            && self.crashes >= goals.crashes
    }

    pub(crate) fn json(&self) -> Value {
        let mut violations: BTreeMap<&str, u64> =
            Invariant::ALL.iter().map(|it| (it.name(), 0)).collect();
        violations.extend(&self.violations);
        let mut report = json!({
            "requests": self.requests, "kills": self.kills, "crashes": self.crashes,
            "ambiguous": self.counted.ambiguous, "fenced": self.counted.fenced,
            "violations": violations, "violations_sum": violations.values().sum::<u64>(),
        });
        for (name, figure) in self.figures.as_object().into_iter().flatten() {
            report[name] = figure.clone();
        }
        report
    }
}

impl Trial {
    pub(crate) async fn hold(&self) -> Outcome {
        let figures = Arc::new(Figures::new());
        let house = House::build(self.plan, &figures).await;
        market::plant(&house).await;
        let crowd = Crowd::gather(&house, self.pace.people, &figures).await;
        figures.say("the house stands");
        let rows = match self.plan.mutation {
            Some(_) => Value::Null,
            None => self.stories(&house, &crowd, &figures).await,
        };
        self.shake(&house, &crowd, &figures).await;
        self.come_to_rest(&house, &crowd, &figures).await;
        let seen = self.judge(&house, &crowd, &figures).await;
        let mut outcome = self.close(house, &crowd, &figures, seen).await;
        outcome.figures["rows"] = rows;
        outcome
    }

    /// Rows of the fault matrix, one by one.
    async fn stories(&self, house: &House, crowd: &Crowd, figures: &Figures) -> Value {
        let chance = Chance::of(self.plan.seed, 3);
        Teller { house, crowd, figures, chance }.tell().await
    }

    /// Things happen until enough has happened.
    async fn shake(&self, house: &House, crowd: &Crowd, figures: &Arc<Figures>) {
        let (seed, goals) = (self.plan.seed, &self.pace.goals);
        let mut nemesis = Nemesis::new(house, figures).await;
        let stop = Arc::new(AtomicBool::new(false));
        let living = crowd.live(seed, self.pace.think, &stop);
        let deadline = Deadline::after(goals.most);
        let mut told = 0;
        for (pause, action) in Schedule::new(seed, self.plan.regions, self.pace.calm) {
            let kills = Figures::read(&figures.kills);
            let enough = Figures::read(&figures.requests) >= goals.requests
                && kills >= goals.kills
                && house.database.crashes() >= goals.crashes;
            if enough || deadline.passed() {
                break;
            }
            if kills >= told {
                told += 25;
                let (requests, crashes) =
                    (Figures::read(&figures.requests), house.database.crashes());
                figures.say(&format!("{requests} requests, {kills} kills, {crashes} crashes"));
            }
            tokio::time::sleep(pause).await;
            nemesis.act(&action);
        }
        stop.store(true, Ordering::Relaxed);
        nemesis.rest().await;
        house.calm().await;
        living.join_all().await;
    }

    /// Everything is left alone, asked again where it was not answered, and comes to its end.
    async fn come_to_rest(&self, house: &House, crowd: &Crowd, figures: &Figures) {
        house.database.is_up().await;
        if !house.is_up_within(UP_PATIENCE).await {
            figures.wrong("processes", "not every process came back".to_owned());
        }
        crowd.settle().await;
        let rows = house.database.look().await;
        let patience = match self.plan.mutation {
            Some(_) => WRONG_REST_PATIENCE,
            None => REST_PATIENCE,
        };
        let rested = until(patience, || async { under_way(&rows).await == 0 }).await;
        crowd.consumer.behave();
        let told = until(patience, || everything_is_told(&rows)).await;
        figures.say(&format!("at rest: {rested}, everything is told: {told}"));
        crowd.replay_all().await;
    }

    /// Holds every promise against the books; how many lies the invariants were told and saw.
    async fn judge(&self, house: &House, crowd: &Crowd, figures: &Figures) -> usize {
        let rows = house.database.look().await;
        let journal = house.journal().await;
        let (ledger, heard) = (&crowd.ledger, crowd.consumer.heard());
        let mut evidence = Evidence { rows: &rows, journal, ledger, heard };
        for invariant in Invariant::ALL {
            for words in invariant.broken(&evidence).await {
                figures.wrong(invariant.name(), words);
            }
        }
        let idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
        if rows.count(idle).await > 0 {
            figures.wrong("sessions", "a session is idle in a transaction".to_owned());
        }
        if self.plan.mutation.is_some() {
            return 0;
        }
        for complaint in house.complaints() {
            figures.wrong("logs", complaint);
        }
        match see_what_is_planted(&mut evidence).await {
            Ok(seen) => seen,
            Err(blind) => {
                figures.wrong("oracles", blind);
                0
            }
        }
    }

    async fn close(
        &self,
        house: House,
        crowd: &Crowd,
        figures: &Arc<Figures>,
        lies_seen: usize,
    ) -> Outcome {
        let rows = house.database.look().await;
        let states = rows.all("SELECT state, count(*) FROM orders GROUP BY state").await;
        let states: BTreeMap<String, i64> =
            states.iter().map(|row| (row.get(0), row.get(1))).collect();
        let journal = house.journal().await;
        let (ledger, heard) = (&crowd.ledger, crowd.consumer.heard());
        let told = (heard.events.len(), heard.again());
        let evidence = Evidence { rows: &rows, journal, ledger, heard };
        let refused_yet_done = crate::invariants::refused_yet_done(&evidence).await;
        let lost: Vec<(u64, u64)> =
            house.processes.iter().map(|it| it.database.commits_lost()).collect();
        let crashes = house.database.crashes();
        drop(rows);
        let wrong = !figures.violations().is_empty() && self.plan.mutation.is_none();
        house.close(wrong).await;
        let read = Figures::read;
        Outcome {
            violations: figures.violations(),
            requests: read(&figures.requests),
            kills: read(&figures.kills),
            crashes,
            counted: figures.counted(),
            figures: json!({
                "accepted": crowd.ledger.accepted().len(),
                "sent": read(&figures.sent),
                "replays": read(&figures.replays),
                "hung_up": read(&figures.hung_up),
                "freezes": read(&figures.freezes),
                "commit_requests_lost": lost.iter().map(|it| it.0).sum::<u64>(),
                "commit_replies_lost": lost.iter().map(|it| it.1).sum::<u64>(),
                "refused_yet_done": refused_yet_done,
                "events_told": told.0,
                "told_again": told.1,
                "lies_seen": lies_seen,
                "orders": states,
            }),
        }
    }
}

/// Orders that a machine still has something to do about, or soon has: a hold lapses.
async fn under_way(rows: &Rows) -> usize {
    let states = rows.texts("SELECT state FROM orders").await;
    let moves = |state: &&String| {
        state.parse::<State>().is_ok_and(|state| state.works() || state == State::Held)
    };
    states.iter().filter(moves).count()
}

/// Whether nothing waits to be told any more. What waits for its next try waits no longer: minutes
/// and hours pass at once.
async fn everything_is_told(rows: &Rows) -> bool {
    rows.run(
        "UPDATE webhook_delivery SET due_at = now() WHERE state = 'pending' AND due_at > now()",
    )
    .await;
    let waits = "SELECT (SELECT count(*) FROM outbox)
        + (SELECT count(*) FROM webhook_delivery WHERE state = 'pending')";
    rows.count(waits).await == 0
}
