//! What people of the house may look at. A role is of one region; nobody has one everywhere.

use std::str::FromStr;

/// A duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Where rows are, what was asked under the law, and one traveller's rows, masked.
    Compliance,
    /// Whether the region works; nothing about travellers.
    Operations,
}

/// A role that there is not.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is compliance or operations")]
pub struct NoRole;

impl Role {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Compliance, Self::Operations];

    /// The name, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compliance => "compliance",
            Self::Operations => "operations",
        }
    }
}

impl FromStr for Role {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Self, NoRole> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(NoRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_back() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert_eq!("root".parse::<Role>(), Err(NoRole));
    }
}
