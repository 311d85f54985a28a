//! What people of the house read.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::domain::privacy::{RequestKind, RequestState};
use crate::privacy::audit::traveller::Shown;
use crate::store::locality::VerdictRow;
use crate::store::privacy::RequestRow;

/// What the last look at the places of a region's rows found.
#[derive(Serialize, ToSchema)]
pub struct VerdictView {
    /// The region.
    pub region: String,
    /// How many things are where they must not be.
    pub violations: i64,
    /// Counts by table, controls and findings.
    #[schema(value_type = Object)]
    pub found: Value,
    /// When it was looked.
    #[schema(value_type = String)]
    pub taken_at: Timestamp,
}

impl VerdictView {
    /// The view of a region's last look.
    pub fn of(region: &str, row: VerdictRow) -> Self {
        let VerdictRow { violations, body: found, taken_at } = row;
        Self { region: region.to_owned(), violations, found, taken_at }
    }
}

/// Something that a traveller asked, and its clock. Whose it is, is masked.
#[derive(Serialize, ToSchema)]
pub struct ClockView {
    /// Its id, masked.
    pub request: String,
    /// What.
    #[schema(value_type = String, example = "erasure")]
    pub kind: RequestKind,
    /// How far it is.
    #[schema(value_type = String, example = "open")]
    pub state: RequestState,
    /// `traveller` or `operator`.
    pub asked_by: String,
    /// When it was asked.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// Until when the law wants an answer.
    #[schema(value_type = String)]
    pub answer_by: Timestamp,
    /// When it was done.
    #[schema(value_type = Option<String>)]
    pub done_at: Option<Timestamp>,
}

impl From<RequestRow> for ClockView {
    fn from(row: RequestRow) -> Self {
        Self {
            request: masked(&row.id.to_string()),
            kind: row.kind,
            state: row.state,
            asked_by: row.asked_by,
            created_at: row.created_at,
            answer_by: row.answer_by,
            done_at: row.done_at,
        }
    }
}

/// Where one traveller's rows are, without what is in them.
#[derive(Serialize, ToSchema)]
pub struct RowsView {
    /// Who, masked.
    pub traveller: String,
    /// Their home.
    pub home: String,
    /// The law there.
    pub jurisdiction: String,
    /// Regions whose machines may hold a copy.
    pub copies_in: Vec<String>,
    /// Rows by table and place.
    #[schema(value_type = Vec<Object>)]
    pub held: Value,
    /// How the home moved: from, to, why, when.
    #[schema(value_type = Vec<Vec<String>>)]
    pub moves: Value,
}

impl From<Shown> for RowsView {
    fn from(shown: Shown) -> Self {
        Self {
            traveller: masked(&shown.traveller),
            home: shown.home,
            jurisdiction: shown.jurisdiction,
            copies_in: shown.regions,
            held: serde_json::to_value(shown.held).expect("counts and names"),
            moves: serde_json::to_value(shown.moves).expect("counts and names"),
        }
    }
}

/// An id of which only the begin and the end are shown.
pub fn masked(id: &str) -> String {
    let (begin, end) = (id.get(..13).unwrap_or(""), id.get(id.len().saturating_sub(4)..));
    format!("{begin}…{}", end.unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_id_is_nobodys_key() {
        let id = format!("trv_euc1_{}", "0123456789abcdef".repeat(2));
        assert_eq!(masked(&id), "trv_euc1_0123…cdef");
        assert_eq!(masked(""), "…");
    }
}
