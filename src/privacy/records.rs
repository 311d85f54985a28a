//! What the data map says, in the forms that others want: records of processing (Art. 30(1) GDPR)
//! as JSON and CSV, and a dataset of Fides (fideslang). One activity is one purpose; the tables
//! that serve it are told together.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::store::datamap::{Category, Class, Keep, Map, Subjects};

/// Who is answerable, who is told, and how it is kept safe: `sql/controller.toml`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct House {
    /// Who decides.
    pub controller: Controller,
    /// Who outside the house is told what, by a short name.
    pub recipients: BTreeMap<String, Recipient>,
    /// How it is kept safe.
    pub security: Security,
}

/// Who decides about the processing, Art. 30(1)(a).
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// The company.
    pub name: String,
    /// Where to write.
    pub contact: String,
    /// Who represents it.
    pub representative: String,
    /// Who looks after the law.
    pub data_protection_officer: String,
}

/// Somebody outside the house, Art. 30(1)(d) and (e).
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Who.
    pub name: String,
    /// Processor, or controller of its own.
    pub role: String,
    /// Where.
    pub countries: String,
    /// What allows it.
    pub safeguard: String,
}

/// How it is kept safe, Art. 30(1)(g).
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Security {
    /// One sentence each.
    pub measures: Vec<String>,
}

/// A record of processing; the letters are those of Art. 30(1).
#[derive(Debug, Serialize)]
pub struct Activity {
    /// (b) Why.
    pub purpose: String,
    /// Why that is lawful.
    pub lawful_basis: String,
    /// (c) Whom it is about.
    pub subjects: Vec<String>,
    /// (c) What kinds of data.
    pub categories: Vec<String>,
    /// (d) Who outside is told.
    pub recipients: Vec<String>,
    /// (e) Where these are, and what allows it.
    pub transfers: Vec<String>,
    /// (f) When it is erased, by table.
    pub erasure: BTreeMap<String, String>,
    /// The tables that hold it.
    pub tables: Vec<String>,
}

/// Why records cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The house.
    #[error("sql/controller.toml: {0}")]
    House(String),
    /// A recipient that is nobody.
    #[error("[{table}] recipients: {recipient} is not in controller.toml")]
    Recipient {
        /// Which table names it.
        table: String,
        /// The name.
        recipient: String,
    },
}

/// The house as it is built in.
pub fn house() -> Result<House, RecordsError> {
    let text = include_str!("../../sql/controller.toml");
    toml::from_str(text).map_err(|error| RecordsError::House(error.message().to_owned()))
}

fn subject(subjects: Subjects) -> Option<&'static str> {
    match subjects {
        Subjects::Travellers => Some("travellers"),
        Subjects::Passengers => Some("passengers"),
        Subjects::Staff => Some("staff"),
        Subjects::Nobody => None,
    }
}

/// The records of a map: an activity for each purpose that is about somebody.
pub fn activities(map: &Map, house: &House) -> Result<Vec<Activity>, RecordsError> {
    let mut found: BTreeMap<&str, Activity> = BTreeMap::new();
    for (name, table) in map {
        let Some(about) = subject(table.subjects) else { continue };
        let activity = found.entry(&table.purpose).or_insert_with(|| Activity {
            purpose: table.purpose.clone(),
            lawful_basis: table.lawful_basis.clone(),
            subjects: Vec::new(),
            categories: Vec::new(),
            recipients: Vec::new(),
            transfers: Vec::new(),
            erasure: BTreeMap::new(),
            tables: Vec::new(),
        });
        activity.subjects.push(about.to_owned());
        let kinds = table.columns.values().map(|column| column.category);
        let kinds: BTreeSet<Category> = kinds.filter(|kind| *kind != Category::None).collect();
        activity.categories.extend(kinds.into_iter().map(|kind| kind.name().to_owned()));
        for recipient in &table.recipients {
            let who = house.recipients.get(recipient).ok_or_else(|| RecordsError::Recipient {
                table: name.clone(),
                recipient: recipient.clone(),
            })?;
            activity.recipients.push(format!("{} ({})", who.name, who.role));
            activity.transfers.push(format!("{}: {}", who.countries, who.safeguard));
        }
        activity.erasure.insert(name.clone(), table.retention.clone());
        activity.tables.push(name.clone());
    }
    let mut activities: Vec<Activity> = found.into_values().collect();
    for it in &mut activities {
        let lists = [&mut it.subjects, &mut it.categories, &mut it.recipients, &mut it.transfers];
        for list in lists {
            list.sort();
            list.dedup();
        }
    }
    Ok(activities)
}

/// The records as one document.
pub fn as_json(house: &House, activities: &[Activity]) -> Value {
    json!({
        "article": "30(1) GDPR", "controller": house.controller, "activities": activities,
        "recipients": house.recipients, "security": house.security.measures,
    })
}

