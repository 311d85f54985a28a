//! The two engines, told apart by what `version()` says.

use std::fmt;

use deadpool_postgres::Pool;

use super::error::Error;
use super::sql;

/// Oldest PostgreSQL: partitions with cascading keys and `MERGE`-free upserts behave since 15.
const POSTGRES_MIN: u32 = 15;
/// Newest PostgreSQL that was tried.
const POSTGRES_MAX: u32 = 18;
/// Oldest CockroachDB, as (year, release).
const COCKROACH_MIN: (u32, u32) = (24, 1);

/// Which database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL of this major version.
    Postgres(u32),
    /// CockroachDB of this year and release.
    Cockroach(u32, u32),
}

impl Engine {
    /// Reads `version()`. The error says what to do.
    pub fn from_version(text: &str) -> Result<Self, String> {
        let number = |prefix: &str| {
            let rest = text.split_once(prefix)?.1;
            let digits = |s: &str| s.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
            let mut parts = rest.splitn(3, '.');
            Some((digits(parts.next()?)?, parts.next().and_then(digits).unwrap_or(0)))
        };
        let engine = if text.starts_with("CockroachDB") {
            number(" v").map(|(year, release): (u32, u32)| Self::Cockroach(year, release))
        } else {
            number("PostgreSQL ").map(|(major, _)| Self::Postgres(major))
        };
        let asked =
            "give MERIDIAN_DATABASE_URL of PostgreSQL 15 to 18 or CockroachDB 24.1 or newer";
        match engine {
            Some(Self::Postgres(major)) if (POSTGRES_MIN..=POSTGRES_MAX).contains(&major) => {
                Ok(Self::Postgres(major))
            }
            Some(Self::Cockroach(year, release)) if (year, release) >= COCKROACH_MIN => {
                Ok(Self::Cockroach(year, release))
            }
            Some(other) => Err(format!("{other} is not supported; {asked}")),
            None => Err(format!("the database is neither PostgreSQL nor CockroachDB; {asked}")),
        }
    }

    /// Whether it is CockroachDB.
    pub fn is_cockroach(self) -> bool {
        matches!(self, Self::Cockroach(..))
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(major) => write!(f, "PostgreSQL {major}"),
            Self::Cockroach(year, release) => write!(f, "CockroachDB {year}.{release}"),
        }
    }
}

pub(super) async fn detect(pool: &Pool) -> Result<Engine, Error> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(sql::engine::version.text).await?;
    #[expect(clippy::disallowed_methods, reason = "no store exists before its engine is known")]
    let row = client.query_one(&statement, &[]).await?;
    Engine::from_version(row.get("version")).map_err(Error::WrongDatabase)
}

#[cfg(test)]
mod tests {
    use super::Engine;

    #[test]
    fn engines_are_told_apart_and_old_ones_refused() {
        let of = Engine::from_version;
        assert_eq!(of("PostgreSQL 15.18 (Debian 15.18-0+deb12u1)"), Ok(Engine::Postgres(15)));
        assert_eq!(of("PostgreSQL 18beta1 on x86_64"), Ok(Engine::Postgres(18)));
        assert_eq!(of("CockroachDB CCL v26.2.2 (x86_64)"), Ok(Engine::Cockroach(26, 2)));
        assert_eq!(of("CockroachDB CCL v24.1.0"), Ok(Engine::Cockroach(24, 1)));
        for old in ["PostgreSQL 14.9", "PostgreSQL 19.0", "CockroachDB CCL v23.2.1", "MySQL 8"] {
            assert!(of(old).expect_err(old).contains("MERIDIAN_DATABASE_URL"), "{old}");
        }
    }
}
