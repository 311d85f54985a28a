//! A look at the rows beside the program's own store.

use std::time::Duration;

use meridian::clock::Deadline;
use tokio_postgres::{Client, NoTls, Row};

/// Longest that the database may take to take a connection.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection for looking, and for planting what must be found.
pub(crate) struct Rows(Client);

#[expect(clippy::disallowed_methods, reason = "a proof looks beside the store")]
impl Rows {
    /// Connects, as soon as the database lets us in.
    pub(crate) async fn at(url: &str) -> Self {
        let deadline = Deadline::after(PATIENCE);
        loop {
            match tokio_postgres::connect(url, NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return Self(client);
                }
                Err(error) if deadline.passed() => panic!("no connection: {error}"),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    pub(crate) async fn all(&self, text: &str) -> Vec<Row> {
        self.0.query(text, &[]).await.unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    /// The one number that a statement gives.
    pub(crate) async fn count(&self, text: &str) -> i64 {
        self.all(text).await[0].get(0)
    }

    /// The first column, as text.
    pub(crate) async fn texts(&self, text: &str) -> Vec<String> {
        self.all(text).await.iter().map(|row| row.get(0)).collect()
    }

    /// Runs statements; how many rows the last of them changed.
    pub(crate) async fn changed(&self, text: &str) -> u64 {
        let said = self.0.simple_query(text).await;
        let said = said.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let changed = said.iter().rev().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
            _ => None,
        });
        changed.unwrap_or_default()
    }

    pub(crate) async fn run(&self, text: &str) {
        self.0.batch_execute(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
    }
}
