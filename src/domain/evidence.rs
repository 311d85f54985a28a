//! What happened to somebody's data, for those who must be able to see later that it did: codes and
//! counts, never a value of a person.

use serde_json::Value;
use uuid::Uuid;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Happening {
    /// Somebody opened an account.
    AccountOpened,
    /// Somebody logged in.
    SessionOpened,
    /// An agreement was given.
    ConsentGiven,
    /// An agreement was taken back.
    ConsentWithdrawn,
    /// A copy of one's data was asked for.
    ExportAsked,
    /// It is there to be fetched.
    ExportReady,
    /// It was fetched.
    ExportFetched,
    /// Something about oneself was put right.
    Rectified,
    /// Processing was restricted.
    Restricted,
    /// And allowed again.
    RestrictionLifted,
    /// Somebody objected to profiling.
    ProfilingRefused,
    /// And took that back.
    ProfilingAllowed,
    /// Erasure was asked for; the account is closed.
    ErasureAsked,
    /// The data key was destroyed and every row is gone that no law keeps.
    Erased,
    /// A restored backup had brought somebody back, who was erased again.
    ErasedAgain,
    /// A traveller came to this home.
    HomeMoved,
    /// Requests for data at home elsewhere were sent there, their bodies unread.
    ResidenceRefused,
    /// Requests for data at home elsewhere were passed on, as the law of that home allows.
    RequestForwarded,
    /// Somebody of the house looked at something that needs a role.
    StaffLooked,
    /// Somebody of the house was refused.
    StaffRefused,
    /// A role was given or taken.
    StaffGranted,
    /// Data keys were wrapped anew under a new key of the region.
    KeysRotated,
    /// Rows are where they must not be.
    LocalityViolated,
    /// What was kept longer than its time was deleted.
    RetentionSwept,
}

impl Happening {
    /// Every one there is.
    pub const ALL: [Self; 24] = [
        Self::AccountOpened,
        Self::SessionOpened,
        Self::ConsentGiven,
        Self::ConsentWithdrawn,
        Self::ExportAsked,
        Self::ExportReady,
        Self::ExportFetched,
        Self::Rectified,
        Self::Restricted,
        Self::RestrictionLifted,
        Self::ProfilingRefused,
        Self::ProfilingAllowed,
        Self::ErasureAsked,
        Self::Erased,
        Self::ErasedAgain,
        Self::HomeMoved,
        Self::ResidenceRefused,
        Self::RequestForwarded,
        Self::StaffLooked,
        Self::StaffRefused,
        Self::StaffGranted,
        Self::KeysRotated,
        Self::LocalityViolated,
        Self::RetentionSwept,
    ];

    /// The name in the chain.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountOpened => "account.opened",
            Self::SessionOpened => "session.opened",
            Self::ConsentGiven => "consent.given",
            Self::ConsentWithdrawn => "consent.withdrawn",
            Self::ExportAsked => "export.asked",
            Self::ExportReady => "export.ready",
            Self::ExportFetched => "export.fetched",
            Self::Rectified => "traveller.rectified",
            Self::Restricted => "restriction.set",
            Self::RestrictionLifted => "restriction.lifted",
            Self::ProfilingRefused => "profiling.refused",
            Self::ProfilingAllowed => "profiling.allowed",
            Self::ErasureAsked => "erasure.asked",
            Self::Erased => "erasure.done",
            Self::ErasedAgain => "erasure.repeated",
            Self::HomeMoved => "home.moved",
            Self::ResidenceRefused => "residence.refused",
            Self::RequestForwarded => "residence.forwarded",
            Self::StaffLooked => "staff.looked",
            Self::StaffRefused => "staff.refused",
            Self::StaffGranted => "staff.granted",
            Self::KeysRotated => "keys.rotated",
            Self::LocalityViolated => "locality.violated",
            Self::RetentionSwept => "retention.swept",
        }
    }
}

/// Something that happened, before it has its place in a chain.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Made before the transaction, so that a second run of it is the same entry.
    pub id: Uuid,
    /// What.
    pub happening: Happening,
    /// To whom: a keyed hash under their data key.
    pub subject: Option<String>,
    /// Codes and counts: an object of strings, whole numbers and the like.
    pub body: Value,
}

impl Entry {
    /// An entry about nobody in particular.
    pub fn new(happening: Happening, body: Value) -> Self {
        Self { id: Uuid::new_v4(), happening, subject: None, body }
    }

    /// An entry about somebody.
    pub fn about(happening: Happening, subject: &str, body: Value) -> Self {
        Self { subject: Some(subject.to_owned()), ..Self::new(happening, body) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_happening_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Happening::ALL.iter().map(|it| it.name()).collect();
        assert_eq!(names.len(), Happening::ALL.len());
    }
}
