//! Money that was asked for on an order: reserved, taken, given back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One reservation of money and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Payment {
    /// 0 for the booking, higher for changes and for a second try of a held order.
    pub position: i64,
    /// The step under whose key it was asked for.
    pub asked_as: String,
    /// The provider's id of it.
    pub reference: String,
    /// How far it is.
    pub state: PaymentState,
    /// What was reserved.
    pub amount_minor: i64,
    /// What was taken of it.
    pub captured_minor: i64,
    /// What went back of that.
    pub refunded_minor: i64,
    /// When the reservation ends by itself.
    pub capture_before: Option<Timestamp>,
}

impl Payment {
    /// What may still go back.
    pub fn left_minor(&self) -> i64 {
        self.captured_minor - self.refunded_minor
    }
}

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// The cardholder must act.
    ActionRequired,
    /// Reserved, not taken.
    Reserved,
    /// Taken.
    Captured,
    /// Let go, or never reserved.
    Voided,
}

impl PaymentState {
    /// The name in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::ActionRequired => "action_required",
            Self::Reserved => "reserved",
            Self::Captured => "captured",
            Self::Voided => "voided",
        }
    }
}
