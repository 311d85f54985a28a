//! What an answer means for an order, and what is written then.

use std::time::Duration;

use super::{
    Answer, Call, ChangeEnd, DisruptionEnd, Due, Heard, LOOK, LOOK_AGAIN, Learned, Next, POLL,
    Payment, PaymentState, RESERVATION_MARGIN, RETENTION, Situation, backoff,
};
use crate::domain::order::{OrderKind, State, Trigger};
use crate::suppliers::{Authorization, AuthorizationStatus, Booked, Booking, Outcome, Reason};

impl Situation {
    /// What comes next after an answer.
    pub fn hear(&self, call: &Call, heard: Heard) -> Next {
        match heard {
            Outcome::Done(answer) => self.done(call, answer),
            Outcome::Refused(reason) => self.refused(call, reason),
            Outcome::Unknown => self.unknown(call),
            Outcome::NotTried => match call {
                Call::Price => self.pay(),
                _ => self.undecided(call),
            },
        }
    }

    fn unknown(&self, call: &Call) -> Next {
        match (call, self.state) {
            (Call::Price, _) => self.pay(),
            (Call::Book | Call::Confirm, State::Authorized | State::Confirming) => {
                let mut learned = self.learned(Trigger::OutcomeUnknown);
                learned.due = Due::After(self.pause());
                Next::Write(Box::new(learned))
            }
            _ => self.undecided(call),
        }
    }

    /// Nothing was learned: again later, or a person must look.
    fn undecided(&self, call: &Call) -> Next {
        // A question that can be closed was given its time before, and closing gets as much again.
        let closable = matches!(call, Call::CloseAuthorization { .. } | Call::CloseBooking { .. });
        let limit = self.patience() * if closable { 2 } else { 1 };
        let ends_otherwise = matches!(
            call,
            Call::Authorize { .. }
                | Call::Authorization { .. }
                | Call::Hold
                | Call::Book
                | Call::Confirm
                | Call::AirlineChange
        );
        if call == &Call::AirlineChange {
            Next::Wait(LOOK_AGAIN)
        } else if self.waited > limit && !ends_otherwise && self.may(Trigger::GaveUp) {
            self.write(Trigger::GaveUp)
        } else {
            Next::Wait(self.pause())
        }
    }

    fn done(&self, call: &Call, answer: Answer) -> Next {
        match (call, answer) {
            (Call::Price, Answer::Done) => self.pay(),
            (Call::Authorize { amount_minor }, Answer::Authorization(money)) => {
                self.asked(call.step(self).unwrap_or_default(), *amount_minor, money)
            }
            (Call::Authorization { position }, Answer::Authorization(money)) => {
                self.looked(*position, money)
            }
            (
                Call::CloseAuthorization { moved: Some(reason), .. },
                Answer::AuthorizationClosed(None),
            ) => self.price_moved(Trigger::PriceMoved, *reason),
            (Call::CloseAuthorization { asked_as, .. }, Answer::AuthorizationClosed(found)) => {
                self.closed_money(call, asked_as, found)
            }
            (Call::Hold, Answer::Booking(Booking::Made(booked))) => self.held(booked),
            (Call::Book, Answer::Booking(Booking::Made(booked))) => self.booked(Some(booked)),
            (Call::Book, Answer::Booking(Booking::UnderWay)) if self.state != State::Confirming => {
                self.write(Trigger::BookingUnderWay)
            }
            (Call::Hold | Call::Book, Answer::Booking(Booking::UnderWay)) => Next::Wait(POLL),
            (Call::CloseBooking { hold }, Answer::BookingClosed(found)) => match (found, hold) {
                (Some(booked), true) => self.held(booked),
                (Some(booked), false) => self.booked(Some(booked)),
                (None, true) => self.fail(Trigger::HoldRefused, "airline_timeout"),
                (None, false) => self.fail(Trigger::BookingRefused, "airline_timeout"),
            },
            (Call::Confirm, Answer::Done) => self.booked(None),
            (Call::ReleaseHold, Answer::Done) => self.write(Trigger::HoldReleased),
            (Call::Capture { position, amount_minor }, Answer::Done) => {
                self.moved_money(Trigger::Captured, *position, |payment| {
                    payment.state = PaymentState::Captured;
                    payment.captured_minor = *amount_minor;
                })
            }
            (Call::Void { position }, Answer::Done) => {
                self.moved_money(self.voided(), *position, |payment| {
                    payment.state = PaymentState::Voided;
                })
            }
            (Call::Refund { position, amount_minor }, Answer::Done) => {
                self.refunded(*position, *amount_minor)
            }
            (Call::Tickets, Answer::Documents(documents)) => {
                let mut learned = self.learned(Trigger::TicketsIssued);
                learned.documents = Some(documents);
                Next::Write(Box::new(learned))
            }
            (Call::Cancel, Answer::Done) => self.cancelled(),
            (Call::Change, Answer::Done) => self.changed(),
            (Call::AirlineChange, Answer::AirlineChange(found)) => self.found_change(found),
            (Call::AcceptChange { .. }, Answer::Done) => {
                let mut learned = self.learned(Trigger::AcceptanceTold);
                learned.disruption = DisruptionEnd::Apply;
                Next::Write(Box::new(learned))
            }
            // Another answer than the question's: as if none had come.
            (call, _) => self.unknown(call),
        }
    }

