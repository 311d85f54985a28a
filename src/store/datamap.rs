//! The data map: what every table and column holds, read from `sql/data-map.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

static MAP: LazyLock<BTreeMap<String, Table>> = LazyLock::new(|| {
    let text = include_str!("../../sql/data-map.toml");
    toml::from_str(text).expect("the data map is part of the build, and a test reads it")
});

/// Every table by name.
pub fn tables() -> &'static BTreeMap<String, Table> {
    &MAP
}

/// What a table is for and who may see it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Where its bytes may be.
    pub class: Class,
    /// Why it exists.
    pub purpose: String,
    /// Why that is lawful.
    pub lawful_basis: String,
    /// How long a row stays.
    pub retention: String,
    /// Its columns by name.
    pub columns: BTreeMap<String, Column>,
}

/// Where a table's bytes may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Each row in its home region only.
    Personal,
    /// Each row in one region; not about people.
    Regional,
    /// A copy everywhere; not about people.
    Global,
}

impl Class {
    /// The name, as migrations and reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Regional => "regional",
            Self::Global => "global",
        }
    }
}

/// What a column holds.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// What kind of fact about a person.
    pub category: Category,
    /// Whether it is encrypted under the traveller's key.
    #[serde(default)]
    pub sealed: bool,
    /// In a sentence.
    pub is: String,
}

/// Kinds of facts about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Not about a person.
    None,
    /// Stands for a person without naming them.
    Pseudonym,
    /// Who somebody is.
    Identity,
    /// How to reach them.
    Contact,
    /// What opens an account or a seal.
    Credential,
    /// Where somebody goes.
    Travel,
    /// What somebody pays.
    Financial,
}
