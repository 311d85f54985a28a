//! The table. `docs/orders.md` is written from it; the simulator and the stories walk it.

use Seats::{Keep, Release, ReleaseHeld, Sell, Swap};
use State as S;
use Trigger as T;

use super::{Rule, Seats, State, Trigger};

const fn rule(from: State, trigger: Trigger, to: State, event: &'static str, seats: Seats) -> Rule {
    Rule { from, trigger, to, event, seats }
}

/// Every way into a person's hands.
const fn gave_up(from: State) -> Rule {
    rule(from, T::GaveUp, S::ManualReview, "order.manual_review", Keep)
}

/// The traveller asked what cancelling would give back; nothing moves.
const fn cancellation_quoted(at: State) -> Rule {
    rule(at, T::CancellationQuoted, at, "order.cancellation_quoted", Keep)
}

/// The traveller asked what flying otherwise would cost; nothing moves.
const fn change_quoted(at: State) -> Rule {
    rule(at, T::ChangeQuoted, at, "order.change_quoted", Keep)
}

/// The traveller cancelled.
const fn cancel_requested(from: State) -> Rule {
    rule(from, T::CancelRequested, S::Cancelling, "order.cancelling", Keep)
}

/// The time for which the law wants to know who flew is over.
const fn erased(from: State) -> Rule {
    rule(from, T::Erased, S::Anonymised, "traveller.erased", Keep)
}

