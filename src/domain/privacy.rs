//! What a traveller can ask under the law, and how far it is.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A name that nothing here has.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no {1} of a privacy request")]
pub struct Unknown(String, &'static str);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// A copy of everything, Art. 15 and 20 GDPR.
    Export,
    /// Being forgotten, Art. 17.
    Erasure,
    /// Putting something right, Art. 16.
    Rectification,
    /// Only keeping what is there, Art. 18.
    Restriction,
    /// No profiling, Art. 21.
    Objection,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// An erasure that its traveller has not confirmed.
    Asked,
    /// To be carried out.
    Open,
    /// An order under way still needs the names in it.
    Waiting,
    /// Done.
    Done,
}

impl RequestKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Export, Self::Erasure, Self::Rectification, Self::Restriction, Self::Objection];

    /// The name, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Erasure => "erasure",
            Self::Rectification => "rectification",
            Self::Restriction => "restriction",
            Self::Objection => "objection",
        }
    }
}

impl RequestState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Asked, Self::Open, Self::Waiting, Self::Done];

    /// The name, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Done => "done",
        }
    }
}

impl FromStr for RequestKind {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let found = Self::ALL.into_iter().find(|it| it.name() == text);
        found.ok_or_else(|| Unknown(text.to_owned(), "kind"))
    }
}

impl FromStr for RequestState {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let found = Self::ALL.into_iter().find(|it| it.name() == text);
        found.ok_or_else(|| Unknown(text.to_owned(), "state"))
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for kind in RequestKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        for state in RequestState::ALL {
            assert_eq!(state.name().parse(), Ok(state));
        }
        assert!("shred".parse::<RequestKind>().is_err());
    }
}
