//! What is asked or written about an order that was just read.

use super::{
    Call, Next, PaymentState, REFUSALS_MAX, RETENTION, Reason, Situation, authorization_step,
};
use crate::domain::order::{OrderKind, State, Trigger};

impl Situation {
    /// What comes next for an order that was just read.
    pub fn begin(&self) -> Next {
        match self.state {
            State::Pending => self.begin_pending(),
            State::Held => self.begin_held(),
            State::AwaitingCustomer => self.begin_customer(),
            // Whoever died in the middle of the question may have been heard.
            State::Authorized | State::Confirming if self.overdue() => {
                self.write(Trigger::OutcomeUnknown)
            }
            State::Authorized | State::Confirming => self.ask_booking(),
            State::Unknown => self.begin_unknown(),
            State::Confirmed => self.ask_capture(),
            State::PaymentRetry if self.refusals >= REFUSALS_MAX => {
                self.fail(Trigger::CaptureAbandoned, "capture_failed")
            }
            State::PaymentRetry => self.ask_capture(),
            State::TicketingRetry if self.refusals >= REFUSALS_MAX => {
                self.fail(Trigger::TicketingAbandoned, "ticketing_failed")
            }
            State::Paid | State::TicketingRetry => Next::Ask(Call::Tickets),
            State::Ticketed | State::Disrupted if self.until_flown.is_zero() => {
                self.write(Trigger::Flown)
            }
            State::Ticketed | State::Disrupted => Next::Ask(Call::AirlineChange),
            State::Changing => self.begin_changing(),
            State::Settling => self.begin_settling(),
            State::Accepting => match &self.disruption {
                Some(change) => Next::Ask(Call::AcceptChange { change: change.clone() }),
                None => self.write(Trigger::AcceptanceRefused),
            },
            State::Expiring if self.booked => Next::Ask(Call::ReleaseHold),
            State::Expiring => self.write(Trigger::HoldReleased),
            State::Voiding | State::Reverting => self.begin_voiding(),
            State::Cancelling if self.refusals >= REFUSALS_MAX => self.write(Trigger::GaveUp),
            State::Cancelling if self.booked => Next::Ask(Call::Cancel),
            State::Cancelling => self.cancelled(),
            State::Refunding => self.ask_refund().unwrap_or_else(|| self.write(Trigger::Refunded)),
            State::ManualReview => match self.reserved() {
                Some(payment) => Next::Ask(Call::Void { position: payment.position }),
                None => Next::Rest,
            },
            State::Rejected
            | State::Completed
            | State::Expired
            | State::Failed
            | State::Cancelled
            | State::Refunded => match RETENTION.checked_sub(self.since_flown) {
                Some(left) if !left.is_zero() && !self.erased => {
                    Next::Wait(self.until_flown + left)
                }
                _ => self.write(Trigger::Erased),
            },
            State::Anonymised => Next::Rest,
        }
    }

    fn begin_pending(&self) -> Next {
        match (self.kind, self.overdue()) {
            (OrderKind::Instant, false) => Next::Ask(Call::Price),
            (OrderKind::Instant, true) => self.close_authorization(None),
            (OrderKind::Hold, false) => Next::Ask(Call::Hold),
            (OrderKind::Hold, true) => Next::Ask(Call::CloseBooking { hold: true }),
        }
    }

    fn begin_held(&self) -> Next {
        if self.paying {
            // Also beyond the time to pay: what was asked must be known before the seats go.
            return if self.overdue() {
                self.close_authorization(None)
            } else {
                Next::Ask(Call::Authorize { amount_minor: self.total.amount_minor })
            };
        }
        match self.until_lapse {
            Some(left) if !left.is_zero() => Next::Wait(left),
            _ => self.write(Trigger::HoldLapsed),
        }
    }

    /// The cardholder's own page decides; ours only looks, and closes the question in the end.
    fn begin_customer(&self) -> Next {
        match self.open_payment() {
            Some(payment) if self.overdue() => Next::Ask(Call::CloseAuthorization {
                asked_as: payment.asked_as.clone(),
                moved: None,
            }),
            Some(payment) => Next::Ask(Call::Authorization { position: payment.position }),
            None => self.write(Trigger::GaveUp),
        }
    }

    fn begin_unknown(&self) -> Next {
        if !self.overdue() {
            self.ask_booking()
        } else if self.booked {
            // Cancelling the held booking undoes a confirmation that may have been heard, too.
            self.fail(Trigger::ConfirmRefused, "airline_timeout")
        } else {
            Next::Ask(Call::CloseBooking { hold: false })
        }
    }

    fn begin_changing(&self) -> Next {
        let Some(change) = self.change else { return self.write(Trigger::GaveUp) };
        match self.open_payment() {
            _ if change.extra_minor == 0 => Next::Ask(Call::Change),
            Some(payment) if payment.state == PaymentState::Reserved => Next::Ask(Call::Change),
            Some(_) => self.begin_customer(),
            None if self.overdue() => self.close_authorization(None),
            None => Next::Ask(Call::Authorize { amount_minor: change.extra_minor }),
        }
    }

    fn begin_settling(&self) -> Next {
        if self.reserved().is_some() {
            return if self.refusals >= REFUSALS_MAX {
                self.write(Trigger::GaveUp)
            } else {
                self.ask_capture()
            };
        }
        self.ask_refund().unwrap_or_else(|| self.write(Trigger::Refunded))
    }

    fn begin_voiding(&self) -> Next {
        match self.reserved() {
            Some(payment) => Next::Ask(Call::Void { position: payment.position }),
            None => self.write(self.voided()),
        }
    }

    fn ask_booking(&self) -> Next {
        Next::Ask(if self.booked { Call::Confirm } else { Call::Book })
    }

    fn ask_capture(&self) -> Next {
        match self.reserved() {
            Some(payment) => {
                let (position, amount_minor) = (payment.position, payment.amount_minor);
                Next::Ask(Call::Capture { position, amount_minor })
            }
            None => self.write(Trigger::GaveUp),
        }
    }

    /// The newest money goes back first; `None` when nothing is owed.
    fn ask_refund(&self) -> Option<Next> {
        let payment = self.payments.iter().rev().find(|payment| payment.left_minor() > 0)?;
        let amount_minor = payment.left_minor().min(self.owed_minor);
        let position = payment.position;
        (amount_minor > 0).then_some(Next::Ask(Call::Refund { position, amount_minor }))
    }

    /// Settles whether the reservation that this version asks for was made.
    pub(super) fn close_authorization(&self, moved: Option<Reason>) -> Next {
        let asked_as = authorization_step(self.version);
        Next::Ask(Call::CloseAuthorization { asked_as, moved })
    }

    /// The airline knows that it is cancelled: what becomes of the money.
    pub(super) fn cancelled(&self) -> Next {
        if self.reserved().is_some() {
            self.write(Trigger::CancelledReserved)
        } else if self.owed_minor > 0 {
            self.write(Trigger::CancelledPaid)
        } else {
            self.write(Trigger::CancelledUnpaid)
        }
    }

    /// What it means here that nothing is reserved any more.
    pub(super) fn voided(&self) -> Trigger {
        match self.state {
            State::ManualReview => Trigger::ReservationReleased,
            State::Voiding if !self.failing => Trigger::VoidedCancelled,
            _ => Trigger::Voided,
        }
    }
}