    fn refused(&self, call: &Call, reason: Reason) -> Next {
        let code = reason.code();
        match call {
            Call::Price => match reason {
                // Whoever asked before may have reserved the money and died before saying so.
                Reason::PriceChanged(_) => self.close_authorization(Some(reason)),
                _ => self.pay(),
            },
            Call::Authorize { .. } => self.fail(self.declined(), code),
            Call::Authorization { position } => self.declined_payment(*position, code),
            Call::Hold => match reason {
                Reason::PriceChanged(_) => self.price_moved(Trigger::PriceMoved, reason),
                _ => self.fail(Trigger::HoldRefused, code),
            },
            Call::Book => self.price_moved(Trigger::BookingRefused, reason),
            Call::Confirm => self.price_moved(Trigger::ConfirmRefused, reason),
            Call::Capture { .. } => self.again(Trigger::CaptureRefused),
            Call::Tickets => self.again(Trigger::TicketingRefused),
            Call::Cancel => self.again(Trigger::CancelRefused),
            // The money was taken before it could be let go: it must go back instead.
            Call::Void { position }
                if reason == Reason::AlreadyCaptured && self.may(Trigger::FoundCaptured) =>
            {
                let next = self.moved_money(Trigger::FoundCaptured, *position, |payment| {
                    payment.state = PaymentState::Captured;
                    payment.captured_minor = payment.amount_minor;
                });
                self.owing(next)
            }
            Call::Change => {
                let reserved = self.reserved().is_some();
                self.fail(
                    if reserved { Trigger::ChangeRefusedReserved } else { Trigger::ChangeRefused },
                    code,
                )
            }
            Call::AcceptChange { .. } => self.write(Trigger::AcceptanceRefused),
            _ => self.undecided(call),
        }
    }

    /// The price stands, or could not be asked: the money is next.
    fn pay(&self) -> Next {
        Next::Ask(Call::Authorize { amount_minor: self.total.amount_minor })
    }

    fn asked(&self, asked_as: String, amount: i64, money: Authorization) -> Next {
        let position = self.payments.iter().map(|payment| payment.position + 1).max().unwrap_or(0);
        let blank = Payment {
            position,
            asked_as,
            reference: money.reference.clone(),
            state: PaymentState::Reserved,
            amount_minor: amount,
            captured_minor: 0,
            refunded_minor: 0,
            capture_before: None,
        };
        self.payment_at(blank, money)
    }

    fn looked(&self, position: i64, money: Authorization) -> Next {
        match (self.payment(position), &money.status) {
            (Some(_), AuthorizationStatus::ActionRequired { .. }) => Next::Wait(POLL),
            (Some(payment), AuthorizationStatus::Reserved { .. }) => {
                self.payment_at(payment.clone(), money)
            }
            (None, _) => self.undecided(&Call::Authorization { position }),
        }
    }

