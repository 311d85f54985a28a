//! What has to hold when everything is at rest, whatever happened before. Each invariant looks at
//! the rows, at the journal of the other companies and at what people were answered, and each has
//! plants: small lies in that evidence that it has to see. An oracle that sees nothing proves
//! nothing.

mod accepted;
mod charges;
mod history;
mod journal;
mod money;
mod replays;
mod seats;
mod told;

pub(crate) use replays::refused_yet_done;

use serde_json::Value;

use crate::consumer::Heard;
use crate::ledger::Ledger;
use crate::rows::Rows;

/// What an invariant looks at.
pub(crate) struct Evidence<'a> {
    pub(crate) rows: &'a Rows,
    pub(crate) journal: Value,
    pub(crate) ledger: &'a Ledger,
    pub(crate) heard: Heard,
}

/// A lie that an invariant has to see.
pub(crate) enum Plant {
    /// In the rows.
    Rows(&'static str),
    /// In the journal of the other companies; false where there is nothing to lie about.
    Journal(fn(&mut Value) -> bool),
    /// In what others were told.
    Heard(fn(&mut Heard) -> bool),
}

/// The invariants by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invariant {
    /// Seats: none is sold twice, and those of flights are those of their orders.
    I1,
    /// An order has at most one charge that was not paid back, and one live ticket.
    I2,
    /// What was accepted is there, and has come to its end.
    I3,
    /// Money and state agree.
    I4,
    /// What is answered again is what was answered.
    I5,
    /// An order's history is dense and legal, and the order is its fold.
    I6,
    /// Of every event others are told.
    I7,
}

impl Invariant {
    pub(crate) const ALL: [Self; 7] =
        [Self::I1, Self::I2, Self::I3, Self::I4, Self::I5, Self::I6, Self::I7];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::I1 => "I1",
            Self::I2 => "I2",
            Self::I3 => "I3",
            Self::I4 => "I4",
            Self::I5 => "I5",
            Self::I6 => "I6",
            Self::I7 => "I7",
        }
    }

    /// Where it is broken, in words.
    pub(crate) async fn broken(self, evidence: &Evidence<'_>) -> Vec<String> {
        match self {
            Self::I1 => seats::broken(evidence).await,
            Self::I2 => charges::broken(evidence).await,
            Self::I3 => accepted::broken(evidence).await,
            Self::I4 => money::broken(evidence).await,
            Self::I5 => replays::broken(evidence).await,
            Self::I6 => history::broken(evidence).await,
            Self::I7 => told::broken(evidence).await,
        }
    }

    fn plants(self) -> &'static [Plant] {
        match self {
            Self::I1 => seats::PLANTS,
            Self::I2 => charges::PLANTS,
            Self::I3 => accepted::PLANTS,
            Self::I4 => money::PLANTS,
            Self::I5 => replays::PLANTS,
            Self::I6 => history::PLANTS,
            Self::I7 => told::PLANTS,
        }
    }
}

/// Tells every invariant every lie it has to see; how many they were. Each is taken back.
pub(crate) async fn see_what_is_planted(evidence: &mut Evidence<'_>) -> Result<usize, String> {
    let mut seen = 0;
    for invariant in Invariant::ALL {
        let before = invariant.broken(evidence).await.len();
        for (number, plant) in invariant.plants().iter().enumerate() {
            let truth = (evidence.journal.clone(), evidence.heard.clone());
            evidence.rows.run("BEGIN").await;
            let planted = match plant {
                Plant::Rows(lie) => evidence.rows.changed(lie).await > 0,
                Plant::Journal(lie) => lie(&mut evidence.journal),
                Plant::Heard(lie) => lie(&mut evidence.heard),
            };
            let found = invariant.broken(evidence).await.len();
            evidence.rows.run("ROLLBACK").await;
            (evidence.journal, evidence.heard) = truth;
            if !planted || found <= before {
                return Err(format!(
                    "lie {number} of {}: planted {planted}, {found} found, {before} before",
                    invariant.name()
                ));
            }
            seen += 1;
        }
    }
    Ok(seen)
}
