//! Migrations: one set of files, rendered for the engine that answers.
//!
//! A file names its table's class in its first line; `{locality}` becomes the engine's clause, so
//! an auditor reads where a table's bytes may be at the place where the table is made. refinery
//! keeps the history and refuses a landed file that was changed. Regions are not migrations: they
//! come from `regions/`, before the tables on CockroachDB and after them on PostgreSQL.

use std::collections::BTreeSet;
use std::time::Duration;

use include_dir::{Dir, include_dir};
use meridian_regions::Registry;
use refinery::{Migration, Runner};
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::connect::{self, DatabaseUrl};
use super::datamap::Class;
use super::engine::Engine;
use super::error::{Error, Fate};
use super::sql;
use super::{Store, StoreConfig, regions};
use crate::telemetry::chain;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sql/migrations");
/// Longest wait for somebody else's migration.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);
/// How often a holder says that it is alive; the lock lasts ten minutes.
const LOCK_RENEWAL: Duration = Duration::from_secs(120);
/// Pause between two looks at the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(200);
/// How often a schema statement runs that others' locks undo, and the pause in between.
const ATTEMPTS_MAX: u32 = 20;
const ATTEMPTS_PAUSE: Duration = Duration::from_millis(250);
/// The table that must be there before the first migration can be locked.
const LOCK_TABLE: &str = "migration_lock";

/// A migration as one engine reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// `V0002__traveller`.
    pub name: String,
    /// The statement.
    pub text: String,
}

/// Every migration in order, in an engine's words.
pub fn rendered(cockroach: bool) -> Vec<Rendered> {
    let (mine, other) =
        if cockroach { (".cockroach", ".postgres") } else { (".postgres", ".cockroach") };
    let mut migrations: Vec<Rendered> = FILES
        .files()
        .filter_map(|file| {
            let stem = file.path().file_stem()?.to_str()?;
            let text = file.contents_utf8()?;
            (!stem.ends_with(other)).then(|| Rendered {
                name: stem.trim_end_matches(mine).to_owned(),
                text: text.replace(" {locality}", locality(class_of(text), cockroach)),
            })
        })
        .collect();
    migrations.sort_by(|a, b| a.name.cmp(&b.name));
    migrations
}

/// The class that a migration's first line names.
fn class_of(text: &str) -> Option<Class> {
    let first = text.lines().next()?;
    let name = first.rsplit_once("class: ")?.1;
    [Class::Personal, Class::Regional, Class::Global].into_iter().find(|class| class.name() == name)
}

fn locality(class: Option<Class>, cockroach: bool) -> &'static str {
    match (class, cockroach) {
        (Some(Class::Personal), false) => " PARTITION BY LIST (region)",
        (Some(Class::Personal | Class::Regional), true) => " LOCALITY REGIONAL BY ROW AS region",
        (Some(Class::Global), true) => " LOCALITY GLOBAL",
        (_, false) | (None, true) => "",
    }
}

/// What a migration did.
#[derive(Debug, serde::Serialize)]
pub struct Report {
    /// Which engine.
    pub engine: String,
    /// Migrations that were applied now.
    pub applied: Vec<String>,
    /// Region statements that were run now.
    pub regions: Vec<String>,
}

/// Brings a database to this build's schema and to the regions' list. Run as one job, never by
/// nodes.
pub async fn migrate(url: &DatabaseUrl, registry: &Registry) -> Result<Report, Error> {
    let store =
        Store::open(&StoreConfig { connections_max: 2, ..StoreConfig::new(url.clone()) }).await?;
    let engine = store.engine();
    let (client, driver) = connect::single(url, None).await?;
    run_all(&client, regions::session(engine.is_cockroach())).await?;
    let mut ran = Vec::new();
    if engine.is_cockroach() {
        ran = run_all(&client, regions::plan(&client, engine, url, registry).await?).await?;
    }
    let migrations = rendered(engine.is_cockroach());
    let lock = migrations.iter().find(|m| m.name.ends_with(LOCK_TABLE));
    make_lock(&client, &lock.expect("the lock's own migration").text).await?;
    let mut lock = Lock::over(url, client, driver).await?;
    let mut result = apply(&mut lock.client, &migrations).await;
    if result.is_ok() && !engine.is_cockroach() {
        match partitions(&lock.client, engine, url, registry).await {
            Ok(made) => ran = made,
            Err(error) => result = Err(error),
        }
    }
    if result.is_ok() {
        result = first_lives(&store, registry).await.and(result);
    }
    lock.release().await?;
    let applied = result?;
    store.close();
    Ok(Report { engine: engine.to_string(), applied, regions: ran })
}

