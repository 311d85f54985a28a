//! The shipped regions pass; every bad fixture is refused with a sentence that says what to do.
//!
//! A fixture in `tests/bad/` is a JSON merge patch (RFC 7396) over the shipped files, and what the
//! refusal must say; with a `base`, the patch is the next revision of that. Terraform's tests read
//! the same fixtures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use meridian_regions::{Country, Home, Registry};
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn shipped() -> BTreeMap<String, Value> {
    let mut files = BTreeMap::new();
    for sub in ["", "policy"] {
        for entry in std::fs::read_dir(root().join(sub)).expect("the crate's own folder") {
            let path = entry.expect("a readable entry").path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let name = path.strip_prefix(root()).expect("below the root").display().to_string();
                files.insert(name, read(&path));
            }
        }
    }
    files
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a readable file");
    serde_json::from_str(&text).expect("valid JSON")
}

fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    target.remove(key);
                } else {
                    merge(target.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

/// The shipped files with a patch over them; `null` in the place of a file takes it away.
fn patched(patch: &Value) -> BTreeMap<String, Value> {
    let mut files = shipped();
    for (name, patch) in patch.as_object().expect("a patch") {
        match patch {
            Value::Null => drop(files.remove(name).expect("a shipped file")),
            patch => merge(files.get_mut(name).expect("a shipped file"), patch),
        }
    }
    files
}

fn texts(files: &BTreeMap<String, Value>) -> impl Iterator<Item = (String, String)> {
    files.iter().map(|(name, json)| (name.clone(), json.to_string()))
}

fn load_after(
    before: &BTreeMap<String, Value>,
    files: &BTreeMap<String, Value>,
) -> Result<Registry, String> {
    Registry::from_files_after(texts(before), texts(files)).map_err(|broken| broken.to_string())
}

fn load(files: &BTreeMap<String, Value>) -> Result<Registry, String> {
    Registry::from_files(texts(files)).map_err(|broken| broken.to_string())
}

#[test]
fn the_shipped_regions_pass_and_match_what_is_embedded() {
    let embedded = Registry::embedded().expect("embedded regions");
    let from_disk = Registry::from_dir(&root()).expect("regions on disk");
    assert_eq!(embedded.all().collect::<Vec<_>>(), from_disk.all().collect::<Vec<_>>());
    assert_eq!(embedded.primary().name, "eu-central");
}

#[test]
fn every_bad_fixture_is_refused_with_its_own_sentence() {
    let mut tried = 0;
    for entry in std::fs::read_dir(root().join("tests/bad")).expect("fixtures") {
        let path = entry.expect("a readable entry").path();
        let fixture = read(&path);
        let files = patched(&fixture["patch"]);
        let says = fixture["says"].as_str().expect("what it says");
        let loaded = match fixture.get("base") {
            None => load(&files),
            Some(base) => load_after(&patched(base), &files),
        };
        let refusal = loaded.expect_err(&format!("{} was accepted", path.display()));
        assert!(refusal.contains(says), "{}: said {refusal}", path.display());
        tried += 1;
    }
    assert!(tried >= 39, "only {tried} fixtures were found");
}

#[test]
fn a_region_lives_step_by_step_and_keeps_its_names() {
    let state = |state: &str| {
        let mut files = shipped();
        // Its claims are somebody else's, so that it may come and go.
        let mut claims =
            files["eu-west.json"]["dns"]["continents"].as_array().expect("a list").clone();
        claims.push("EU".into());
        let came = serde_json::json!({ "state": state, "dns": { "continents": [] } });
        let stays = serde_json::json!({ "dns": { "continents": claims } });
        merge(files.get_mut("eu-west.json").expect("it"), &came);
        merge(files.get_mut("eu-central.json").expect("it"), &stays);
        files
    };
    let states = [
        "planned",
        "provisioning",
        "joining",
        "active",
        "draining",
        "drained",
        "removing",
        "removed",
    ];
    let mut legal = Vec::new();
    for (from, before) in states.iter().enumerate() {
        for (to, after) in states.iter().enumerate().filter(|(to, _)| *to != from) {
            if load_after(&state(before), &state(after)).is_ok() {
                legal.push((from, to));
            }
        }
    }
    assert_eq!(legal, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 3), (4, 5), (5, 6), (6, 7)]);
    for same in states {
        assert!(load_after(&state(same), &state(same)).is_ok(), "{same} may stay");
    }
}

#[test]
fn every_country_has_a_home_or_a_reason() {
    let registry = Registry::embedded().expect("embedded regions");
    let home = |code: &str| registry.home_of(code.parse::<Country>().expect("a country"));
    assert!(matches!(home("DE"), Home::Region(region) if region.name == "eu-central"));
    assert!(matches!(home("FR"), Home::Region(region) if region.jurisdiction == "eu"));
    assert!(matches!(home("US"), Home::Region(region) if region.name == "us-east"));
    assert!(matches!(home("SG"), Home::Region(region) if region.name == "ap-southeast"));
    assert!(matches!(home("CN"), Home::Nowhere(reason) if reason.contains("China")));
    assert_eq!(Country::all().count(), 250);
}

#[test]
fn the_schema_accepts_what_we_ship_and_refuses_what_serde_refuses() {
    let schema = read(&root().join("schema/region.schema.json"));
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    for (name, file) in shipped().iter().filter(|(name, _)| !name.starts_with("policy")) {
        assert!(validator.is_valid(file), "{name}: {:?}", validator.validate(file).err());
    }
    for fixture in ["unknown-field", "unknown-state"] {
        let fixture = read(&root().join(format!("tests/bad/{fixture}.json")));
        for (name, patch) in fixture["patch"].as_object().expect("a patch") {
            let mut file = shipped()[name].clone();
            merge(&mut file, patch);
            assert!(!validator.is_valid(&file), "{name} was accepted");
        }
    }
}

#[test]
fn distances_are_those_of_the_earth() {
    let at = |latitude, longitude| meridian_regions::Coordinates { latitude, longitude };
    let (heathrow, kennedy) = (at(51.4706, -0.4619), at(40.6398, -73.7789));
    assert!((heathrow.distance_km(&kennedy) - 5540.0).abs() < 15.0);
    assert!(at(0.0, 0.0).distance_km(&at(0.0, 180.0)) > 20_000.0);
}
