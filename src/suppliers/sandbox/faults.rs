//! Misbehaviour on demand: for the next calls of an operation, or for a share of all calls, drawn
//! from a seed and from nothing else.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use serde::Deserialize;

use crate::catalogue::schedule::mix;

/// What a supplier does, as faults and the journal call it.
pub const OPERATIONS: [&str; 18] = [
    "authorize",
    "authorization",
    "close_authorization",
    "capture",
    "void",
    "refund",
    "price",
    "book",
    "close_booking",
    "confirm",
    "tickets",
    "cancellation_terms",
    "cancel",
    "change_terms",
    "change",
    "airline_change",
    "accept_change",
    "callback",
];
/// Stands for every operation in a share.
const EVERY: &str = "*";
/// How slow `slow` is, unless told otherwise.
const SLOW_MS: u64 = 1000;

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Answered late.
    Slow,
    /// Done, and the answer is lost: by turns a 504 and a connection that is cut.
    LostReply,
    /// The connection is cut and nothing is done.
    LostRequest,
    /// 500, nothing done.
    Error,
    /// 503, nothing done.
    Unavailable,
    /// 429 with Retry-After, nothing done.
    TooMany,
    /// 409: the key is in use.
    InFlight,
    /// A definite no, kept under the key.
    Refuse,
    /// A definite no with another price, kept under the key.
    PriceChange,
    /// A callback is sent twice.
    Duplicate,
    /// A callback is sent after the next one, or after a while if none comes.
    Reordered,
}

impl Mode {
    /// Whether an operation can go wrong in this way.
    fn fits(self, operation: &str) -> bool {
        let callback = operation == "callback";
        match self {
            Self::Slow => true,
            Self::LostRequest => true,
            Self::Duplicate | Self::Reordered => callback,
            Self::InFlight => !callback && !super::READS.contains(&operation),
            Self::Refuse => super::refusal(operation).is_some(),
            Self::PriceChange => super::PRICED.contains(&operation),
            Self::LostReply | Self::Error | Self::Unavailable | Self::TooMany => !callback,
        }
    }
}

/// Calls that go wrong.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which operation; with a rate also `*`, every one that can go wrong in this way.
    operation: String,
    /// How.
    mode: Mode,
    /// How many of the next calls; one, if nothing is said.
    times: Option<u64>,
    /// Instead: which share of all calls.
    rate: Option<f64>,
    /// How slow, in milliseconds.
    ms: Option<u64>,
}

impl Fault {
    fn is_sane(&self) -> bool {
        let every = self.operation == EVERY && self.rate.is_some();
        let named =
            OPERATIONS.contains(&self.operation.as_str()) && self.mode.fits(&self.operation);
        let share = self.rate.is_none_or(|rate| (0.0..=1.0).contains(&rate));
        (every || named) && share && !(self.rate.is_some() && self.times.is_some())
    }
}

impl FromStr for Fault {
    type Err = String;

    /// `MODE=RATE` for every operation, `OPERATION:MODE=RATE` for one.
    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "write MODE=RATE or OPERATION:MODE=RATE, such as lost_reply=0.05";
        let (what, rate) = text.split_once('=').ok_or(wanted)?;
        let (operation, mode) = what.split_once(':').unwrap_or((EVERY, what));
        let fault = Self {
            operation: operation.to_owned(),
            mode: serde_json::from_value(mode.into()).map_err(|_| wanted)?,
            times: None,
            rate: Some(rate.parse().map_err(|_| wanted)?),
            ms: None,
        };
        if fault.is_sane() { Ok(fault) } else { Err(wanted.to_owned()) }
    }
}

/// What a call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Struck {
    /// How it goes wrong.
    pub mode: Mode,
    /// How slow, in milliseconds.
    pub ms: u64,
}

/// What is planned to go wrong.
pub struct Faults {
    next: HashMap<String, Fault>,
    rates: BTreeMap<(String, Mode), Fault>,
    seed: u64,
    draws: HashMap<String, u64>,
}

impl Faults {
    /// Nothing goes wrong; shares will be drawn from this seed.
    pub fn new(seed: u64) -> Self {
        Self { next: HashMap::new(), rates: BTreeMap::new(), seed, draws: HashMap::new() }
    }