/// The order's life.
pub const RULES: &[Rule] = &[
    // Accepted; money and airline are asked.
    rule(S::Pending, T::PriceMoved, S::Rejected, "order.price_changed", Release),
    rule(S::Pending, T::HoldPlaced, S::Held, "order.held", Keep),
    rule(S::Pending, T::HoldRefused, S::Failed, "order.creation_failed", Release),
    rule(S::Pending, T::Authorised, S::Authorized, "payment.authorized", Keep),
    rule(S::Pending, T::ActionRequired, S::AwaitingCustomer, "payment.action_required", Keep),
    rule(S::Pending, T::Declined, S::Failed, "payment.failed", Release),
    rule(S::Held, T::PaymentRequested, S::Held, "payment.requested", Keep),
    rule(S::Held, T::Authorised, S::Authorized, "payment.authorized", Keep),
    rule(S::Held, T::ActionRequired, S::AwaitingCustomer, "payment.action_required", Keep),
    rule(S::Held, T::DeclinedHolding, S::Held, "payment.failed", Keep),
    rule(S::AwaitingCustomer, T::Authorised, S::Authorized, "payment.authorized", Keep),
    rule(S::AwaitingCustomer, T::Declined, S::Failed, "payment.failed", Release),
    rule(S::AwaitingCustomer, T::DeclinedHolding, S::Held, "payment.failed", Keep),
    rule(S::AwaitingCustomer, T::ActionExpired, S::Failed, "payment.expired", Release),
    rule(S::AwaitingCustomer, T::ActionExpiredHolding, S::Held, "payment.expired", Keep),
    rule(S::Held, T::HoldLapsed, S::Expiring, "order.expiring", Keep),
    rule(S::Expiring, T::HoldReleased, S::Expired, "order.expired", Release),
    // The airline books.
    rule(S::Authorized, T::Booked, S::Confirmed, "order.confirmed", Sell),
    rule(S::Authorized, T::BookingUnderWay, S::Confirming, "order.confirming", Keep),
    rule(S::Authorized, T::OutcomeUnknown, S::Unknown, "order.outcome_unknown", Keep),
    rule(S::Authorized, T::BookingRefused, S::Voiding, "order.creation_failed", Release),
    rule(S::Authorized, T::ConfirmRefused, S::Cancelling, "order.creation_failed", Keep),
    rule(S::Confirming, T::Booked, S::Confirmed, "order.confirmed", Sell),
    rule(S::Confirming, T::OutcomeUnknown, S::Unknown, "order.outcome_unknown", Keep),
    rule(S::Confirming, T::BookingRefused, S::Voiding, "order.creation_failed", Release),
    rule(S::Unknown, T::Booked, S::Confirmed, "order.reconciled", Sell),
    rule(S::Unknown, T::BookingUnderWay, S::Confirming, "order.confirming", Keep),
    rule(S::Unknown, T::BookingRefused, S::Voiding, "order.reconciled", Release),
    rule(S::Unknown, T::ConfirmRefused, S::Cancelling, "order.reconciled", Keep),
    // The money is taken, the tickets are issued.
    rule(S::Confirmed, T::Captured, S::Paid, "payment.captured", Keep),
    rule(S::Confirmed, T::CaptureRefused, S::PaymentRetry, "payment.capture_failed", Keep),
    rule(S::PaymentRetry, T::Captured, S::Paid, "payment.captured", Keep),
    rule(S::PaymentRetry, T::CaptureRefused, S::PaymentRetry, "payment.capture_failed", Keep),
    rule(S::PaymentRetry, T::CaptureAbandoned, S::Cancelling, "order.cancelling", Keep),
    rule(S::Paid, T::TicketsIssued, S::Ticketed, "ticket.issued", Keep),
    rule(S::Paid, T::TicketingRefused, S::TicketingRetry, "ticket.failed", Keep),
    rule(S::TicketingRetry, T::TicketsIssued, S::Ticketed, "ticket.issued", Keep),
    rule(S::TicketingRetry, T::TicketingRefused, S::TicketingRetry, "ticket.failed", Keep),
    rule(S::TicketingRetry, T::TicketingAbandoned, S::Cancelling, "order.cancelling", Keep),
    // The traveller cancels.
    cancellation_quoted(S::Held),
    cancellation_quoted(S::Ticketed),
    cancellation_quoted(S::Disrupted),
    cancel_requested(S::Held),
    cancel_requested(S::Confirmed),
    cancel_requested(S::PaymentRetry),
    cancel_requested(S::Paid),
    cancel_requested(S::TicketingRetry),
    cancel_requested(S::Ticketed),
    cancel_requested(S::Disrupted),
    rule(S::Cancelling, T::CancelRefused, S::Cancelling, "order.cancel_failed", Keep),
    rule(S::Cancelling, T::CancelledUnpaid, S::Cancelled, "order.cancelled", Release),
    rule(S::Cancelling, T::CancelledReserved, S::Voiding, "order.cancelled", Release),
    rule(S::Cancelling, T::CancelledPaid, S::Refunding, "order.cancelled", Release),
    rule(S::Voiding, T::Voided, S::Failed, "payment.voided", Keep),
    rule(S::Voiding, T::VoidedCancelled, S::Cancelled, "payment.voided", Keep),
    rule(S::Voiding, T::FoundCaptured, S::Refunding, "payment.captured", Keep),
    rule(S::Refunding, T::PartRefunded, S::Refunding, "payment.refunded", Keep),
    rule(S::Refunding, T::Refunded, S::Refunded, "payment.refunded", Keep),
    // The traveller flies otherwise. The old seats are freed when the new ones are sold.
    change_quoted(S::Ticketed),
    change_quoted(S::Disrupted),
    rule(S::Ticketed, T::ChangeRequested, S::Changing, "order.changing", Keep),
    rule(S::Disrupted, T::ChangeRequested, S::Changing, "order.changing", Keep),
    rule(S::Changing, T::Authorised, S::Changing, "payment.authorized", Keep),
    rule(S::Changing, T::ActionRequired, S::Changing, "payment.action_required", Keep),
    rule(S::Changing, T::Declined, S::Ticketed, "order.change_failed", ReleaseHeld),
    rule(S::Changing, T::ActionExpired, S::Ticketed, "order.change_failed", ReleaseHeld),
    rule(S::Changing, T::Changed, S::Settling, "order.changed", Swap),
    rule(S::Changing, T::ChangedEven, S::Paid, "order.changed", Swap),
    rule(S::Changing, T::ChangeRefused, S::Ticketed, "order.change_failed", ReleaseHeld),
    rule(S::Changing, T::ChangeRefusedReserved, S::Reverting, "order.change_failed", ReleaseHeld),
    rule(S::Reverting, T::Voided, S::Ticketed, "payment.voided", Keep),
    rule(S::Settling, T::Captured, S::Paid, "payment.captured", Keep),
    rule(S::Settling, T::CaptureRefused, S::Settling, "payment.capture_failed", Keep),
    rule(S::Settling, T::PartRefunded, S::Settling, "payment.refunded", Keep),
    rule(S::Settling, T::Refunded, S::Paid, "payment.refunded", Keep),
    // The airline flies otherwise.
    rule(
        S::Ticketed,
        T::ChangeDetected,
        S::Disrupted,
        "order.airline_initiated_change_detected",
        Keep,
    ),
    rule(
        S::Disrupted,
        T::ChangeDetected,
        S::Disrupted,
        "order.airline_initiated_change_detected",
        Keep,
    ),
    rule(
        S::Disrupted,
        T::ChangeWithdrawn,
        S::Ticketed,
        "order.airline_initiated_change_withdrawn",
        Keep,
    ),
    rule(S::Disrupted, T::ChangeAccepted, S::Accepting, "order.change_accepting", Keep),
    rule(S::Accepting, T::AcceptanceTold, S::Ticketed, "order.change_accepted", Keep),
    rule(S::Accepting, T::AcceptanceRefused, S::Ticketed, "order.change_accept_failed", Keep),
    // Time leads on.
    rule(S::Ticketed, T::Flown, S::Completed, "order.completed", Keep),
    rule(S::Disrupted, T::Flown, S::Completed, "order.completed", Keep),
    erased(S::Rejected),
    erased(S::Completed),
    erased(S::Expired),
    erased(S::Failed),
    erased(S::Cancelled),
    erased(S::Refunded),
    // A person is called.
    gave_up(S::Pending),
    gave_up(S::Held),
    gave_up(S::AwaitingCustomer),
    gave_up(S::Authorized),
    gave_up(S::Confirming),
    gave_up(S::Unknown),
    gave_up(S::Confirmed),
    gave_up(S::PaymentRetry),
    gave_up(S::Paid),
    gave_up(S::TicketingRetry),
    gave_up(S::Changing),
    gave_up(S::Settling),
    gave_up(S::Reverting),
    gave_up(S::Accepting),
    gave_up(S::Expiring),
    gave_up(S::Voiding),
    gave_up(S::Cancelling),
    gave_up(S::Refunding),
    rule(S::ManualReview, T::ReservationReleased, S::ManualReview, "payment.voided", Keep),
];
