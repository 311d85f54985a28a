//! What an auditor asks of the database. These statements cross regions, and only these do.

use std::collections::BTreeMap;

use meridian_regions::Registry;

use super::datamap::Class;
use super::sql;
use super::{Error, Reader, Store};

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

impl Reader<'_> {
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
