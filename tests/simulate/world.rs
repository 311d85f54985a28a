//! The simulated database and its clock: one order, its events, and transactions that may end in
//! every way a COMMIT can end. What the statements in `sql/queries/orders/` do is done here.

use std::time::Duration;

use jiff::Timestamp;
use meridian::domain::money::{Currency, Money};
use meridian::domain::order::{OrderKind, Seats, State, Trigger};
use meridian::domain::payment::Payment;
use meridian::orders::LEASE;
use meridian::orders::saga::{Change, ChangeEnd, DisruptionEnd, Due, Learned, Situation};

use crate::Mutation;
use crate::chance::Chance;
use crate::traveller::Act;

/// The order's row, with the seats it has and what the traveller was promised to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) kind: OrderKind,
    pub(crate) state: State,
    pub(crate) version: i64,
    pub(crate) epoch: i64,
    pub(crate) lease_until: Option<i64>,
    pub(crate) due_at: Option<i64>,
    pub(crate) attempts: i64,
    pub(crate) refusals: i64,
    pub(crate) updated_at: i64,
    pub(crate) total: i64,
    pub(crate) token: bool,
    pub(crate) locator: Option<String>,
    pub(crate) payment_required_by: Option<i64>,
    pub(crate) flown_at: i64,
    pub(crate) owed: i64,
    pub(crate) failure: Option<&'static str>,
    pub(crate) payments: Vec<Payment>,
    pub(crate) change: Option<Change>,
    pub(crate) disruption: Option<String>,
    pub(crate) seats: Held,
    /// What a cancelled fare keeps, as the traveller was told.
    pub(crate) fee: i64,
    /// Most that may ever have been taken: the price, and what each change cost that took effect.
    pub(crate) ceiling: i64,
}

/// The seats of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) held: bool,
    pub(crate) sold: bool,
    /// Held for a change, beside those that are sold.
    pub(crate) other: bool,
}

/// One event, as the table would explain it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) seq: i64,
    pub(crate) trigger: Option<Trigger>,
    pub(crate) state: State,
    pub(crate) kind: &'static str,
}

/// A transaction.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Claim,
    /// `blind`: written whatever the version is, by who trusts a look that came before.
    Advance {
        epoch: i64,
        version: i64,
        learned: Box<Learned>,
        blind: bool,
    },
    Postpone {
        epoch: i64,
        pause: Option<Duration>,
        tried: bool,
    },
    Act(Act),
}

/// What the writer hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Committed, under this epoch.
    Written(i64),
    /// Committed, and no row was met: somebody else has it.
    Fenced,
    /// Rolled back.
    Aborted,
    /// Nobody knows.
    Unknown,
}

/// How many of a hundred transactions end how; none once the faults have stopped.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Commits {
    pub(crate) abort: u64,
    /// Written, and the answer is lost.
    pub(crate) lie: u64,
    /// Not written, and the answer is lost.
    pub(crate) lose: u64,
    /// Not yet written, and the answer is lost: it lands later.
    pub(crate) late: u64,
}

/// Everything that the database and the clock know.
pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) row: Row,
    pub(crate) events: Vec<Event>,
    pub(crate) late: Vec<(i64, Write)>,
    pub(crate) commits: Commits,
    pub(crate) mutation: Option<Mutation>,
    /// What a run could not mean to do, whoever sees it.
    pub(crate) alarms: Vec<String>,
    /// What happened, if somebody wants to read it.
    pub(crate) trace: Option<Vec<String>>,
}

