//! The data map: what every table and column holds, why, for how long and for whom, read from
//! `sql/data-map.toml`. [`parse`] reads any other map as strictly, and says every fault.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

static MAP: LazyLock<Map> = LazyLock::new(|| {
    let text = include_str!("../../sql/data-map.toml");
    parse(text).expect("the data map is part of the build, and a test reads it")
});

/// Tables by name.
pub type Map = BTreeMap<String, Table>;

/// Every table by name.
pub fn tables() -> &'static Map {
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
    /// How long a row stays, in words.
    pub retention: String,
    /// Whom its rows are about.
    pub subjects: Subjects,
    /// Who outside the house is told of it, by their names in `sql/controller.toml`.
    pub recipients: Vec<String>,
    /// How long a row stays, for the machine.
    pub keep: Keep,
    /// Its columns by name.
    pub columns: BTreeMap<String, Column>,
}

/// How long a row stays.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Keep {
    /// So many days after a time in a column.
    Aged {
        /// The column.
        by: String,
        /// How many days after it.
        days: i64,
        /// The statement that deletes it; `aged` is the one that fits any table.
        swept: String,
    },
    /// As long as the row of another table that it belongs to.
    With {
        /// That table.
        with: String,
    },
    /// Nothing sweeps it.
    Never {
        /// Why.
        never: String,
    },
}

/// Whom a table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subjects {
    /// Whoever has an account.
    Travellers,
    /// Whoever flies.
    Passengers,
    /// People of the house.
    Staff,
    /// No person.
    Nobody,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
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

impl Category {
    /// Whether it tells of a person; a pseudonym stands for one without telling.
    pub fn tells(self) -> bool {
        !matches!(self, Self::None | Self::Pseudonym)
    }

    /// The name, as the map writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pseudonym => "pseudonym",
            Self::Identity => "identity",
            Self::Contact => "contact",
            Self::Credential => "credential",
            Self::Travel => "travel",
            Self::Financial => "financial",
        }
    }
}

/// A map that says something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct MapError(pub Vec<String>);

/// Reads a map, table by table, so that every fault is said and not only the first.
pub fn parse(text: &str) -> Result<Map, MapError> {
    let raw: BTreeMap<String, toml::Value> =
        toml::from_str(text).map_err(|error| MapError(vec![error.message().to_owned()]))?;
    let (mut map, mut faults) = (Map::new(), Vec::new());
    for (name, value) in raw {
        match serde_path_to_error::deserialize::<_, Table>(value) {
            Ok(table) => {
                faults.extend(absurd(&name, &table));
                map.insert(name, table);
            }
            Err(error) => {
                let (path, why) = (error.path().to_string(), error.inner().message().to_owned());
                faults.push(format!("[{name}] {path}: {}", why.trim()));
            }
        }
    }
    for (name, table) in &map {
        if let Keep::With { with } = &table.keep
            && !map.contains_key(with)
        {
            faults.push(format!("[{name}] keep.with: there is no table {with}"));
        }
    }
    if faults.is_empty() { Ok(map) } else { Err(MapError(faults)) }
}

/// What a table says that cannot be together.
fn absurd(name: &str, table: &Table) -> Vec<String> {
    let mut faults = Vec::new();
    if let Keep::Aged { by, days, .. } = &table.keep {
        if !table.columns.contains_key(by) {
            faults.push(format!("[{name}] keep.by: there is no column {by}"));
        }
        if *days < 0 {
            faults.push(format!("[{name}] keep.days: {days} days are none"));
        }
    }
    for (column, about) in &table.columns {
        if about.sealed && table.class != Class::Personal {
            faults.push(format!("[{name}] {column}: sealed, in a table that is not personal"));
        }
        if about.sealed && !about.category.tells() {
            faults.push(format!("[{name}] {column}: sealed, and tells of nobody"));
        }
        if about.category.tells() && table.class != Class::Personal {
            let why = "tells of a person, in a table that is copied or shared";
            faults.push(format!("[{name}] {column}: {why}"));
        }
    }
    if table.class == Class::Personal && !table.columns.contains_key("region") {
        faults.push(format!("[{name}] a personal table has a region"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"
        [person]
        class = "personal"
        purpose = "p"
        lawful_basis = "b"
        retention = "r"
        subjects = "travellers"
        recipients = []
        keep = { by = "at", days = 1, swept = "aged" }
        [person.columns]
        region = { category = "none", is = "home" }
        at = { category = "none", is = "when" }
        name = { category = "identity", sealed = true, is = "who" }
    "#;

    #[test]
    fn every_fault_is_said_with_its_place() {
        assert!(parse(ONE).is_ok());
        for (from, to, place) in [
            ("\"personal\"", "\"secret\"", "[person] class: unknown variant"),
            ("\"identity\"", "\"gossip\"", "[person] columns.name.category: unknown variant"),
            ("\"travellers\"", "\"martians\"", "[person] subjects: unknown variant"),
            (
                "\"personal\"",
                "\"global\"",
                "[person] name: sealed, in a table that is not personal",
            ),
            ("by = \"at\"", "by = \"when\"", "[person] keep.by: there is no column when"),
            ("days = 1", "days = -1", "[person] keep.days: -1 days are none"),
            ("recipients = []", "", "[person] .: missing field `recipients`"),
            ("region = {", "place = {", "[person] a personal table has a region"),
            ("purpose", "porpoise", "[person] porpoise: unknown field"),
        ] {
            let said = parse(&ONE.replace(from, to)).expect_err(place).to_string();
            assert!(said.contains(place), "{place}: {said}");
        }
        let both = ONE.replace("\"personal\"", "\"secret\"");
        let two = format!("{both}{}", both.replace("person", "other"));
        assert_eq!(parse(&two).expect_err("two faults").0.len(), 2);
        assert!(parse("no map at all").is_err());
    }
}
