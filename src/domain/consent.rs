//! What a traveller may agree to, in the words that they are shown. Nothing else needs an
//! agreement: a booking is a contract, and what the law wants is the law.

use serde::{Deserialize, Serialize};

/// For what an agreement is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Suggestions made from one's own earlier trips.
    Recommendations,
    /// Offers by e-mail.
    OffersByEmail,
}

/// What somebody is shown before they agree. Words never change; others are another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wording {
    /// For what.
    pub purpose: Purpose,
    /// 1 and up.
    pub version: i64,
    /// The words.
    pub text: &'static str,
}

/// What is asked today, one for each purpose.
pub const WORDINGS: [Wording; 2] = [
    Wording {
        purpose: Purpose::Recommendations,
        version: 1,
        text: "Meridian may look at my own earlier trips to suggest places to me. No decision \
               about me is made from it, and no price of mine depends on it. I can take this back \
               at any time, and nothing else changes for me when I do.",
    },
    Wording {
        purpose: Purpose::OffersByEmail,
        version: 1,
        text: "Meridian may write to my e-mail address when there are offers. I can take this \
               back at any time, here or with the link in every such message.",
    },
];

impl Purpose {
    /// The name, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recommendations => "recommendations",
            Self::OffersByEmail => "offers_by_email",
        }
    }

    /// The words of today.
    pub fn wording(self) -> &'static Wording {
        WORDINGS.iter().find(|it| it.purpose == self).expect("every purpose has its words")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_has_its_words() {
        for wording in WORDINGS {
            assert_eq!(wording.purpose.wording(), &wording);
            assert!(wording.text.contains("take this back"), "an agreement can be taken back");
        }
    }
}