    fn closed_money(&self, call: &Call, asked_as: &str, found: Option<Authorization>) -> Next {
        let open = self.open_payment();
        match (found, open) {
            (Some(money), _) if matches!(money.status, AuthorizationStatus::Reserved { .. }) => {
                match open {
                    Some(payment) => self.payment_at(payment.clone(), money),
                    None => {
                        let extra = self.change.map(|change| change.extra_minor);
                        let amount = extra.unwrap_or(self.total.amount_minor);
                        self.asked(asked_as.to_owned(), amount, money)
                    }
                }
            }
            (Some(_), _) => self.undecided(call),
            (None, Some(payment)) => {
                let position = payment.position;
                let trigger = match self.declined() {
                    Trigger::DeclinedHolding => Trigger::ActionExpiredHolding,
                    _ => Trigger::ActionExpired,
                };
                self.lost_payment(trigger, position, "authentication_expired")
            }
            (None, None) => self.fail(self.declined(), "payment_timeout"),
        }
    }

    fn payment_at(&self, mut payment: Payment, money: Authorization) -> Next {
        let mut learned;
        match money.status {
            AuthorizationStatus::Reserved { capture_before } => {
                learned = self.learned(Trigger::Authorised);
                payment.state = PaymentState::Reserved;
                payment.capture_before = capture_before;
            }
            AuthorizationStatus::ActionRequired { url } => {
                learned = self.learned(Trigger::ActionRequired);
                learned.due = Due::After(POLL);
                learned.action_url = Some(url);
                payment.state = PaymentState::ActionRequired;
            }
        }
        learned.token_spent = true;
        learned.payment = Some(payment);
        Next::Write(Box::new(learned))
    }

    /// What a definite no of the payment provider means here.
    fn declined(&self) -> Trigger {
        match (self.state, self.kind) {
            (State::Held, _) | (State::AwaitingCustomer, OrderKind::Hold) => {
                Trigger::DeclinedHolding
            }
            _ => Trigger::Declined,
        }
    }

    fn declined_payment(&self, position: i64, code: &'static str) -> Next {
        self.lost_payment(self.declined(), position, code)
    }

    fn lost_payment(&self, trigger: Trigger, position: i64, code: &'static str) -> Next {
        let next = self.moved_money(trigger, position, |payment| {
            payment.state = PaymentState::Voided;
        });
        self.failing_with(next, code)
    }

    fn held(&self, booked: Booked) -> Next {
        let Some(until) = booked.payment_required_by else {
            // A hold without an end would keep its seats for ever.
            return self.undecided(&Call::Hold);
        };
        let mut learned = self.learned(Trigger::HoldPlaced);
        learned.due = Due::At(until);
        learned.booking = Some(booked);
        Next::Write(Box::new(learned))
    }

    fn booked(&self, booked: Option<Booked>) -> Next {
        let mut learned = self.learned(Trigger::Booked);
        learned.booking = booked.map(|booked| Booked { payment_required_by: None, ..booked });
        Next::Write(Box::new(learned))
    }

    fn price_moved(&self, trigger: Trigger, reason: Reason) -> Next {
        let mut learned = self.learned(trigger);
        learned.failure = Some(reason.code());
        if let Reason::PriceChanged(price) = reason {
            learned.price = price;
        }
        Next::Write(Box::new(learned))
    }

    fn changed(&self) -> Next {
        let back = self.change.map_or(0, |change| change.back_minor);
        let even = back == 0 && self.reserved().is_none();
        let mut learned = self.learned(if even { Trigger::ChangedEven } else { Trigger::Changed });
        learned.change = ChangeEnd::Apply;
        learned.disruption = DisruptionEnd::Drop;
        learned.owed_minor = back;
        Next::Write(Box::new(learned))
    }

    fn found_change(&self, found: Option<crate::suppliers::AirlineChange>) -> Next {
        match (found, self.state) {
            (Some(change), _) if self.disruption.as_deref() != Some(change.id.as_str()) => {
                let mut learned = self.learned(Trigger::ChangeDetected);
                learned.disruption = DisruptionEnd::Set(change);
                Next::Write(Box::new(learned))
            }
            (None, State::Disrupted) => {
                let mut learned = self.learned(Trigger::ChangeWithdrawn);
                learned.disruption = DisruptionEnd::Drop;
                Next::Write(Box::new(learned))
            }
            _ => Next::Wait(self.until_flown.min(LOOK)),
        }
    }

    fn refunded(&self, position: i64, amount_minor: i64) -> Next {
        let owed_minor = self.owed_minor - amount_minor;
        let trigger = if owed_minor > 0 { Trigger::PartRefunded } else { Trigger::Refunded };
        let next = self.moved_money(trigger, position, |payment| {
            payment.refunded_minor += amount_minor;
        });
        match next {
            Next::Write(learned) => Next::Write(Box::new(Learned { owed_minor, ..*learned })),
            other => other,
        }
    }

