//! Every row of one traveller, table by table, as the data map lists them: for their own copy, for
//! the receipt of their erasure, for the audit. A new table is found here as soon as the map has
//! it.

use std::collections::BTreeMap;

use super::datamap::{Class, Table};
use super::read::Params;
use super::{Error, Tx, sql};
use crate::domain::ids::TravellerId;

/// How a table's rows lead to their traveller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is the account.
    Itself,
    /// By `traveller_id`.
    Traveller,
    /// By `order_id`.
    Order,
    /// By `request_id`.
    Request,
}

impl Link {
    /// How a personal table's rows lead to their traveller; `None` for tables about nobody.
    pub fn of(name: &str, table: &Table) -> Option<Self> {
        if table.class != Class::Personal {
            return None;
        }
        let has = |column: &str| table.columns.contains_key(column);
        match () {
            () if name == "traveller" => Some(Self::Itself),
            () if has("traveller_id") => Some(Self::Traveller),
            () if has("order_id") => Some(Self::Order),
            () if has("request_id") => Some(Self::Request),
            () => None,
        }
    }

    fn query(self) -> &'static sql::TableQuery {
        match self {
            Self::Itself => &sql::ROWS_ITSELF,
            Self::Traveller => &sql::ROWS_OF_TRAVELLER,
            Self::Order => &sql::ROWS_OF_ORDERS,
            Self::Request => &sql::ROWS_OF_REQUESTS,
        }
    }
}

/// A row: each of its columns as text, in the order in which they were asked for.
pub type TextRow = Vec<Option<String>>;

impl Tx {
    /// A traveller's rows of one table. Names of tables and columns come from the data map only.
    pub async fn subject_rows(
        &self,
        table: &str,
        link: Link,
        columns: &[&str],
        traveller: TravellerId,
    ) -> Result<Vec<TextRow>, Error> {
        let wanted: Vec<String> = columns.iter().map(|it| format!("r.{it}::text")).collect();
        let text = link.query().select(table, &wanted.join(", "));
        let params: &Params<'_> = &[&traveller.home().locality, &traveller.uuid()];
        let rows = self.text(&text, params).await?;
        let mut rows: Vec<TextRow> = rows
            .iter()
            .map(|row| (0..columns.len()).map(|index| row.get(index)).collect())
            .collect();
        // The statement is about any table and so cannot name what to order by.
        rows.sort();
        Ok(rows)
    }

    /// Where a traveller's rows of one table lie, and how many: by partition, or on CockroachDB by
    /// region.
    pub async fn subject_places(
        &self,
        table: &str,
        link: Link,
        traveller: TravellerId,
        by_region: bool,
    ) -> Result<BTreeMap<String, i64>, Error> {
        let place = if by_region { "r.region::text" } else { "r.tableoid::regclass::text" };
        let text = link.query().select(table, place);
        let params: &Params<'_> = &[&traveller.home().locality, &traveller.uuid()];
        let mut places = BTreeMap::new();
        for row in self.text(&text, params).await? {
            let place: String = row.get(0);
            *places.entry(place.trim_matches('"').to_owned()).or_default() += 1;
        }
        Ok(places)
    }

    /// How many rows of one table a traveller has.
    pub async fn subject_count(
        &self,
        table: &str,
        link: Link,
        traveller: TravellerId,
    ) -> Result<i64, Error> {
        let text = link.query().select(table, "count(*) AS rows");
        let params: &Params<'_> = &[&traveller.home().locality, &traveller.uuid()];
        let rows = self.text(&text, params).await?;
        Ok(rows.first().map_or(0, |row| row.get("rows")))
    }
}
