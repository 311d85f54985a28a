//! The simulated payment provider and airline, as the traits in `src/suppliers/mod.rs` promise: a
//! key is done once and answered alike, a definite no stays a no, a closed key stays closed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use meridian::orders::saga::{Answer, Call, Heard};
use meridian::suppliers::{
    AirlineChange, Authorization, AuthorizationStatus, Booked, Booking, Outcome, Reason,
};
use serde_json::Value;

use crate::chance::Chance;
use crate::world::euros;

const MINUTE: i64 = 60 * 1000;
/// How long reserved money stays reserved.
const RESERVED: i64 = 7 * 24 * 60 * MINUTE;

/// A question with all that goes with it, so that it may also arrive long after it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) call: Call,
    pub(crate) key: String,
    /// Of the key that is to be closed.
    pub(crate) closes: String,
    pub(crate) reference: Option<String>,
    pub(crate) locator: Option<String>,
    pub(crate) total: i64,
}

/// How many of a hundred questions end how.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line {
    pub(crate) untried: u64,
    /// Never arrives.
    pub(crate) lost: u64,
    /// Arrives when nobody waits for it any more.
    pub(crate) late: u64,
    /// Done, and nobody hears it.
    pub(crate) unheard: u64,
}

/// How many of a hundred are answered so. These are no faults, and do not stop with them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Temper {
    pub(crate) refuse: u64,
    pub(crate) refuse_capture: u64,
    pub(crate) refuse_tickets: u64,
    pub(crate) refuse_cancel: u64,
    pub(crate) ask_cardholder: u64,
    pub(crate) slow: u64,
    pub(crate) reschedule: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Money {
    ActionRequired,
    Failed,
    Reserved,
    Captured,
    Voided,
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) reference: String,
    pub(crate) key: String,
    pub(crate) amount: i64,
    pub(crate) captured: i64,
    pub(crate) refunded: i64,
    pub(crate) status: Money,
    until: i64,
    /// When the cardholder comes, and whether they can prove who they are.
    proof: Option<(i64, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Held,
    Booked,
    Ticketed,
    Cancelled,
}

#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) key: String,
    pub(crate) stage: Stage,
    locator: String,
    until: Option<i64>,
    change: Option<String>,
    moves_at: Option<i64>,
}

#[derive(Default)]
pub(crate) struct Companies {
    kept: BTreeMap<String, Heard>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) flights: Vec<Flight>,
    /// What a slow airline works on: until when, under which key, as a hold, and to which end.
    slow: Vec<(i64, String, bool, bool)>,
    in_flight: Vec<(i64, Asked)>,
    pub(crate) line: Line,
    pub(crate) temper: Temper,
    pub(crate) dark_until: i64,
    pub(crate) alarms: Vec<String>,
    changes: u64,
}

fn stands(account: &Account) -> Authorization {
    let status = match account.status {
        Money::ActionRequired => {
            AuthorizationStatus::ActionRequired { url: "https://pay.example/1".into() }
        }
        _ => AuthorizationStatus::Reserved { capture_before: Some(timestamp(account.until)) },
    };
    Authorization { reference: account.reference.clone(), status }
}

fn made(flight: &Flight) -> Booked {
    let payment_required_by = flight.until.map(timestamp);
    Booked { record_locator: flight.locator.clone(), payment_required_by }
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).expect("the simulated clock stays within centuries")
}