impl World {
    pub(crate) fn say(&mut self, words: impl FnOnce(&Row) -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>12} ms  {}", self.now, words(&self.row)));
        }
    }

    /// What a worker reads of the order, if its epoch still holds.
    pub(crate) fn order_work(&self, epoch: i64) -> Option<Situation> {
        let row = &self.row;
        let millis = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        (row.epoch == epoch).then(|| Situation {
            kind: row.kind,
            state: row.state,
            version: row.version,
            attempts: row.attempts,
            refusals: row.refusals,
            waited: millis(self.now - row.updated_at),
            paying: row.token,
            booked: row.locator.is_some(),
            until_lapse: row.payment_required_by.map(|until| millis(until - self.now)),
            until_flown: millis(row.flown_at - self.now),
            since_flown: millis(self.now - row.flown_at),
            erased: false,
            total: euros(row.total),
            owed_minor: row.owed,
            payments: row.payments.clone(),
            change: row.change,
            disruption: row.disruption.clone(),
            failing: row.failure.is_some(),
        })
    }

    /// Whether a worker that looks now would take the order over.
    pub(crate) fn claimable(&self) -> bool {
        self.row.due_at.is_some_and(|due| due <= self.now)
            && self.row.lease_until.is_none_or(|until| until < self.now)
    }

    /// When that will be, if nobody acts.
    pub(crate) fn claimable_at(&self) -> Option<i64> {
        self.row.due_at.map(|due| due.max(self.row.lease_until.map_or(due, |until| until + 1)))
    }

    pub(crate) fn commit(&mut self, write: &Write, chance: &mut Chance) -> Heard {
        let dice = chance.next() % 100;
        let Commits { abort, lie, lose, late } = self.commits;
        if dice < abort {
            self.say(|_| "  rolled back".into());
            Heard::Aborted
        } else if dice < abort + lie {
            self.say(|_| "  COMMIT unknown: written".into());
            self.apply(write);
            Heard::Unknown
        } else if dice < abort + lie + lose {
            self.say(|_| "  COMMIT unknown: not written".into());
            Heard::Unknown
        } else if dice < abort + lie + lose + late {
            self.say(|_| "  COMMIT unknown: lands later".into());
            let most = *chance.one(&[50, 2_000, 30_000]);
            self.late.push((self.now + chance.between(1, most), write.clone()));
            Heard::Unknown
        } else {
            self.apply(write).map_or(Heard::Fenced, Heard::Written)
        }
    }

    /// Lets those land whose time has come. Each meets the row as it is then, as a transaction does
    /// that had to wait: what it reads is read when it is serialised.
    pub(crate) fn land(&mut self) {
        while let Some(at) = self.late.iter().position(|(at, _)| *at <= self.now) {
            let (_, write) = self.late.swap_remove(at);
            self.say(|_| "late COMMIT lands".into());
            self.apply(&write);
        }
    }

    /// The epoch after it; `None` when it met no row.
    fn apply(&mut self, write: &Write) -> Option<i64> {
        match write {
            Write::Claim => {
                if !self.claimable() {
                    return None;
                }
                self.row.epoch += 1;
                self.row.lease_until = Some(self.now + lease());
            }
            Write::Advance { epoch, version, learned, blind } => {
                let unfenced = self.mutation == Some(Mutation::NoFence);
                let mine = *epoch == self.row.epoch && (*blind || *version == self.row.version);
                if !(mine || unfenced) {
                    self.say(|_| "  fenced".into());
                    return None;
                }
                self.advance(learned);
            }
            Write::Postpone { epoch, pause, tried } => {
                if *epoch != self.row.epoch {
                    return None;
                }
                self.row.attempts += i64::from(*tried);
                self.row.lease_until = None;
                self.row.due_at = pause.map(|pause| self.now + millis(pause));
            }
            Write::Act(act) => {
                if act.version != self.row.version {
                    return None;
                }
                act.write(&mut self.row, self.now, lease());
                self.tell(Some(act.trigger), act.rule.event);
            }
        }
        Some(self.row.epoch)
    }

    fn advance(&mut self, learned: &Learned) {
        let (now, row) = (self.now, &mut self.row);
        row.state = learned.to;
        row.version += 1;
        row.attempts = 0;
        row.updated_at = now;
        row.due_at = match learned.due {
            Due::Now => Some(now),
            Due::After(pause) => Some(now + millis(pause)),
            Due::At(at) => Some(at.as_millisecond()),
            Due::Never => None,
        };
        row.lease_until = (learned.due == Due::Now).then(|| now + lease());
        row.refusals = if learned.refused { row.refusals + 1 } else { 0 };
        row.owed = learned.owed_minor;
        if learned.token_spent {
            (row.token, row.failure) = (false, learned.failure);
        } else {
            row.failure = learned.failure.or(row.failure);
        }
        if let Some(booked) = &learned.booking {
            row.locator = Some(booked.record_locator.clone());
            let until = booked.payment_required_by.map(Timestamp::as_millisecond);
            row.payment_required_by = until.or(row.payment_required_by);
        }
        self.rebook(learned);
        self.pay(learned);
        self.settle_seats(learned.seats);
        if learned.to == State::Anonymised {
            let row = &mut self.row;
            (row.locator, row.change, row.disruption, row.token) = (None, None, None, false);
        }
        self.tell(Some(learned.trigger), learned.event);
    }

    /// What becomes of a change of the traveller's, and of one of the airline's.
    fn rebook(&mut self, learned: &Learned) {
        let row = &mut self.row;
        if learned.change == ChangeEnd::Apply {
            match row.change {
                Some(change) => {
                    row.total += change.extra_minor - change.back_minor;
                    row.ceiling += change.extra_minor;
                }
                None => self.alarms.push("a change took effect that nobody asked for".into()),
            }
        }
        if learned.change != ChangeEnd::Keep {
            row.change = None;
        }
        match &learned.disruption {
            DisruptionEnd::Keep => {}
            DisruptionEnd::Set(change) => row.disruption = Some(change.id.clone()),
            DisruptionEnd::Apply | DisruptionEnd::Drop => row.disruption = None,
        }
    }

    /// `order_payment` with what its constraints forbid.
    fn pay(&mut self, learned: &Learned) {
        let Some(payment) = &learned.payment else { return };
        let sane = payment.amount_minor > 0
            && (0..=payment.amount_minor).contains(&payment.captured_minor)
            && (0..=payment.captured_minor).contains(&payment.refunded_minor);
        if !sane {
            self.alarms.push(format!("order_payment would not take {payment:?}"));
        }
        match self.row.payments.iter_mut().find(|other| other.position == payment.position) {
            Some(known) => *known = payment.clone(),
            None => self.row.payments.push(payment.clone()),
        }
    }

    fn settle_seats(&mut self, seats: Seats) {
        let mine = &mut self.row.seats;
        let sane = match seats {
            Seats::Keep | Seats::Release => true,
            Seats::Sell => mine.held && !mine.sold,
            Seats::ReleaseHeld | Seats::Swap => mine.sold && mine.other,
        };
        if !sane {
            self.alarms.push(format!("seats: {seats:?} on {mine:?}"));
        }
        match seats {
            Seats::Keep => {}
            Seats::Sell => (mine.held, mine.sold) = (false, true),
            Seats::Release => *mine = Held::default(),
            Seats::ReleaseHeld | Seats::Swap => mine.other = false,
        }
    }

    fn tell(&mut self, trigger: Option<Trigger>, kind: &'static str) {
        let event = Event { seq: self.row.version, trigger, state: self.row.state, kind };
        self.events.push(event);
        self.say(|row| format!("  event {} {trigger:?} -> {}", row.version, row.state));
    }
}

pub(crate) fn euros(amount_minor: i64) -> Money {
    Money { amount_minor, currency: Currency::EUR }
}

pub(crate) fn millis(of: Duration) -> i64 {
    i64::try_from(of.as_millis()).expect("no pause is that long")
}

fn lease() -> i64 {
    millis(LEASE)
}
