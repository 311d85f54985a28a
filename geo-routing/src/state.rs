//! What outlives the process: the operators' orders, and what was last known of each region.
//!
//! Both lie in one directory. `overrides.toml` is written by people and by the API and is watched;
//! `health.json` is the server's own.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use jiff::Timestamp;
use meridian_regions::{RegionId, Registry};
use serde::{Deserialize, Serialize};

use crate::policy::{Condition, Live};

const OVERRIDES: &str = "overrides.toml";
const HEALTH: &str = "health.json";

/// What was known longer ago than this says nothing about now.
const HEALTH_AGE_MAX: Duration = Duration::from_secs(86_400);

/// What an operator orders for a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Nobody new is sent there. It heals nothing: a drained region that is sick is sick.
    #[serde(default)]
    pub drain: bool,
    /// The region counts as this, whatever the probes say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<Condition>,
    /// Why, for whoever finds it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Orders by the region's name.
pub type Overrides = BTreeMap<String, Override>;

/// What is wrong with the state directory.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file cannot be read or written.
    #[error("{path}: {error}; give a directory that this user may write")]
    File {
        /// The file.
        path: String,
        /// The reason.
        error: io::Error,
    },
    /// The orders do not have the shape.
    #[error("{0}: {1}; write [regions.NAME] with drain, force, reason and until")]
    Shape(String, String),
    /// A region that is not there.
    #[error("there is no region \"{0}\"; there are: {1}")]
    UnknownRegion(String, String),
}

/// Checks that every region that is named exists.
pub(crate) fn check(overrides: &Overrides, registry: Registry) -> Result<(), StateError> {
    match overrides.keys().find(|name| registry.by_name(name).is_none()) {
        None => Ok(()),
        Some(name) => {
            let known: Vec<String> = registry.all().map(|region| region.name.clone()).collect();
            Err(StateError::UnknownRegion(name.clone(), known.join(", ")))
        }
    }
}

/// What answers go by: what was found of each region, under what was ordered.
pub(crate) fn effective(
    registry: Registry,
    found: &BTreeMap<String, Condition>,
    overrides: &Overrides,
    now: SystemTime,
) -> Live {
    let now = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
    let condition = |region: RegionId| {
        let found = found.get(&region.name).copied().unwrap_or_default();
        let order = overrides.get(&region.name);
        match order.filter(|order| order.until.is_none_or(|until| now < until)) {
            None => found,
            Some(Override { drain, force, .. }) => match force.unwrap_or(found) {
                Condition::Healthy if *drain => Condition::Draining,
                other => other,
            },
        }
    };
    registry.all().map(|region| (region, condition(region))).collect()
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OverridesFile {
    #[serde(default)]
    regions: Overrides,
}

/// Conditions by the region's name, and when they were known.
#[derive(Serialize, Deserialize)]
struct HealthFile {
    written: Timestamp,
    regions: BTreeMap<String, Condition>,
}

/// The directory.
#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// The directory, made if it is not there.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        fs::create_dir_all(path).map_err(|error| file_error(path, error))?;
        Ok(Self(path.to_owned()))
    }

    /// The file of orders.
    pub fn overrides_path(&self) -> PathBuf {
        self.0.join(OVERRIDES)
    }

    /// The orders; none if there is no file.
    pub fn overrides(&self) -> Result<Overrides, StateError> {
        let path = self.overrides_path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(file_error(&path, error)),
        };
        let file: OverridesFile = toml::from_str(&text)
            .map_err(|error| StateError::Shape(path.display().to_string(), error.to_string()))?;
        Ok(file.regions)
    }

    /// Replaces the orders in one step.
    pub fn write_overrides(&self, overrides: &Overrides) -> Result<(), StateError> {
        let file = OverridesFile { regions: overrides.clone() };
        let text = toml::to_string(&file).expect("orders have a TOML form");
        self.replace(OVERRIDES, text.as_bytes())
    }

    /// What was known of the regions, unless it is too old to mean anything or cannot be read:
    /// then the probes begin anew.
    pub(crate) fn health(&self, now: SystemTime) -> BTreeMap<String, Condition> {
        let Ok(text) = fs::read_to_string(self.0.join(HEALTH)) else {
            return BTreeMap::new();
        };
        match serde_json::from_str::<HealthFile>(&text) {
            Ok(file) => {
                let age = now.duration_since(file.written.into()).unwrap_or_default();
                if age > HEALTH_AGE_MAX { BTreeMap::new() } else { file.regions }
            }
            Err(error) => {
                tracing::warn!(%error, "what was known cannot be read; probing anew");
                BTreeMap::new()
            }
        }
    }

    /// What answers go by, as a server of this directory would have it.
    pub(crate) fn live(&self, registry: Registry, now: SystemTime) -> Result<Live, StateError> {
        let overrides = self.overrides()?;
        check(&overrides, registry)?;
        Ok(effective(registry, &self.health(now), &overrides, now))
    }

    pub(crate) fn write_health(
        &self,
        regions: BTreeMap<String, Condition>,
        now: SystemTime,
    ) -> Result<(), StateError> {
        let written = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
        let text =
            serde_json::to_vec(&HealthFile { written, regions }).expect("it has a JSON form");
        self.replace(HEALTH, &text)
    }

    /// A reader sees the old file or the new one, also after a crash.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let (path, next) = (self.0.join(name), self.0.join(format!("{name}.next")));
        let write = || {
            let mut file = fs::File::create(&next)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&next, &path)
        };
        write().map_err(|error| file_error(&path, error))
    }
}

fn file_error(path: &Path, error: io::Error) -> StateError {
    StateError::File { path: path.display().to_string(), error }
}