/// A database that knows of no life takes the files at their word; later, steps change it.
async fn first_lives(store: &Store, registry: &Registry) -> Result<(), Error> {
    if !store.lives().await?.is_empty() {
        return Ok(());
    }
    for region in registry.all() {
        let deadline = crate::clock::Deadline::after(LOCK_PATIENCE);
        store.life_set(deadline, &region.name, region.state).await?;
    }
    Ok(())
}

/// What schema changes and steps of a region's life wait for: on CockroachDB they block each other,
/// and two of either would undo one another anywhere. It runs out by itself if its holder dies.
pub struct Lock {
    client: tokio_postgres::Client,
    driver: JoinHandle<()>,
    holder: String,
    /// Says every now and then that the holder is alive, on a connection of its own: a statement
    /// may take longer than the lock lasts.
    _keeper: AbortOnDropHandle<()>,
}

impl Lock {
    /// Waits for it, on a connection of its own.
    pub async fn take(url: &DatabaseUrl, engine: Engine) -> Result<Self, Error> {
        let (client, driver) = connect::single(url, None).await?;
        run_all(&client, regions::session(engine.is_cockroach())).await?;
        Self::over(url, client, driver).await
    }

    async fn over(
        url: &DatabaseUrl,
        client: tokio_postgres::Client,
        driver: JoinHandle<()>,
    ) -> Result<Self, Error> {
        let holder = uuid::Uuid::new_v4().to_string();
        take_lock(&client, &holder).await?;
        let keeper = tokio::spawn(keep(url.clone(), holder.clone()));
        Ok(Self { client, driver, holder, _keeper: AbortOnDropHandle::new(keeper) })
    }

    /// Holds it for ten more minutes; fails if somebody else has it by now.
    pub async fn renew(&self) -> Result<(), Error> {
        #[expect(clippy::disallowed_methods, reason = "the lock lives outside any transaction")]
        let kept = self.client.query_opt(sql::migrate::lock_take.text, &[&self.holder]).await?;
        let lost =
            || Error::NotReady("the lock ran out and somebody else has it; try again".into());
        kept.map(drop).ok_or_else(lost)
    }

    /// Runs a schema statement.
    pub async fn run(&self, statement: &str) -> Result<(), Error> {
        self.renew().await?;
        run_all(&self.client, vec![statement.to_owned()]).await.map(drop)
    }

    /// The regions that a CockroachDB database has, or the partitions of a PostgreSQL one.
    pub async fn present(&self, engine: Engine) -> Result<BTreeSet<String>, Error> {
        regions::present(&self.client, engine).await
    }

    /// Lets others go on.
    pub async fn release(self) -> Result<(), Error> {
        #[expect(clippy::disallowed_methods, reason = "the lock lives outside any transaction")]
        self.client.execute(sql::migrate::lock_drop.text, &[&self.holder]).await?;
        drop(self.client);
        self.driver.abort();
        Ok(())
    }
}