impl Companies {
    /// Whether something of the companies' own is still to come that an order may wait for.
    pub(crate) fn busy(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// One question over a line that may do anything with it.
    pub(crate) fn ask(&mut self, asked: &Asked, now: i64, chance: &mut Chance) -> Heard {
        let Line { untried, lost, late, unheard } = self.line;
        let dice = chance.next() % 100;
        if dice < untried {
            Outcome::NotTried
        } else if dice < untried + lost || now < self.dark_until && chance.percent(90) {
            Outcome::Unknown
        } else if dice < untried + lost + late {
            let most = *chance.one(&[500, 20_000, 30 * MINUTE]);
            self.in_flight.push((now + chance.between(1, most), asked.clone()));
            Outcome::Unknown
        } else {
            let heard = self.answer(asked, now, chance);
            if dice < untried + lost + late + unheard { Outcome::Unknown } else { heard }
        }
    }

    /// Lets happen what is due: cardholders come, slow work ends, late questions arrive.
    pub(crate) fn pass(&mut self, now: i64, chance: &mut Chance) {
        for at in 0..self.accounts.len() {
            self.prove(at, now);
        }
        while let Some(at) = self.slow.iter().position(|(at, ..)| *at <= now) {
            let (_, key, hold, refuses) = self.slow.swap_remove(at);
            let heard = match refuses {
                true => Outcome::Refused(Reason::SoldOut),
                false => self.make(&key, hold, now, chance),
            };
            self.kept.insert(key, heard);
        }
        while let Some(at) = self.in_flight.iter().position(|(at, _)| *at <= now) {
            let (_, asked) = self.in_flight.swap_remove(at);
            self.answer(&asked, now, chance);
        }
        for flight in &mut self.flights {
            if flight.moves_at.is_some_and(|at| at <= now) {
                self.changes += 1;
                // Sometimes it takes its own change back.
                let back = flight.change.is_some() && chance.percent(50);
                flight.change = (!back).then(|| format!("chg_{}", self.changes));
                flight.moves_at =
                    chance.percent(40).then(|| now + chance.between(1, 2000) * MINUTE);
            }
        }
    }

    fn prove(&mut self, at: usize, now: i64) {
        let account = &mut self.accounts[at];
        let Some((when, proves)) = account.proof.filter(|(when, _)| *when <= now) else { return };
        account.proof = None;
        if account.status != Money::ActionRequired || when > now {
            return;
        }
        account.status = if proves { Money::Reserved } else { Money::Failed };
        account.until = now + RESERVED;
        let heard = match proves {
            true => Outcome::Done(Answer::Authorization(stands(account))),
            false => Outcome::Refused(Reason::AuthenticationFailed),
        };
        self.kept.insert(account.key.clone(), heard);
    }

    /// Once for a key; a yes and a definite no are kept.
    fn answer(&mut self, asked: &Asked, now: i64, chance: &mut Chance) -> Heard {
        let reads = match &asked.call {
            Call::Price => Some(self.price(chance)),
            Call::Authorization { .. } => Some(self.look(asked)),
            Call::AirlineChange => Some(self.airline_change(asked)),
            _ => None,
        };
        if let Some(heard) = reads {
            return heard;
        }
        if let Some(kept) = self.kept.get(&asked.key) {
            return kept.clone();
        }
        let heard = self.act(asked, now, chance);
        if matches!(heard, Outcome::Done(_) | Outcome::Refused(_)) {
            self.kept.insert(asked.key.clone(), heard.clone());
        }
        heard
    }

    fn act(&mut self, asked: &Asked, now: i64, chance: &mut Chance) -> Heard {
        match &asked.call {
            Call::Authorize { amount_minor } => {
                self.authorize(&asked.key, *amount_minor, now, chance)
            }
            Call::CloseAuthorization { .. } => self.close_money(&asked.closes),
            Call::Capture { amount_minor, .. } => self.capture(asked, *amount_minor, now, chance),
            Call::Void { .. } => self.void(asked),
            Call::Refund { amount_minor, .. } => self.refund(asked, *amount_minor),
            Call::Hold => self.book(&asked.key, true, asked.total, now, chance),
            Call::Book => self.book(&asked.key, false, asked.total, now, chance),
            Call::CloseBooking { .. } => self.close_booking(&asked.closes),
            _ => self.amend(asked, now, chance),
        }
    }

    fn price(&self, chance: &mut Chance) -> Heard {
        if chance.percent(self.temper.refuse) {
            return Outcome::Refused(Reason::PriceChanged(Some(euros(77_700))));
        }
        Outcome::Done(Answer::Done)
    }

    fn look(&self, asked: &Asked) -> Heard {
        match self.accounts.iter().find(|it| Some(&it.reference) == asked.reference.as_ref()) {
            Some(it) if matches!(it.status, Money::ActionRequired | Money::Reserved) => {
                Outcome::Done(Answer::Authorization(stands(it)))
            }
            Some(it) if it.status != Money::Captured => {
                Outcome::Refused(Reason::AuthenticationFailed)
            }
            _ => Outcome::Unknown,
        }
    }

    fn authorize(&mut self, key: &str, amount: i64, now: i64, chance: &mut Chance) -> Heard {
        if chance.percent(self.temper.refuse) {
            return Outcome::Refused(Reason::Declined);
        }
        let asks = chance.percent(self.temper.ask_cardholder);
        let comes = (now + chance.between(1, 20) * MINUTE, chance.percent(60));
        self.accounts.push(Account {
            reference: format!("auth_{}", self.accounts.len()),
            key: key.to_owned(),
            amount,
            captured: 0,
            refunded: 0,
            status: if asks { Money::ActionRequired } else { Money::Reserved },
            until: now + RESERVED,
            proof: (asks && chance.percent(80)).then_some(comes),
        });
        let account = self.accounts.last().expect("it was pushed");
        Outcome::Done(Answer::Authorization(stands(account)))
    }

    fn close_money(&mut self, theirs: &str) -> Heard {
        if let Some(account) = self.accounts.iter_mut().find(|it| it.key == theirs) {
            match account.status {
                Money::Reserved => {
                    let found = Some(stands(account));
                    return Outcome::Done(Answer::AuthorizationClosed(found));
                }
                // Taken: it stands, and says nothing that could be read here.
                Money::Captured => return Outcome::Unknown,
                Money::ActionRequired => account.status = Money::Voided,
                Money::Failed | Money::Voided => {}
            }
        }
        self.close(theirs, Reason::Declined);
        Outcome::Done(Answer::AuthorizationClosed(None))
    }

    /// A no that was said remains.
    fn close(&mut self, theirs: &str, reason: Reason) {
        let refused = matches!(self.kept.get(theirs), Some(Outcome::Refused(_)));
        if !refused {
            self.kept.insert(theirs.to_owned(), Outcome::Refused(reason));
        }
    }

    fn account(&mut self, asked: &Asked) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|it| Some(&it.reference) == asked.reference.as_ref())
    }

    fn capture(&mut self, asked: &Asked, amount: i64, now: i64, chance: &mut Chance) -> Heard {
        let refuses = chance.percent(self.temper.refuse_capture);
        match self.account(asked) {
            Some(it) if it.status == Money::Reserved && amount <= it.amount => {
                if refuses || now >= it.until {
                    return Outcome::Refused(Reason::CaptureFailed);
                }
                (it.status, it.captured) = (Money::Captured, amount);
                Outcome::Done(Answer::Done)
            }
            _ => Outcome::Unknown,
        }
    }

    fn void(&mut self, asked: &Asked) -> Heard {
        match self.account(asked) {
            Some(it) if it.status == Money::Captured => Outcome::Refused(Reason::AlreadyCaptured),
            Some(it) => {
                it.status = Money::Voided;
                Outcome::Done(Answer::Done)
            }
            None => Outcome::Unknown,
        }
    }

    fn refund(&mut self, asked: &Asked, amount: i64) -> Heard {
        match self.account(asked) {
            Some(it) if it.status == Money::Captured && amount <= it.captured - it.refunded => {
                it.refunded += amount;
                Outcome::Done(Answer::Done)
            }
            _ => {
                self.alarms.push(format!("more was to go back than was taken: {asked:?}"));
                Outcome::Unknown
            }
        }
    }

    fn book(&mut self, key: &str, hold: bool, total: i64, now: i64, chance: &mut Chance) -> Heard {
        if chance.percent(self.temper.refuse) {
            let dearer = Some(euros(total + 100));
            return Outcome::Refused(*chance.one(&[
                Reason::SoldOut,
                Reason::PriceChanged(dearer),
                Reason::PriceChanged(None),
                Reason::DocumentsInvalid,
            ]));
        }
        if chance.percent(self.temper.slow) {
            let until = now + chance.between(1, 40) * MINUTE;
            self.slow.push((until, key.to_owned(), hold, chance.percent(30)));
            return Outcome::Done(Answer::Booking(Booking::UnderWay));
        }
        self.make(key, hold, now, chance)
    }

    fn make(&mut self, key: &str, hold: bool, now: i64, chance: &mut Chance) -> Heard {
        let moves = chance.percent(self.temper.reschedule);
        self.flights.push(Flight {
            key: key.to_owned(),
            stage: if hold { Stage::Held } else { Stage::Booked },
            locator: format!("PNR{}", self.flights.len()),
            until: hold.then(|| now + chance.between(3, 1500) * MINUTE),
            change: None,
            moves_at: moves.then(|| now + chance.between(1, 3000) * MINUTE),
        });
        let flight = self.flights.last().expect("it was pushed");
        Outcome::Done(Answer::Booking(Booking::Made(made(flight))))
    }

    fn close_booking(&mut self, theirs: &str) -> Heard {
        let live = |it: &&Flight| it.key == theirs && it.stage != Stage::Cancelled;
        if let Some(flight) = self.flights.iter().find(live) {
            return Outcome::Done(Answer::BookingClosed(Some(made(flight))));
        }
        self.slow.retain(|(_, key, ..)| key != theirs);
        self.close(theirs, Reason::SoldOut);
        Outcome::Done(Answer::BookingClosed(None))
    }

    fn airline_change(&self, asked: &Asked) -> Heard {
        let Some(flight) =
            self.flights.iter().find(|it| Some(&it.locator) == asked.locator.as_ref())
        else {
            return Outcome::Unknown;
        };
        let found = flight.change.clone().map(|id| AirlineChange { id, itinerary: Value::Null });
        Outcome::Done(Answer::AirlineChange(found))
    }

    /// Something done to a booking.
    fn amend(&mut self, asked: &Asked, now: i64, chance: &mut Chance) -> Heard {
        let temper = self.temper;
        let Some(flight) =
            self.flights.iter_mut().find(|it| Some(&it.locator) == asked.locator.as_ref())
        else {
            return Outcome::Unknown;
        };
        let firm = matches!(flight.stage, Stage::Booked | Stage::Ticketed);
        match &asked.call {
            Call::Confirm if flight.stage == Stage::Held => {
                let late = flight.until.is_some_and(|until| now >= until);
                if late || chance.percent(temper.refuse) {
                    return Outcome::Refused(Reason::SoldOut);
                }
                flight.stage = Stage::Booked;
            }
            Call::Confirm if firm => {}
            Call::Tickets if firm => {
                if chance.percent(temper.refuse_tickets) {
                    return Outcome::Refused(Reason::TicketingFailed);
                }
                flight.stage = Stage::Ticketed;
                return Outcome::Done(Answer::Documents(Value::Null));
            }
            Call::Cancel if chance.percent(temper.refuse_cancel) => {
                return Outcome::Refused(Reason::NotChangeable);
            }
            Call::Cancel | Call::ReleaseHold => flight.stage = Stage::Cancelled,
            Call::Change if firm => {
                if chance.percent(temper.refuse) {
                    return Outcome::Refused(Reason::NotChangeable);
                }
                flight.change = None;
            }
            Call::AcceptChange { change } if firm => {
                if flight.change.as_ref() != Some(change) {
                    return Outcome::Refused(Reason::NotChangeable);
                }
                flight.change = None;
            }
            _ => return Outcome::Unknown,
        }
        Outcome::Done(Answer::Done)
    }
}
