//! Endpoints and deliveries as their traveller reads them.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::event::told_as;
use crate::domain::ids::EndpointId;
use crate::domain::signed_message::Secret;
use crate::store::webhooks::{Delivery, DeliveryRow, EndpointRow};

/// Where a traveller wants to be told.
#[derive(Clone, Serialize, ToSchema)]
pub struct EndpointView {
    /// Its id; the second part names its home region.
    #[schema(example = "whe_euc1_0123456789abcdef0123456789abcdef")]
    pub id: String,
    /// Where events are posted to.
    pub url: String,
    /// Which events; all of them without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// Signs what is sent there; shown once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")]
    pub secret: Option<String>,
    /// Until when the secret before it signs along.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub old_secret_until: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// Since when nothing goes there any more.
    #[schema(value_type = Option<String>)]
    pub disabled_at: Option<Timestamp>,
    /// Why: `gone` when it answered 410.
    pub disabled_why: Option<String>,
}

impl EndpointView {
    pub(super) fn new(
        id: EndpointId,
        url: String,
        kinds: Option<&[impl AsRef<str>]>,
        created_at: Timestamp,
    ) -> Self {
        let names = |kinds: &[_]| kinds.iter().map(name).collect();
        Self {
            id: id.to_string(),
            url,
            events: kinds.map(names),
            secret: None,
            old_secret_until: None,
            created_at,
            disabled_at: None,
            disabled_why: None,
        }
    }

    pub(super) fn of(row: EndpointRow, url: String) -> Self {
        Self {
            disabled_at: row.disabled_at,
            disabled_why: row.disabled_why,
            ..Self::new(row.id, url, row.events.as_deref(), row.created_at)
        }
    }

    pub(super) fn with_secret(self, secret: &Secret, old_until: Option<Timestamp>) -> Self {
        Self { secret: Some(secret.reveal()), old_secret_until: old_until, ..self }
    }
}

fn name(kind: &impl AsRef<str>) -> String {
    told_as(kind.as_ref()).to_owned()
}

/// An event on its way to an endpoint, and what became of it.
#[derive(Clone, Serialize, ToSchema)]
pub struct DeliveryView {
    /// The event's id: the same in every delivery of it.
    #[schema(example = "wev_0123456789abcdef0123456789abcdef_2")]
    pub event_id: String,
    /// The event's name.
    #[serde(rename = "type")]
    #[schema(example = "order.confirmed")]
    pub kind: String,
    /// When it happened.
    #[schema(value_type = String)]
    pub occurred_at: Timestamp,
    /// Where it is in its life.
    pub state: Delivery,
    /// Tries so far.
    pub attempts: i64,
    /// Status of the last answer.
    pub last_status: Option<i64>,
    /// Why the last try failed: `status`, `redirect`, `timeout`, `unreachable`, `forbidden`
    /// (webhooks may not go there), `gone`.
    pub last_failure: Option<String>,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When it was tried last.
    #[schema(value_type = Option<String>)]
    pub attempted_at: Option<Timestamp>,
    /// When it arrived or was given up.
    #[schema(value_type = Option<String>)]
    pub settled_at: Option<Timestamp>,
    /// When it is tried next.
    #[schema(value_type = Option<String>)]
    pub next_attempt_at: Option<Timestamp>,
}

impl From<DeliveryRow> for DeliveryView {
    fn from(row: DeliveryRow) -> Self {
        Self {
            event_id: row.event.id.to_string(),
            kind: row.event.name,
            occurred_at: row.event.occurred_at,
            state: row.state,
            attempts: row.attempts,
            last_status: row.last_status,
            last_failure: row.last_failure,
            created_at: row.created_at,
            attempted_at: row.attempted_at,
            settled_at: row.settled_at,
            next_attempt_at: (row.state == Delivery::Pending).then_some(row.due_at),
        }
    }
}
