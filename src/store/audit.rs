//! What an auditor asks of the database. These statements cross regions, and only these do.

use std::collections::BTreeMap;

use jiff::Timestamp;
use meridian_regions::{RegionId, Registry};
use uuid::Uuid;

use super::datamap::Class;
use super::sql;
use super::{Error, Reader, Store};
use crate::domain::ids::TravellerId;

/// Rows of a table in a region.
pub type RowsPerRegion = BTreeMap<String, i64>;

/// A thing that is where it must not be, without saying who it is about.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Misplaced {
    /// In which table.
    pub table: String,
    /// In which region.
    pub region: String,
    /// Its id, or how many they are.
    pub what: String,
    /// Why it must not be there.
    pub why: String,
}

impl Store {
    /// How each table is split, as the engine says.
    pub async fn localities(&self) -> Result<BTreeMap<String, String>, Error> {
        let rows = self.fresh().all(sql::LOCALITIES.on(self.engine()), &[]).await?;
        Ok(rows.iter().map(|row| (row.get("table_name"), row.get("locality"))).collect())
    }

    /// Where the rows of each region of a table lie, as the engine says: (region, place).
    pub async fn placements(&self, table: &str) -> Result<Vec<(String, String)>, Error> {
        let rows = if self.engine().is_cockroach() {
            self.fresh().text("audit/placements", &sql::PLACEMENTS_COCKROACH.of(table)).await?
        } else {
            self.fresh().all(&sql::PLACEMENTS_POSTGRES, &[&table]).await?
        };
        Ok(rows.iter().map(|row| (row.get("region"), row.get("place"))).collect())
    }
}

/// A row of text by column.
pub type TextRow = BTreeMap<String, String>;

/// A partition and the file that holds it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Stored {
    /// The partition.
    pub place: String,
    /// Its file, below the database's directory.
    pub file: String,
    /// Its tablespace.
    pub tablespace: String,
    /// Bytes of it and of its indexes.
    pub bytes: i64,
}

/// A move of somebody's home, without who it was.
#[derive(Clone, Debug, serde::Serialize)]
pub struct MoveRow {
    /// Id of the move.
    pub id: Uuid,
    /// The old home.
    pub from: String,
    /// The new home.
    pub to: String,
    /// Why.
    pub reason: String,
    /// How many orders went along.
    pub orders: i64,
    /// When.
    pub at: Timestamp,
}

fn text_rows(rows: &[tokio_postgres::Row]) -> Vec<TextRow> {
    let cell = |row: &tokio_postgres::Row, at: usize| -> String {
        row.get::<_, Option<String>>(at).unwrap_or_default()
    };
    rows.iter()
        .map(|row| {
            let columns = row.columns().iter().enumerate();
            columns.map(|(at, column)| (column.name().to_owned(), cell(row, at))).collect()
        })
        .collect()
}

impl Store {
    /// Every column of every key and index: table, index, column.
    pub async fn keys(&self, database: &str) -> Result<Vec<[String; 3]>, Error> {
        let rows = if self.engine().is_cockroach() {
            let text = sql::KEYS_COCKROACH.database(database);
            self.fresh().text("audit/keys", &text).await?
        } else {
            self.fresh().all(&sql::KEYS_POSTGRES, &[]).await?
        };
        Ok(rows.iter().map(|row| [row.get(0), row.get(1), row.get(2)]).collect())
    }

    /// The files that hold each partition of a table on PostgreSQL.
    pub async fn storage(&self, table: &str) -> Result<Vec<Stored>, Error> {
        let rows = self.fresh().all(&sql::STORAGE_POSTGRES, &[&table]).await?;
        Ok(rows
            .iter()
            .map(|row| Stored {
                place: row.get("place"),
                file: row.get("file"),
                tablespace: row.get("tablespace"),
                bytes: row.get("bytes"),
            })
            .collect())
    }

    /// A table's ranges, and what its partitions are told, as CockroachDB says.
    pub async fn ranges(&self, table: &str) -> Result<(Vec<TextRow>, Vec<TextRow>), Error> {
        let reader = self.fresh();
        let ranges = reader.text("audit/ranges", &sql::RANGES_COCKROACH.of(table)).await?;
        let zones = reader.text("audit/zones", &sql::ZONES_COCKROACH.of(table)).await?;
        Ok((text_rows(&ranges), text_rows(&zones)))
    }

    /// Where a region's keys of a table begin, as CockroachDB says.
    pub async fn keys_begin(&self, table: &str, region: &str) -> Result<Option<String>, Error> {
        let text = sql::RANGE_OF_ROW_COCKROACH.row(table, region);
        let rows = self.fresh().text("audit/range_of_row", &text).await?;
        Ok(rows.first().map(|row| row.get("start_key")))
    }

    /// Which regions keep their copies among themselves, as CockroachDB says.
    pub async fn super_regions(&self, database: &str) -> Result<Vec<TextRow>, Error> {
        let text = sql::SUPER_REGIONS_COCKROACH.database(database);
        Ok(text_rows(&self.fresh().text("audit/super_regions", &text).await?))
    }
}

