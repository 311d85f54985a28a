//! What must hold of the table whatever stands in it.

use std::fmt::Write;

use super::*;

#[test]
fn no_state_and_trigger_lead_two_ways() {
    for rule in RULES {
        let same = RULES.iter().filter(|r| r.from == rule.from && r.trigger == rule.trigger);
        assert_eq!(same.count(), 1, "{} on {:?}", rule.from, rule.trigger);
    }
}

/// Every pair of the table and no other is legal: all of them are tried.
#[test]
fn what_the_table_does_not_list_may_not_happen() {
    let mut legal = 0;
    for state in State::ALL {
        for trigger in Trigger::ALL {
            let listed = RULES.iter().any(|r| r.from == *state && r.trigger == *trigger);
            let rule = state.on(*trigger);
            assert_eq!(rule.is_some(), listed, "{state} on {trigger:?}");
            legal += usize::from(rule.is_some());
        }
    }
    assert_eq!(legal, RULES.len());
    for trigger in Trigger::ALL {
        let used = RULES.iter().any(|rule| rule.trigger == *trigger);
        assert!(used, "{trigger:?} may happen nowhere");
    }
}

#[test]
fn every_state_is_reached_and_every_working_one_can_be_left() {
    for state in State::ALL {
        let reached = *state == State::Pending || RULES.iter().any(|r| r.to == *state);
        assert!(reached, "{state} is never reached");
        assert_eq!(state.name().parse::<State>().expect("its own name"), *state);
    }
    let resting: Vec<_> = State::ALL.iter().filter(|state| !state.works()).collect();
    assert_eq!(
        resting,
        [
            &State::Rejected,
            &State::Held,
            &State::Ticketed,
            &State::Disrupted,
            &State::Completed,
            &State::Expired,
            &State::Failed,
            &State::Cancelled,
            &State::Refunded,
            &State::ManualReview,
            &State::Anonymised,
        ]
    );
}

/// Seats as a path leaves them: those of the booking, and those held for a change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Held {
    booking: &'static str,
    change: bool,
}

#[test]
fn seats_are_sold_and_released_once_on_every_path() {
    let mut seen = std::collections::HashSet::new();
    let mut open = vec![(State::Pending, Held { booking: "held", change: false })];
    while let Some((state, held)) = open.pop() {
        if !seen.insert((state, held)) {
            continue;
        }
        if state.is_terminal() && state != State::Completed && state != State::Anonymised {
            assert_eq!(held.booking, "released", "{state} keeps seats");
        }
        for rule in RULES.iter().filter(|rule| rule.from == state) {
            let path = format!("{} -> {} with {held:?}", rule.from, rule.to);
            let mut after = held;
            after.change |= rule.trigger == Trigger::ChangeRequested;
            match rule.seats {
                Seats::Keep => {}
                Seats::Sell => {
                    assert_eq!(held.booking, "held", "{path}");
                    after.booking = "sold";
                }
                Seats::Release => {
                    assert_ne!(held.booking, "released", "{path}");
                    assert!(!held.change, "{path}");
                    after.booking = "released";
                }
                Seats::ReleaseHeld | Seats::Swap => {
                    assert!(held.change && held.booking == "sold", "{path}");
                    after.change = false;
                }
            }
            open.push((rule.to, after));
        }
    }
}

#[test]
fn a_person_is_called_from_every_state_in_which_a_machine_works() {
    for state in State::ALL {
        let leads_on = RULES.iter().any(|rule| rule.from == *state && rule.to != *state);
        let waits = matches!(
            state,
            State::Ticketed | State::Disrupted | State::ManualReview | State::Anonymised
        );
        let called = state.on(Trigger::GaveUp).is_some();
        assert!(called || waits || state.is_terminal(), "{state} may last for ever");
        assert!(leads_on || matches!(state, State::ManualReview | State::Anonymised), "{state}");
    }
}

/// `docs/orders.md`, from the table.
fn document() -> String {
    let mut text = "# The states of an order\n\nWritten from `src/domain/order/rules.rs` by \
                    `MERIDIAN_WRITE_DOCS=1 cargo test --lib order`; a test holds\nit against the \
                    table. [saga.md](saga.md) says how an order is driven through them.\n\n"
        .to_owned();
    text += "GaveUp is not drawn: it leads from every state in which a machine has work to\n\
             `manual_review`. What is not listed may not happen.\n\n```mermaid\nstateDiagram-v2\n\
             \x20   [*] --> pending: order.requested\n";
    let drawn = RULES.iter().filter(|rule| rule.trigger != Trigger::GaveUp);
    for rule in drawn {
        writeln!(text, "    {} --> {}: {:?}", rule.from, rule.to, rule.trigger).expect("a string");
    }
    text += "    anonymised --> [*]\n```\n\n| from | trigger | to | event | seats |\n\
             |---|---|---|---|---|\n";
    for Rule { from, trigger, to, event, seats } in RULES {
        writeln!(text, "| `{from}` | {trigger:?} | `{to}` | `{event}` | {seats:?} |")
            .expect("a string");
    }
    text
}

#[test]
fn the_document_says_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/orders.md");
    if std::env::var_os("MERIDIAN_WRITE_DOCS").is_some() {
        std::fs::write(path, document()).expect("docs/ is there");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(written, document(), "write it anew with MERIDIAN_WRITE_DOCS=1");
}