/// Renews a lock until aborted. A renewal that fails is tried again; if the lock is lost meanwhile,
/// its holder's next step finds that out.
async fn keep(url: DatabaseUrl, holder: String) {
    loop {
        tokio::time::sleep(LOCK_RENEWAL).await;
        let Ok((client, driver)) = connect::single(&url, None).await else { continue };
        #[expect(clippy::disallowed_methods, reason = "the lock lives outside any transaction")]
        let renewed = client.query_opt(sql::migrate::lock_take.text, &[&holder]).await;
        if let Err(error) = renewed {
            tracing::warn!(error = %chain(&error), "the migration lock could not be renewed");
        }
        drop(client);
        driver.abort();
    }
}

async fn partitions(
    client: &tokio_postgres::Client,
    engine: Engine,
    url: &DatabaseUrl,
    registry: &Registry,
) -> Result<Vec<String>, Error> {
    run_all(client, regions::plan(client, engine, url, registry).await?).await
}

/// Two migrators may make the lock at once, and `IF NOT EXISTS` does not keep them apart; the one
/// that fails finds it made.
async fn make_lock(client: &tokio_postgres::Client, text: &str) -> Result<(), Error> {
    let first = run_all(client, vec![text.to_owned()]).await;
    if first.is_err() {
        tokio::time::sleep(LOCK_PAUSE).await;
        run_all(client, vec![text.to_owned()]).await?;
    }
    Ok(())
}

async fn take_lock(client: &tokio_postgres::Client, holder: &str) -> Result<(), Error> {
    let deadline = crate::clock::Deadline::after(LOCK_PATIENCE);
    loop {
        #[expect(clippy::disallowed_methods, reason = "the lock lives outside any transaction")]
        let taken = client.query_opt(sql::migrate::lock_take.text, &[&holder]).await?;
        if taken.is_some() {
            return Ok(());
        }
        if deadline.passed() {
            return Err(Error::NotReady(
                "another migration or step of a region's life holds the lock; wait for it, or for \
                 ten minutes if it died"
                    .into(),
            ));
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
}

async fn apply(
    client: &mut tokio_postgres::Client,
    migrations: &[Rendered],
) -> Result<Vec<String>, Error> {
    let parsed = migrations
        .iter()
        .map(|m| Migration::unapplied(&m.name, &m.text))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::NotReady(format!("a migration is misnamed: {error}")))?;
    let report = Runner::new(&parsed)
        .set_abort_divergent(true)
        .run_async(client)
        .await
        // A migration's text holds no personal data, so its causes may be shown.
        .map_err(|error| Error::NotReady(format!("the migration failed: {}", chain(&error))))?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

async fn run_all(
    client: &tokio_postgres::Client,
    statements: Vec<String>,
) -> Result<Vec<String>, Error> {
    for statement in &statements {
        run_one(client, statement).await?;
    }
    Ok(statements)
}

/// Nodes go on reading and writing meanwhile: a schema statement that takes several locks may meet
/// theirs in a deadlock, is undone as a whole, and is as good the next time.
async fn run_one(client: &tokio_postgres::Client, statement: &str) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        #[expect(
            clippy::disallowed_methods,
            reason = "a schema statement opens no transaction of ours"
        )]
        let done = client.batch_execute(statement).await.map_err(Error::from);
        match done {
            Err(error) if error.fate() == Fate::Again && attempt < ATTEMPTS_MAX => {
                tracing::warn!(attempt, error = %chain(&error), "a schema statement runs again");
                attempt += 1;
                tokio::time::sleep(ATTEMPTS_PAUSE).await;
            }
            done => return done,
        }
    }
}

/// Whether a database has the schema of this build; for a node's start and its readiness.
pub async fn check(store: &Store) -> Result<(), Error> {
    let found = store.fresh().all(&sql::audit::columns, &[]).await?;
    let has = |table: &str, column: &str| {
        found.iter().any(|row| row.get::<_, &str>(0) == table && row.get::<_, &str>(1) == column)
    };
    for (table, about) in super::datamap::tables() {
        if let Some(column) = about.columns.keys().find(|column| !has(table, column)) {
            return Err(Error::NotReady(format!(
                "the database has no column {table}.{column}; run `meridian migrate` first"
            )));
        }
    }
    Ok(())
}