impl Reader<'_> {
    /// Which database this is, and its time.
    pub async fn identity(&self) -> Result<(String, Timestamp), Error> {
        let row = self.one(&sql::audit::identity, &[]).await?;
        Ok((row.get("database"), row.get("at")))
    }

    /// Some accounts of a region, from a place on.
    pub async fn sample_travellers(
        &self,
        home: RegionId,
        from: Uuid,
        most: i64,
    ) -> Result<Vec<TravellerId>, Error> {
        let params: &super::read::Params<'_> = &[&home.locality, &from, &most];
        let rows = self.all(&sql::audit::sample_travellers, params).await?;
        Ok(rows.iter().map(|row| TravellerId::from_parts(home, row.get("id"))).collect())
    }

    /// Orders that were told to an airline: home, country of departure, how many.
    pub async fn disclosures(&self) -> Result<Vec<(String, String, i64)>, Error> {
        let rows = self.all(&sql::audit::disclosures, &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }

    /// Payments that were told to the payment provider: home, how many.
    pub async fn payments_told(&self) -> Result<Vec<(String, i64)>, Error> {
        let rows = self.all(&sql::audit::payments_told, &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Moves of homes in so many days.
    pub async fn moves(&self, days: i64) -> Result<Vec<MoveRow>, Error> {
        let rows = self.all(&sql::audit::moves, &[&days]).await?;
        Ok(rows
            .iter()
            .map(|row| MoveRow {
                id: row.get("id"),
                from: row.get("from_region"),
                to: row.get("to_region"),
                reason: row.get("reason"),
                orders: row.get("orders"),
                at: row.get("moved_at"),
            })
            .collect())
    }

    /// Requests under the law that were not answered in time: region, kind, how many.
    pub async fn overdue(&self) -> Result<Vec<(String, String, i64)>, Error> {
        let rows = self.all(&sql::audit::overdue, &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }

    /// Every column there is: (table, column).
    pub async fn columns(&self) -> Result<Vec<(String, String)>, Error> {
        let rows = self.all(&sql::audit::columns, &[]).await?;
        Ok(rows.iter().map(|row| (row.get("table_name"), row.get("column_name"))).collect())
    }

    /// Rows of a table of the data map, by region.
    pub async fn rows_per_region(&self, table: &str, class: Class) -> Result<RowsPerRegion, Error> {
        let query = if class == Class::Global { &sql::ROWS_ALL } else { &sql::ROWS_PER_REGION };
        let rows = self.text(query.0.name, &query.of(table)).await?;
        Ok(rows.iter().map(|row| (row.get("region"), row.get("rows"))).collect())
    }

    /// How many rows of a personal table are at home in a region.
    pub async fn rows_in_region(&self, table: &str, region: RegionId) -> Result<i64, Error> {
        let text = sql::ROWS_IN_REGION.of(table);
        let rows = self.text_with("audit/rows_in_region", &text, &[&region.locality]).await?;
        Ok(rows.first().map_or(0, |row| row.get("rows")))
    }

    /// Accounts in a region that may not home their country.
    pub async fn misplaced_travellers(&self, registry: &Registry) -> Result<Vec<Misplaced>, Error> {
        // The law binds a traveller to a jurisdiction; which of its regions is home may be about to
        // change.
        let allowed = registry.all().flat_map(|region| {
            let same_law =
                registry.all().filter(move |other| other.jurisdiction == region.jurisdiction);
            let homes = same_law.flat_map(|other| other.homes.clone());
            homes.map(move |country| (region.locality.clone(), country))
        });
        let (regions, countries): (Vec<String>, Vec<String>) =
            allowed.map(|(region, country)| (region, country.code().to_owned())).unzip();
        let rows = self.all(&sql::audit::misplaced_travellers, &[&regions, &countries]).await?;
        Ok(rows
            .iter()
            .map(|row| Misplaced {
                table: "traveller".into(),
                region: row.get("region"),
                what: row.get::<_, uuid::Uuid>("id").to_string(),
                why: format!(
                    "this region may not home residents of {}",
                    row.get::<_, String>("residence_country")
                ),
            })
            .collect())
    }

    /// Accounts that the directory looks for elsewhere.
    pub async fn misplaced_directory(&self) -> Result<Vec<Misplaced>, Error> {
        let rows = self.all(&sql::audit::misplaced_directory, &[]).await?;
        Ok(rows
            .iter()
            .map(|row| Misplaced {
                table: "login_directory".into(),
                region: row.get("region"),
                what: row.get::<_, uuid::Uuid>("id").to_string(),
                why: format!("the directory leads to {}", row.get::<_, String>("home")),
            })
            .collect())
    }

    /// Rows of a table that are not in the region of their traveller, or of their order.
    pub async fn misplaced_rows(&self, table: &str, owner: Owner) -> Result<Vec<Misplaced>, Error> {
        let (query, why) = match owner {
            Owner::Traveller => (&sql::MISPLACED_ROWS, "their traveller is not in this region"),
            Owner::Order => (&sql::MISPLACED_ORDER_ROWS, "their order is not in this region"),
        };
        let rows = self.text(query.0.name, &query.of(table)).await?;
        Ok(rows
            .iter()
            .map(|row| Misplaced {
                table: table.to_owned(),
                region: row.get("region"),
                what: format!("{} rows", row.get::<_, i64>("rows")),
                why: why.to_owned(),
            })
            .collect())
    }
}

/// To what a personal row belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It has a `traveller_id`.
    Traveller,
    /// It has an `order_id`.
    Order,
}
