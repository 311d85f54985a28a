//! What travellers read about their rights.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Overview;
use crate::domain::consent::{Purpose, WORDINGS};
use crate::domain::privacy::{RequestKind, RequestState};
use crate::store::privacy::{ConsentRow, RequestRow};

/// Everything about one's rights.
#[derive(Serialize, ToSchema)]
pub struct PrivacyView {
    /// What is done with one's data.
    pub processing: ProcessingView,
    /// What one may agree to, and whether one has.
    pub consents: Vec<ConsentView>,
    /// What one asked, the newest first.
    pub requests: Vec<RequestView>,
}

/// What is done with one's data.
#[derive(Serialize, ToSchema)]
pub struct ProcessingView {
    /// Since when it is only kept (Art. 18 GDPR).
    #[schema(value_type = Option<String>)]
    pub restricted_at: Option<Timestamp>,
    /// Since when profiling is refused (Art. 21 GDPR).
    #[schema(value_type = Option<String>)]
    pub profiling_refused_at: Option<Timestamp>,
    /// Whether suggestions may be made from one's trips: agreed, not refused, not restricted.
    pub may_profile: bool,
}

/// What one may agree to.
#[derive(Serialize, ToSchema)]
pub struct ConsentView {
    /// For what.
    #[schema(value_type = String, example = "recommendations")]
    pub purpose: Purpose,
    /// Version of the words of today.
    pub version: i64,
    /// These words.
    pub text: &'static str,
    /// Whether one has agreed, to these words or earlier ones.
    pub given: bool,
    /// Version of the words that one agreed to or took back last.
    pub answered_version: Option<i64>,
    /// When.
    #[schema(value_type = Option<String>)]
    pub answered_at: Option<Timestamp>,
}

/// What one asked under the law.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RequestView {
    /// Its id.
    #[schema(example = "prq_euc1_0123456789abcdef0123456789abcdef")]
    pub id: String,
    /// What.
    #[schema(value_type = String, example = "export")]
    pub kind: RequestKind,
    /// How far it is: asked, open, waiting or done.
    #[schema(value_type = String, example = "done")]
    pub state: RequestState,
    /// What it came to: counts by table, exceptions with their basis; never a value.
    #[schema(value_type = Option<Object>)]
    pub receipt: Option<Value>,
    /// Where the copy is fetched: once, within ten minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_url: Option<String>,
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

impl From<RequestRow> for RequestView {
    fn from(row: RequestRow) -> Self {
        Self {
            id: row.id.to_string(),
            kind: row.kind,
            state: row.state,
            receipt: row.receipt,
            archive_url: None,
            created_at: row.created_at,
            answer_by: row.answer_by,
            done_at: row.done_at,
        }
    }
}

impl From<Overview> for PrivacyView {
    fn from(seen: Overview) -> Self {
        let last = |purpose: Purpose| -> Option<&ConsentRow> {
            seen.consents.iter().find(|row| row.purpose == purpose.name())
        };
        let given = |purpose| last(purpose).is_some_and(|row| row.given);
        let (restricted_at, profiling_refused_at) =
            (seen.account.restricted_at, seen.account.profiling_refused_at);
        let may_profile = given(Purpose::Recommendations)
            && restricted_at.is_none()
            && profiling_refused_at.is_none();
        let consents = WORDINGS
            .iter()
            .map(|wording| ConsentView {
                purpose: wording.purpose,
                version: wording.version,
                text: wording.text,
                given: given(wording.purpose),
                answered_version: last(wording.purpose).map(|row| row.version),
                answered_at: last(wording.purpose).map(|row| row.created_at),
            })
            .collect();
        Self {
            processing: ProcessingView { restricted_at, profiling_refused_at, may_profile },
            consents,
            requests: seen.requests.into_iter().map(RequestView::from).collect(),
        }
    }
}
