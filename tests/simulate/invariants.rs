//! What must hold after each step, and what must hold when nothing moves any more.

use meridian::domain::order::{RULES, State};
use meridian::domain::payment::{Payment, PaymentState};

use crate::companies::{Companies, Money, Stage};
use crate::world::World;

/// After each step; `seen` is how many events were looked at before.
pub(crate) fn always(world: &World, companies: &Companies, seen: usize) -> Result<(), String> {
    if let Some(alarm) = world.alarms.iter().chain(&companies.alarms).next() {
        return Err(alarm.clone());
    }
    events(world, seen)?;
    let live = companies.flights.iter().filter(|it| it.stage != Stage::Cancelled).count();
    if live > 1 {
        return Err(format!("{live} bookings live at once"));
    }
    money(world, companies)?;
    if world.row.state.works() && world.row.due_at.is_none() {
        return Err(format!("{} has no due time", world.row.state));
    }
    Ok(())
}

fn events(world: &World, seen: usize) -> Result<(), String> {
    for at in seen.max(1)..world.events.len() {
        let (before, event) = (world.events[at - 1], world.events[at]);
        if event.seq != before.seq + 1 {
            return Err(format!("event {} follows {}", event.seq, before.seq));
        }
        let legal = event
            .trigger
            .and_then(|it| before.state.on(it))
            .is_some_and(|rule| rule.to == event.state && rule.event == event.kind);
        if !legal {
            return Err(format!("{} -> {} on {:?}", before.state, event.state, event.trigger));
        }
    }
    let last = world.events.last().map(|it| it.seq);
    if last != Some(world.row.version) {
        return Err(format!("version {} after event {last:?}", world.row.version));
    }
    Ok(())
}

fn money(world: &World, companies: &Companies) -> Result<(), String> {
    let (mut open, mut captured) = (0, 0);
    for account in &companies.accounts {
        open += u32::from(matches!(account.status, Money::Reserved | Money::ActionRequired));
        captured += account.captured;
        if account.captured > account.amount || account.refunded > account.captured {
            return Err(format!("more moved than there was: {account:?}"));
        }
    }
    if open > 1 {
        return Err(format!("{open} reservations open at once"));
    }
    if captured > world.row.ceiling {
        return Err(format!("{captured} taken, {} at most", world.row.ceiling));
    }
    Ok(())
}

/// Whether nothing moves any more unless somebody acts or time passes.
pub(crate) fn is_at_rest(world: &World) -> bool {
    let row = &world.row;
    let paying = row.state == State::Held && row.token;
    !row.state.works() && !paying
}

/// When it is at rest: everybody's books say the same.
pub(crate) fn at_rest(world: &World, companies: &Companies) -> Result<(), String> {
    let row = &world.row;
    // A person looks at the books then; what is never right was looked for after each step.
    if row.state == State::ManualReview {
        return Ok(());
    }
    let live = companies.flights.iter().find(|it| it.stage != Stage::Cancelled).map(|it| it.stage);
    let flies = matches!(row.state, State::Ticketed | State::Disrupted | State::Completed);
    let expected = match row.state {
        State::Held => Some(Stage::Held),
        _ if flies => Some(Stage::Ticketed),
        State::Anonymised => live,
        _ => None,
    };
    if live != expected {
        return Err(format!("{}: the airline has {live:?}", row.state));
    }
    let seats = row.seats;
    let right = match row.state {
        State::Held => seats.held && !seats.sold && !seats.other,
        State::Anonymised => !seats.held && !seats.other,
        _ => seats.sold == flies && !seats.held && !seats.other,
    };
    if !right {
        return Err(format!("{}: {seats:?}", row.state));
    }
    if row.state.is_terminal() && row.token {
        return Err(format!("{}: a payment token is kept", row.state));
    }
    if row.state != State::Anonymised && row.due_at.is_none() {
        return Err(format!("{} is never looked at again", row.state));
    }
    books(world, companies, flies)
}

fn books(world: &World, companies: &Companies, flies: bool) -> Result<(), String> {
    let row = &world.row;
    let kept: i64 = companies.accounts.iter().map(|it| it.captured - it.refunded).sum();
    let due = match row.state {
        _ if flies => row.total,
        State::Cancelled | State::Refunded => row.fee,
        State::Anonymised => kept,
        _ => 0,
    };
    if kept != due {
        return Err(format!("{}: {kept} kept, {due} due", row.state));
    }
    for account in &companies.accounts {
        let known = row.payments.iter().find(|it| it.reference == account.reference);
        let agrees = match account.status {
            Money::Reserved | Money::ActionRequired => false,
            Money::Captured => known.is_some_and(|it| same(it, account.captured, account.refunded)),
            Money::Failed | Money::Voided => {
                known.is_none_or(|it| it.state == PaymentState::Voided)
            }
        };
        if !agrees {
            return Err(format!("{}: {account:?} is known as {known:?}", row.state));
        }
    }
    let unheard_of =
        |it: &&Payment| companies.accounts.iter().all(|account| account.reference != it.reference);
    match row.payments.iter().find(unheard_of) {
        Some(payment) => Err(format!("the provider does not know {payment:?}")),
        None => Ok(()),
    }
}

fn same(payment: &Payment, captured: i64, refunded: i64) -> bool {
    payment.state == PaymentState::Captured
        && payment.captured_minor == captured
        && payment.refunded_minor == refunded
}

/// Which lines of the table a run went along.
pub(crate) fn covered(world: &World, lines: &mut [bool], states: &mut [bool]) {
    for pair in world.events.windows(2) {
        let line = RULES
            .iter()
            .position(|it| it.from == pair[0].state && Some(it.trigger) == pair[1].trigger);
        if let Some(line) = line {
            lines[line] = true;
        }
    }
    for event in &world.events {
        states[event.state as usize] = true;
    }
}
