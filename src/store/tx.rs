//! The one way to write.
//!
//! `store.tx("order_accept", deadline, |tx| async move { … })` runs its body in a serializable
//! transaction, again and again until it commits, refuses, or the deadline passes. A body may run
//! ten times, also after a COMMIT whose answer was lost: it holds no clock, no random number and
//! no network, and its client-made keys tell a second run from a first.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use tracing::Instrument;

use super::crash::Moment;
use super::error::{Error, Fate};
use super::read::{Params, at_most_one};
use super::sql::Query;
use super::{Faults, Inner, Store};
use crate::clock::{Clock, Deadline};
use crate::telemetry::trace::random_fraction;

/// Most runs of one body.
const ATTEMPTS_MAX: u32 = 40;
/// Longest first pause between two runs; doubles up to the cap below.
const PAUSE: Duration = Duration::from_millis(4);
/// Longest pause between two runs.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Longest that one statement waits for a lock; shorter than any request.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait for the answer to a ROLLBACK; after it the connection is given up.
const ROLLBACK_PATIENCE: Duration = Duration::from_secs(1);
/// Shortest time-out that is worth sending.
const TIMEOUT_MIN: Duration = Duration::from_millis(20);

/// The parameters of a statement, owned: a transaction's body may run again.
pub(super) type Words = Vec<Box<dyn ToSql + Sync + Send>>;

/// Why a transaction's body did not want to be committed.
#[derive(Debug)]
pub enum Abort<R> {
    /// A decision: sold out, not yours, not now. Everything is rolled back.
    Refused(R),
    /// The database failed.
    Failed(Error),
}

impl<R> From<Error> for Abort<R> {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// An open transaction, owned by its body. Dropped unsettled, it takes its connection out of the
/// pool, so that nobody inherits a half-done transaction.
pub struct Tx {
    open: Arc<Open>,
}

struct Open {
    connection: Option<Object>,
    store: Arc<Inner>,
    settled: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.settled
        {
            drop(Object::take(connection));
        }
    }
}

impl Open {
    fn connection(&self) -> &Object {
        self.connection.as_ref().expect("a connection stays until the transaction is dropped")
    }

    /// Sends a control statement: BEGIN, COMMIT, ROLLBACK.
    async fn control(&self, text: &str) -> Result<(), Error> {
        self.store.counts.round_trip();
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that opens and commits"
        )]
        Ok(self.connection().batch_execute(text).await?)
    }

    async fn control_within(
        &self,
        text: &str,
        patience: Duration,
        name: &'static str,
    ) -> Result<(), Error> {
        let sent = tokio::time::timeout(patience.max(TIMEOUT_MIN), self.control(text)).await;
        sent.map_err(|_| Error::Deadline(name))?
    }
}

impl Tx {
    pub(super) fn faults(&self) -> &Faults {
        &self.open.store.faults
    }

    /// All rows.
    pub async fn all(&self, query: &Query, params: &Params<'_>) -> Result<Vec<Row>, Error> {
        let connection = self.open.connection();
        let statement = connection.prepare_cached(query.text).await?;
        self.open.store.counts.statement();
        #[expect(clippy::disallowed_methods, reason = "this is the one place that writes")]
        Ok(connection.query(&statement, params).await?)
    }

    /// All rows of a statement about a table of the data map; see [`super::sql::TableQuery`].
    pub(super) async fn text(&self, text: &str, params: &Params<'_>) -> Result<Vec<Row>, Error> {
        let connection = self.open.connection();
        let statement = connection.prepare_cached(text).await?;
        self.open.store.counts.statement();
        #[expect(clippy::disallowed_methods, reason = "this is the one place that writes")]
        Ok(connection.query(&statement, params).await?)
    }

    /// How many rows a statement about a table of the data map changed.
    pub(super) async fn run_text(&self, text: &str, params: &Params<'_>) -> Result<u64, Error> {
        let connection = self.open.connection();
        let statement = connection.prepare_cached(text).await?;
        self.open.store.counts.statement();
        #[expect(clippy::disallowed_methods, reason = "this is the one place that writes")]
        Ok(connection.execute(&statement, params).await?)
    }

    /// The only row, or none.
    pub async fn opt(&self, query: &Query, params: &Params<'_>) -> Result<Option<Row>, Error> {
        at_most_one(query, self.all(query, params).await?)
    }

