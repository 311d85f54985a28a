//! The traveller: books, pays, asks, cancels, flies otherwise, takes what the airline changed. What
//! each act writes into the row is said here and nowhere else in the simulator.

use meridian::domain::order::{OrderKind, Rule, State, Trigger};
use meridian::domain::payment::Payment;
use meridian::orders::saga::Change;
use uuid::Uuid;

use crate::chance::Chance;
use crate::world::{Held, Row};

/// What a traveller may want, as far as the table lets them.
const WISHES: [Trigger; 6] = [
    Trigger::PaymentRequested,
    Trigger::CancelRequested,
    Trigger::CancellationQuoted,
    Trigger::ChangeQuoted,
    Trigger::ChangeRequested,
    Trigger::ChangeAccepted,
];
const HOUR: i64 = 60 * 60 * 1000;

/// An act on the order as it was read, written only if no event came between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act {
    pub(crate) version: i64,
    pub(crate) trigger: Trigger,
    pub(crate) rule: &'static Rule,
    owed: i64,
    fee: i64,
    change: Option<Change>,
}

/// A new order, accepted and handed to nobody yet.
pub(crate) fn order(now: i64, lease_until: i64, chance: &mut Chance) -> Row {
    let kind = *chance.one(&[OrderKind::Instant, OrderKind::Instant, OrderKind::Hold]);
    let total = chance.between(50, 900) * 100;
    Row {
        kind,
        state: State::Pending,
        version: 0,
        epoch: 1,
        lease_until: Some(lease_until),
        due_at: Some(now),
        attempts: 0,
        refusals: 0,
        updated_at: now,
        total,
        token: kind == OrderKind::Instant,
        locator: None,
        payment_required_by: None,
        flown_at: now + chance.between(30 * HOUR, 300 * HOUR),
        owed: 0,
        failure: None,
        payments: Vec::new(),
        change: None,
        disruption: None,
        seats: Held { held: true, ..Held::default() },
        fee: 0,
        ceiling: total,
    }
}

/// What the traveller wants of an order that they look at, if anything may be had.
pub(crate) fn wish(row: &Row, now: i64, chance: &mut Chance) -> Option<Act> {
    // While the provider is asked, nobody knows whether money is reserved.
    if row.token {
        return None;
    }
    let trigger = *chance.one(&WISHES);
    let rule = row.state.on(trigger)?;
    let lapsed = row.payment_required_by.is_some_and(|until| now >= until);
    let flown = now >= row.flown_at;
    match trigger {
        Trigger::PaymentRequested if lapsed => return None,
        Trigger::ChangeRequested | Trigger::ChangeAccepted if flown => return None,
        // Most who booked want to fly.
        Trigger::CancelRequested if chance.percent(60) => return None,
        _ => {}
    }
    let kept: i64 = row.payments.iter().map(Payment::left_minor).sum();
    // A fare may keep something of a ticket, and nothing of what never became one.
    let ticketed = matches!(row.state, State::Ticketed | State::Disrupted);
    let share = if ticketed { *chance.one(&[0, 0, 25, 100]) } else { 0 };
    let cancels = trigger == Trigger::CancelRequested;
    let fee = if cancels { kept * share / 100 } else { 0 };
    Some(Act {
        version: row.version,
        trigger,
        rule,
        owed: if cancels { kept - fee } else { row.owed },
        fee,
        change: (trigger == Trigger::ChangeRequested).then(|| change(row, chance)),
    })
}

/// Dearer, cheaper or even; never both, as a quote says one difference.
fn change(row: &Row, chance: &mut Chance) -> Change {
    let part = chance.between(1, row.total / 2);
    let (extra_minor, back_minor) = *chance.one(&[(part, 0), (0, part), (0, 0)]);
    let quote = Uuid::from_u64_pair(chance.next(), chance.next());
    Change { quote, extra_minor, back_minor }
}

impl Act {
    /// As `order_act` writes it: the risen epoch fences whoever was working on the order.
    pub(crate) fn write(&self, row: &mut Row, now: i64, lease: i64) {
        row.state = self.rule.to;
        row.version += 1;
        row.epoch += 1;
        row.lease_until = Some(now + lease);
        row.due_at = Some(now);
        (row.attempts, row.refusals) = (0, 0);
        row.updated_at = now;
        row.failure = None;
        row.owed = self.owed;
        row.fee = self.fee;
        row.token |= self.trigger == Trigger::PaymentRequested;
        if let Some(change) = self.change {
            row.change = Some(change);
            row.seats.other = true;
            // What costs nothing asks for no card.
            row.token = change.extra_minor > 0;
        }
    }
}