/// The records as a table (RFC 4180). A cell that a spreadsheet would run is written as text.
pub fn as_csv(house: &House, activities: &[Activity]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = [
        "controller",
        "contact",
        "data_protection_officer",
        "purpose",
        "lawful_basis",
        "data_subjects",
        "data_categories",
        "recipients",
        "transfers_and_safeguards",
        "erasure_limits",
        "security_measures",
        "tables",
    ];
    writer.write_record(head).expect("memory takes it");
    for it in activities {
        let erasure: Vec<String> =
            it.erasure.iter().map(|(table, limit)| format!("{table}: {limit}")).collect();
        let cells = [
            house.controller.name.clone(),
            house.controller.contact.clone(),
            house.controller.data_protection_officer.clone(),
            it.purpose.clone(),
            it.lawful_basis.clone(),
            it.subjects.join("; "),
            it.categories.join("; "),
            it.recipients.join("; "),
            it.transfers.join("; "),
            erasure.join("; "),
            house.security.measures.join("; "),
            it.tables.join("; "),
        ];
        writer.write_record(cells.map(|cell| tame(&cell))).expect("memory takes it");
    }
    writer.into_inner().expect("memory takes it")
}

/// A cell that no spreadsheet takes for a formula.
pub fn tame(text: &str) -> String {
    let runs = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if runs { format!("'{text}") } else { text.to_owned() }
}

/// Fides's name for a kind of fact about a person.
fn fides_category(category: Category) -> &'static str {
    match category {
        Category::None => "system.operations",
        Category::Pseudonym => "user.unique_id.pseudonymous",
        Category::Identity => "user.name",
        Category::Contact => "user.contact",
        Category::Credential => "user.authorization.credentials",
        Category::Travel => "user.behavior.purchase_history",
        Category::Financial => "user.financial",
    }
}

/// A dataset of Fides. JSON is YAML (YAML 1.2, section 1.3), so `fides` reads it as it is.
pub fn fides(map: &Map) -> Value {
    let collections: Vec<Value> = map
        .iter()
        .map(|(name, table)| {
            let fields: Vec<Value> = table
                .columns
                .iter()
                .map(|(column, about)| {
                    let mut field = json!({
                        "name": column, "description": about.is,
                        "data_categories": [fides_category(about.category)],
                    });
                    if ["region", "id"].contains(&column.as_str()) {
                        field["fides_meta"] = json!({ "primary_key": true });
                    }
                    if column == "traveller_id" && table.class == Class::Personal {
                        field["fides_meta"] = json!({ "references": [{
                            "dataset": "meridian", "field": "traveller.id", "direction": "from",
                        }] });
                    }
                    field
                })
                .collect();
            json!({ "name": name, "description": table.purpose, "fields": fields })
        })
        .collect();
    json!({ "dataset": [{
        "fides_key": "meridian", "name": "Meridian", "description": "every table of the house",
        "collections": collections,
    }] })
}

/// Tables that nothing sweeps, and why.
pub fn unswept(map: &Map) -> Vec<(&str, &str)> {
    map.iter()
        .filter_map(|(name, table)| match &table.keep {
            Keep::Never { never } => Some((name.as_str(), never.as_str())),
            Keep::Aged { .. } | Keep::With { .. } => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::datamap;
    use crate::store::sql;

    #[test]
    fn every_table_about_somebody_is_in_a_record_with_its_limit() {
        let house = house().expect("part of the build");
        let records = activities(datamap::tables(), &house).expect("every recipient is known");
        for (name, table) in datamap::tables() {
            let told = records.iter().any(|it| it.tables.contains(name));
            assert_eq!(told, table.subjects != Subjects::Nobody, "{name}");
        }
        let carriage = records.iter().find(|it| it.purpose == "the contract of carriage");
        let carriage = carriage.expect("passengers are somebody");
        assert!(carriage.recipients.iter().any(|it| it.contains("airline")));
        assert!(carriage.categories.contains(&"identity".to_owned()));
        let csv = String::from_utf8(as_csv(&house, &records)).expect("UTF-8");
        assert_eq!(csv.lines().count(), records.len() + 1);
        assert!(as_json(&house, &records)["controller"]["contact"].is_string());
    }

    #[test]
    fn every_rule_names_a_statement_that_there_is() {
        for (name, table) in datamap::tables() {
            let Keep::Aged { swept, .. } = &table.keep else { continue };
            let there = sql::ALL.iter().any(|it| it.name.ends_with(&format!("/{swept}")));
            assert!(there || swept == "aged", "{name}: {swept} is no statement");
        }
        let personal = |name: &str| datamap::tables()[name].class == Class::Personal;
        let kept: Vec<&str> =
            unswept(datamap::tables()).into_iter().map(|(name, _)| name).collect();
        // Of personal tables only the outbox, which empties itself.
        assert_eq!(kept.into_iter().filter(|it| personal(it)).collect::<Vec<_>>(), ["outbox"]);
    }

    #[test]
    fn a_formula_is_text_and_fides_knows_every_column() {
        assert_eq!(tame("=1+1"), "'=1+1");
        assert_eq!(tame("travellers"), "travellers");
        let dataset = fides(datamap::tables());
        let collections = dataset["dataset"][0]["collections"].as_array().expect("a list");
        assert_eq!(collections.len(), datamap::tables().len());
        let known = |name: &str| collections.iter().find(|it| it["name"] == name).expect("a table");
        let fields = known("traveller")["fields"].as_array().expect("a list");
        assert!(fields.iter().any(|it| it["data_categories"][0] == "user.contact"));
    }
}