    /// The only row.
    pub async fn one(&self, query: &Query, params: &Params<'_>) -> Result<Row, Error> {
        let row = self.opt(query, params).await?;
        row.ok_or_else(|| Error::Unreadable(format!("{} gave no row", query.name)))
    }

    /// How many rows were changed.
    pub async fn run(&self, query: &Query, params: &Params<'_>) -> Result<u64, Error> {
        let connection = self.open.connection();
        let statement = connection.prepare_cached(query.text).await?;
        self.open.store.counts.statement();
        #[expect(clippy::disallowed_methods, reason = "this is the one place that writes")]
        Ok(connection.execute(&statement, params).await?)
    }
}

impl Store {
    /// Runs a body in a serializable transaction until it commits, refuses or is out of time.
    pub async fn tx<T, R, F, Fut>(
        &self,
        name: &'static str,
        deadline: Deadline,
        body: F,
    ) -> Result<T, Abort<R>>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T, Abort<R>>>,
    {
        let started = Clock::instant();
        let span = tracing::info_span!("transaction", txn = name);
        let result = self.attempts(name, deadline, body).instrument(span).await;
        let outcome = match &result {
            Ok(_) => "committed",
            Err(Abort::Refused(_)) => "refused",
            Err(Abort::Failed(error)) => match error.fate() {
                Fate::Unknown => "unknown",
                Fate::Bug => "bug",
                Fate::Again | Fate::Later => "failed",
            },
        };
        metrics::histogram!("meridian_db_txn_duration_seconds", "txn" => name)
            .record(started.elapsed());
        metrics::counter!("meridian_db_txn_outcomes_total", "txn" => name, "outcome" => outcome)
            .increment(1);
        result
    }

    /// The same for a body that decides nothing, so that only the database can say no.
    pub async fn transact<T, F, Fut>(
        &self,
        name: &'static str,
        deadline: Deadline,
        body: F,
    ) -> Result<T, Error>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T, Error>>,
    {
        let body = |tx| {
            let work = body(tx);
            async move { work.await.map_err(Abort::<Infallible>::Failed) }
        };
        match self.tx(name, deadline, body).await {
            Ok(value) => Ok(value),
            Err(Abort::Failed(error)) => Err(error),
            Err(Abort::Refused(never)) => match never {},
        }
    }

    /// One statement in a transaction of its own; how many rows it changed.
    pub(super) async fn write(
        &self,
        deadline: Deadline,
        query: &'static Query,
        words: Words,
    ) -> Result<u64, Error> {
        let words = Arc::new(words);
        // Transactions are called without their room.
        let name = query.name.rsplit('/').next().unwrap_or(query.name);
        self.transact(name, deadline, |tx| {
            let words = Arc::clone(&words);
            async move {
                let words: Vec<&(dyn ToSql + Sync)> =
                    words.iter().map(|word| &**word as &(dyn ToSql + Sync)).collect();
                tx.run(query, &words).await
            }
        })
        .await
    }

    async fn attempts<T, R, F, Fut>(
        &self,
        name: &'static str,
        deadline: Deadline,
        body: F,
    ) -> Result<T, Abort<R>>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T, Abort<R>>>,
    {
        let mut commit_unknown = false;
        for attempt in 1..=ATTEMPTS_MAX {
            let error = match self.attempt(name, deadline, &body).await {
                Err(Abort::Failed(error)) => error,
                // A no after a COMMIT that may yet land is no answer; the same key will find out.
                Err(Abort::Refused(_)) if commit_unknown => Error::Unknown(name),
                settled => return settled,
            };
            let fate = error.fate();
            commit_unknown |= fate == Fate::Unknown;
            let again = matches!(fate, Fate::Again | Fate::Unknown)
                || (fate == Fate::Later && commit_unknown);
            if !again {
                return Err(Abort::Failed(error));
            }
            tracing::debug!(
                txn = name,
                attempt,
                sqlstate = error.sql_state(),
                "transaction retried"
            );
            let reason = if fate == Fate::Again { "serialization" } else { "unknown_outcome" };
            metrics::counter!("meridian_db_txn_retries_total", "txn" => name, "reason" => reason)
                .increment(1);
            if deadline.passed() {
                break;
            }
            tokio::time::sleep(pause(attempt).min(deadline.left())).await;
        }
        Err(Abort::Failed(if commit_unknown {
            Error::Unknown(name)
        } else if deadline.passed() {
            Error::Deadline(name)
        } else {
            Error::Contended { name, attempts: ATTEMPTS_MAX }
        }))
    }

