//! Reads outside transactions, pipelined over a few shared connections.
//!
//! One connection with many statements in flight answers as many point reads as sixteen connections
//! with one each, and costs the database one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use deadpool_postgres::ClientWrapper;
use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::connect::{self, DatabaseUrl};
use super::error::Error;
use super::sql::Query;
use super::{Counts, Inner};

/// How much longer than the server's own limit an answer is waited for.
const ANSWER_SLACK: Duration = Duration::from_millis(500);

/// Parameters of a statement.
pub type Params<'a> = [&'a (dyn ToSql + Sync)];

pub(super) struct Readers {
    url: DatabaseUrl,
    patience: Duration,
    lanes: Vec<Lane>,
    next: AtomicUsize,
}

#[derive(Default)]
struct Lane {
    client: ArcSwapOption<ClientWrapper>,
    connecting: Mutex<()>,
}

impl Readers {
    pub(super) fn new(url: &DatabaseUrl, lanes: usize, patience: Duration) -> Result<Self, Error> {
        let lanes = (0..lanes.max(1)).map(|_| Lane::default()).collect();
        Ok(Self { url: url.clone(), patience, lanes, next: AtomicUsize::new(0) })
    }

    pub(super) fn close(&self) {
        for lane in &self.lanes {
            lane.client.store(None);
        }
    }

    async fn client(&self) -> Result<(&Lane, Arc<ClientWrapper>), Error> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        let lane = &self.lanes[turn];
        if let Some(client) = lane.live() {
            return Ok((lane, client));
        }
        // A server that takes a connection and then says nothing must not keep the lane for ever.
        let connecting = tokio::time::timeout(connect::CONNECT_PATIENCE, self.connect(lane));
        let client = connecting.await.map_err(|_| Error::Deadline("connect"))??;
        Ok((lane, client))
    }

    /// Connects a lane, if nobody has meanwhile.
    async fn connect(&self, lane: &Lane) -> Result<Arc<ClientWrapper>, Error> {
        let _one_at_a_time = lane.connecting.lock().await;
        if let Some(client) = lane.live() {
            return Ok(client);
        }
        let (client, driver) = connect::single(&self.url, Some(self.patience)).await?;
        let client = Arc::new(ClientWrapper::new(client, driver));
        lane.client.store(Some(Arc::clone(&client)));
        Ok(client)
    }
}

impl Lane {
    fn live(&self) -> Option<Arc<ClientWrapper>> {
        self.client.load_full().filter(|client| !client.is_closed())
    }
}

/// The only row, or none; more than one is a mistake in the statement.
pub(super) fn at_most_one(query: &Query, mut rows: Vec<Row>) -> Result<Option<Row>, Error> {
    if rows.len() > 1 {
        return Err(Error::Unreadable(format!("{} gave {} rows", query.name, rows.len())));
    }
    Ok(rows.pop())
}

/// A way to read single statements.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    readers: &'a Readers,
    counts: &'a Counts,
}

impl<'a> Reader<'a> {
    pub(super) fn new(inner: &'a Inner) -> Self {
        Self { readers: &inner.readers, counts: &inner.counts }
    }

    /// All rows.
    pub async fn all(&self, query: &Query, params: &Params<'_>) -> Result<Vec<Row>, Error> {
        self.send(query.name, query.text, params).await
    }

    /// All rows of a statement about a table of the data map; see [`super::sql::TableQuery`].
    pub(super) async fn text(&self, name: &'static str, text: &str) -> Result<Vec<Row>, Error> {
        self.send(name, text, &[]).await
    }

    /// The same with parameters.
    pub(super) async fn text_with(
        &self,
        name: &'static str,
        text: &str,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, Error> {
        self.send(name, text, params).await
    }

    async fn send(
        &self,
        name: &'static str,
        text: &str,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, Error> {
        let (lane, client) = self.readers.client().await?;
        let work = async {
            let statement = client.prepare_cached(text).await?;
            self.counts.statement();
            #[expect(clippy::disallowed_methods, reason = "this is the one place that reads")]
            Ok(client.query(&statement, params).await?)
        };
        let patience = self.readers.patience + ANSWER_SLACK;
        tokio::time::timeout(patience, work).await.unwrap_or_else(|_| {
            // The server ends statements by itself before this: a connection that is silent for
            // longer leads nowhere, and the next reader gets a new one.
            lane.client.store(None);
            Err(Error::Deadline(name))
        })
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
}

/// A value of ours that is stored as its name.
pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str) -> Result<T, Error> {
    name.parse().map_err(|error: T::Err| Error::Unreadable(error.to_string()))
}