    fn moved_money(
        &self,
        trigger: Trigger,
        position: i64,
        become_: impl FnOnce(&mut Payment),
    ) -> Next {
        let Some(mut payment) = self.payment(position).cloned() else {
            return self.write(Trigger::GaveUp);
        };
        become_(&mut payment);
        let mut learned = self.learned(trigger);
        learned.payment = Some(payment);
        Next::Write(Box::new(learned))
    }

    /// All that was just found to be taken goes back.
    fn owing(&self, next: Next) -> Next {
        let Next::Write(learned) = next else { return next };
        let found = learned.payment.as_ref().map_or(0, Payment::left_minor);
        Next::Write(Box::new(Learned { owed_minor: self.kept_minor() + found, ..*learned }))
    }

    fn failing_with(&self, next: Next, code: &'static str) -> Next {
        let Next::Write(learned) = next else { return next };
        Next::Write(Box::new(Learned { failure: Some(code), ..*learned }))
    }

    /// Definitely refused, and to be tried again under another key.
    fn again(&self, trigger: Trigger) -> Next {
        let mut learned = self.learned(trigger);
        learned.refused = true;
        learned.due = Due::After(backoff(self.refusals));
        Next::Write(Box::new(learned))
    }

    fn may(&self, trigger: Trigger) -> bool {
        self.state.on(trigger).is_some()
    }

    pub(super) fn fail(&self, trigger: Trigger, code: &'static str) -> Next {
        self.failing_with(self.write(trigger), code)
    }

    pub(super) fn write(&self, trigger: Trigger) -> Next {
        Next::Write(Box::new(self.learned(trigger)))
    }

    /// What the table says of a trigger here. What it does not list is a mistake of ours, and a
    /// person must look before anything is done on it.
    fn learned(&self, trigger: Trigger) -> Learned {
        let (trigger, rule) = match self.state.on(trigger) {
            Some(rule) => (trigger, rule),
            None => {
                let rule = self.state.on(Trigger::GaveUp);
                (Trigger::GaveUp, rule.expect("only working states are stepped"))
            }
        };
        // A price that moved ends the order before its token was ever used.
        let token_goes = matches!(
            trigger,
            Trigger::Declined
                | Trigger::DeclinedHolding
                | Trigger::ActionExpired
                | Trigger::PriceMoved
        );
        let ends_change =
            rule.to == State::Ticketed && matches!(self.state, State::Changing | State::Reverting);
        let abandoned = trigger == Trigger::TicketingAbandoned;
        Learned {
            trigger,
            to: rule.to,
            event: rule.event,
            seats: rule.seats,
            due: self.due(rule.to, ends_change),
            refused: false,
            token_spent: token_goes,
            // Whoever is called must read why.
            failure: (trigger == Trigger::GaveUp).then_some("outcome_unknown"),
            payment: None,
            owed_minor: if abandoned { self.kept_minor() } else { self.owed_minor },
            booking: None,
            documents: None,
            price: None,
            action_url: None,
            change: if ends_change { ChangeEnd::Drop } else { ChangeEnd::Keep },
            disruption: if ends_change || trigger == Trigger::AcceptanceRefused {
                DisruptionEnd::Drop
            } else {
                DisruptionEnd::Keep
            },
        }
    }

    /// When a worker has to come back to an order that is now in a state.
    fn due(&self, to: State, look_at_once: bool) -> Due {
        match to {
            State::Held => match self.until_lapse {
                Some(left) => Due::After(left),
                None => Due::Now,
            },
            State::Confirming => Due::After(POLL),
            // An airline's own change that was known before is looked for again at once.
            State::Ticketed if look_at_once || self.state == State::Accepting => {
                Due::After(Duration::ZERO)
            }
            State::Ticketed | State::Disrupted => Due::After(self.until_flown.min(LOOK)),
            State::ManualReview => match self.reserved().and_then(|p| p.capture_before) {
                Some(until) => Due::At(until - RESERVATION_MARGIN),
                None => Due::Never,
            },
            State::Anonymised => Due::Never,
            over if over.is_terminal() && self.erased => Due::Now,
            over if over.is_terminal() => Due::After(self.until_flown + RETENTION),
            _ => Due::Now,
        }
    }
}