    /// Plans a fault, in place of the one that was planned there; whether it makes sense.
    pub fn plan(&mut self, fault: Fault) -> bool {
        if !fault.is_sane() {
            return false;
        }
        match (fault.rate, fault.times) {
            (Some(_), _) => {
                self.rates.insert((fault.operation.clone(), fault.mode), fault);
            }
            (None, Some(0)) => {
                self.next.remove(&fault.operation);
            }
            (None, _) => {
                self.next.insert(fault.operation.clone(), fault);
            }
        }
        true
    }

    /// What the next call of an operation meets.
    pub fn strike(&mut self, operation: &str) -> Option<Struck> {
        if let Some(fault) = self.next.get_mut(operation) {
            let struck = Struck { mode: fault.mode, ms: fault.ms.unwrap_or(SLOW_MS) };
            let left = fault.times.unwrap_or(1) - 1;
            fault.times = Some(left);
            if left == 0 {
                self.next.remove(operation);
            }
            return Some(struck);
        }
        self.draw(operation)
    }

    /// The n-th call of an operation always draws the same number, whatever else goes on.
    fn draw(&mut self, operation: &str) -> Option<Struck> {
        if self.rates.is_empty() {
            return None;
        }
        let nth = self.draws.entry(operation.to_owned()).or_default();
        *nth += 1;
        let place = operation.bytes().fold(self.seed, |hash, b| mix(hash ^ u64::from(b)));
        let mut drawn = unit(mix(place.wrapping_add(*nth)));
        for ((whose, mode), fault) in &self.rates {
            if (whose == EVERY || whose == operation) && mode.fits(operation) {
                let rate = fault.rate.unwrap_or_default();
                if drawn < rate {
                    return Some(Struck { mode: *mode, ms: fault.ms.unwrap_or(SLOW_MS) });
                }
                drawn -= rate;
            }
        }
        None
    }
}

/// A number as a share: 0 and more, less than 1.
fn unit(number: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
    let share = (number >> 11) as f64 / (1_u64 << 53) as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, rates: &[&str], calls: usize) -> Vec<Option<Mode>> {
        let mut faults = Faults::new(seed);
        for rate in rates {
            assert!(faults.plan(rate.parse().expect("a rate")));
        }
        (0..calls).map(|_| faults.strike("book").map(|struck| struck.mode)).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_faults_in_the_wanted_share() {
        let rates = ["lost_reply=0.1", "book:refuse=0.2", "capture:refuse=1"];
        let some = drawn(7, &rates, 10_000);
        assert_eq!(some, drawn(7, &rates, 10_000));
        assert_ne!(some, drawn(8, &rates, 10_000));
        let count = |mode| some.iter().filter(|drawn| **drawn == Some(mode)).count();
        assert!((900..1100).contains(&count(Mode::LostReply)), "{}", count(Mode::LostReply));
        assert!((1850..2150).contains(&count(Mode::Refuse)), "{}", count(Mode::Refuse));
        assert_eq!(some.iter().flatten().count(), count(Mode::LostReply) + count(Mode::Refuse));
    }

    #[test]
    fn other_operations_do_not_disturb_the_draw() {
        let mut faults = Faults::new(7);
        assert!(faults.plan("error=0.5".parse().expect("a rate")));
        let alone = drawn(7, &["error=0.5"], 50);
        let among: Vec<Option<Mode>> = (0..50)
            .map(|_| {
                faults.strike("capture");
                faults.strike("book").map(|struck| struck.mode)
            })
            .collect();
        assert_eq!(among, alone);
    }

    #[test]
    fn a_planned_fault_comes_first_and_so_many_times() {
        let mut faults = Faults::new(7);
        let json = serde_json::json!({"operation": "book", "mode": "slow", "times": 2, "ms": 5});
        assert!(faults.plan(serde_json::from_value(json).expect("a fault")));
        let slow = Some(Struck { mode: Mode::Slow, ms: 5 });
        assert_eq!([(); 3].map(|()| faults.strike("book")), [slow, slow, None]);
        assert_eq!(faults.strike("capture"), None);
    }

    #[test]
    fn what_cannot_go_wrong_is_not_planned() {
        for text in ["void:refuse=0.1", "book:duplicate=0.1", "nothing:error=0.1", "error=1.1"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
        assert!(
            "*:error=0.1".parse::<Fault>().is_ok()
                && "callback:duplicate=1".parse::<Fault>().is_ok()
        );
    }
}