    async fn attempt<T, R, F, Fut>(
        &self,
        name: &'static str,
        deadline: Deadline,
        body: &F,
    ) -> Result<T, Abort<R>>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T, Abort<R>>>,
    {
        let left = deadline.left();
        let connection = tokio::time::timeout(left, self.inner.pool.get())
            .await
            .map_err(|_| Error::Deadline(name))?
            .map_err(Error::from)?;
        let store = Arc::clone(&self.inner);
        let open = Arc::new(Open { connection: Some(connection), store, settled: false });
        open.control_within(&begin(left), left, name).await?;
        let outcome = tokio::time::timeout(left, body(Tx { open: Arc::clone(&open) }))
            .await
            .unwrap_or_else(|_| Err(Error::Deadline(name).into()));
        let mut open = Arc::try_unwrap(open).unwrap_or_else(|_| {
            panic!("the body of transaction {name} kept its Tx beyond its end")
        });
        match outcome {
            Ok(value) => {
                self.commit(&mut open, name, deadline).await?;
                Ok(value)
            }
            Err(abort) => {
                let rolled_back = open.control_within("ROLLBACK", ROLLBACK_PATIENCE, name).await;
                open.settled = rolled_back.is_ok();
                Err(abort)
            }
        }
    }

    /// From the moment that COMMIT is sent until its answer, nobody knows.
    async fn commit(
        &self,
        open: &mut Open,
        name: &'static str,
        deadline: Deadline,
    ) -> Result<(), Error> {
        self.pass(open, Moment::BeforeCommit, name).await;
        if self.inner.faults.abort() {
            return Err(Error::Injected(Fate::Again));
        }
        if self.inner.faults.lose_commit_request() {
            return Err(Error::Injected(Fate::Unknown));
        }
        let patience = deadline.left().max(TIMEOUT_MIN);
        match tokio::time::timeout(patience, open.control("COMMIT")).await {
            Ok(Ok(())) => {
                open.settled = true;
                self.inner.counts.commit();
            }
            Ok(Err(error)) => {
                // A refusal with a SQLSTATE is an answer; a broken connection is none.
                let answered = matches!(&error, Error::Database(inner) if inner.code().is_some());
                let kept = answered && error.fate() != Fate::Later;
                return Err(if kept { error } else { Error::Unknown(name) });
            }
            Err(_) => return Err(Error::Unknown(name)),
        }
        self.pass(open, Moment::AfterCommit, name).await;
        if self.inner.faults.lose_commit_reply() {
            return Err(Error::Injected(Fate::Unknown));
        }
        Ok(())
    }

    /// Goes by a crash point. The dead let their connection go, and with it every lock.
    async fn pass(&self, open: &mut Open, moment: Moment, name: &'static str) {
        if self.inner.faults.crash().strikes(moment, name) {
            drop(open.connection.take().map(Object::take));
            std::future::pending::<()>().await;
        }
    }
}

/// Does some writing to its end, under the caller's span. A caller may be dropped at any await, as
/// a handler is when its client hangs up; a COMMIT that was sent must still be heard.
pub async fn uncut<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work.in_current_span()).await {
        Ok(value) => value,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// BEGIN and the session's limits in one round trip; the limits end with the transaction.
fn begin(left: Duration) -> String {
    let statement = left.max(TIMEOUT_MIN).as_millis();
    let lock = left.clamp(TIMEOUT_MIN, LOCK_PATIENCE).as_millis();
    format!(
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL statement_timeout = {statement}; \
         SET LOCAL lock_timeout = {lock}; \
         SET LOCAL idle_in_transaction_session_timeout = {statement}"
    )
}

/// Full jitter (AWS Architecture Blog, 2015): uniform between nothing and a doubling cap.
fn pause(attempt: u32) -> Duration {
    let cap = PAUSE.saturating_mul(1 << attempt.min(10)).min(PAUSE_MAX);
    cap.mul_f64(random_fraction())
}
