//! What can go wrong below, sorted by what the caller must do about it.

use tokio_postgres::error::SqlState;

/// An error's fate: who must act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It did not happen; run it again.
    Again,
    /// The database is away or busy; tell the caller to try later.
    Later,
    /// It may have happened; run it again and let the client-made key decide.
    Unknown,
    /// Our mistake.
    Bug,
}

/// A failure of the database floor.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The driver's error.
    #[error("the database refused or did not answer")]
    Database(#[source] tokio_postgres::Error),
    /// No connection could be made.
    #[error("the database cannot be reached")]
    Unreachable(#[source] tokio_postgres::Error),
    /// No connection was free in time.
    #[error("no connection to the database could be had")]
    Pool(#[source] deadpool_postgres::PoolError),
    /// The same transaction lost too many times.
    #[error("transaction {name} was tried {attempts} times; others were always faster")]
    Contended {
        /// Which.
        name: &'static str,
        /// How often.
        attempts: u32,
    },
    /// A COMMIT was sent and no answer came back, until the deadline.
    #[error("whether transaction {0} was committed is not known")]
    Unknown(&'static str),
    /// The deadline passed.
    #[error("the deadline passed in {0}")]
    Deadline(&'static str),
    /// Another kind of database, or an unsupported version.
    #[error("{0}")]
    WrongDatabase(String),
    /// The database is reached but is not as this build needs it.
    #[error("{0}")]
    NotReady(String),
    /// A row holds what this build cannot read.
    #[error("a row could not be read: {0}")]
    Unreadable(String),
    /// A test asked for it.
    #[error("a fault was injected: {0:?}")]
    Injected(Fate),
}

impl Error {
    /// Who must act.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Database(error) => fate_of(error),
            Self::Injected(fate) => *fate,
            Self::Unreachable(_)
            | Self::Pool(_)
            | Self::Contended { .. }
            | Self::Deadline(_)
            | Self::NotReady(_) => Fate::Later,
            Self::Unknown(_) => Fate::Unknown,
            Self::WrongDatabase(_) | Self::Unreadable(_) => Fate::Bug,
        }
    }

    /// The name of the constraint that refused, if one did.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Database(error) => error.as_db_error().and_then(|db| db.constraint()),
            _ => None,
        }
    }

    /// The SQLSTATE, for logs and metrics; it never carries a value.
    pub fn sql_state(&self) -> &str {
        match self {
            Self::Database(error) | Self::Unreachable(error) => {
                error.code().map_or("none", SqlState::code)
            }
            _ => "none",
        }
    }
}

fn fate_of(error: &tokio_postgres::Error) -> Fate {
    let Some(code) = error.code() else {
        // No SQLSTATE: the connection broke, or a value could not be converted.
        return if error.is_closed() || std::error::Error::source(error).is_some_and(is_io) {
            Fate::Later
        } else {
            Fate::Bug
        };
    };
    match code.code() {
        // The traveller is not at home here any more: they moved between the read of their session
        // and this write. Whoever asks again is told the way.
        "23503" if belongs_to_traveller(error) => Fate::Later,
        // Serialization failure on both engines, deadlock on PostgreSQL.
        "40001" | "40P01" => Fate::Again,
        // CockroachDB: the result of a COMMIT is ambiguous.
        "40003" => Fate::Unknown,
        // Shut down, too many clients, time-outs and cancellations, connection trouble, disk full.
        "57P01" | "57P02" | "57P03" | "53100" | "53200" | "53300" | "57014" | "55P03" | "25P03"
        | "58C01" => Fate::Later,
        other if other.starts_with("08") => Fate::Later,
        _ => Fate::Bug,
    }
}

/// Every table of a traveller's rows calls its foreign key so.
fn belongs_to_traveller(error: &tokio_postgres::Error) -> bool {
    let constraint = error.as_db_error().and_then(|db| db.constraint());
    constraint.is_some_and(|name| name.ends_with("_traveller"))
}

fn is_io(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<std::io::Error>().is_some()
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl From<deadpool_postgres::PoolError> for Error {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => Self::Unreachable(error),
            other => Self::Pool(other),
        }
    }
}
