//! The trusted set of regions, and the questions it answers.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::path::Path;

use include_dir::{Dir, include_dir};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::change;
use crate::file::{Forwarding, Host, Jurisdiction, RegionFile};
use crate::place::{Continent, Country};
use crate::rules::{Broken, Draft, Rule, check};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR");

/// A region that is known to exist; there is no other way to name one.
///
/// Two words wide and `Copy`: the registry it points into lives as long as the process.
#[derive(Clone, Copy)]
pub struct RegionId(&'static RegionFile);

impl Deref for RegionId {
    type Target = RegionFile;

    fn deref(&self) -> &RegionFile {
        self.0
    }
}

impl PartialEq for RegionId {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for RegionId {}

impl Hash for RegionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl PartialOrd for RegionId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RegionId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.name.cmp(&other.0.name)
    }
}

impl fmt::Display for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

impl fmt::Debug for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

/// Where a country's residents are at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In this region.
    Region(RegionId),
    /// Nowhere, and why, for the traveller to read.
    Nowhere(&'static str),
}

/// All regions and the policy around them; checked, immutable, alive as long as the process.
#[derive(Clone, Copy, Debug)]
pub struct Registry(&'static Inner);

#[derive(Debug)]
struct Inner {
    regions: Vec<RegionFile>,
    jurisdictions: BTreeMap<String, Jurisdiction>,
    unhomed: BTreeMap<Country, String>,
    hosts: BTreeMap<String, Host>,
    fingerprint: String,
}

impl Registry {
    /// The regions this build was made with.
    pub fn embedded() -> Result<Self, Broken> {
        let files = EMBEDDED
            .files()
            .chain(EMBEDDED.get_dir("policy").into_iter().flat_map(Dir::files))
            .filter_map(|file| {
                Some((file.path().to_str()?.to_owned(), file.contents_utf8()?.to_owned()))
            })
            .filter(|(path, _)| path.ends_with(".json"));
        Self::from_files(files)
    }

    /// The regions of a directory laid out like `regions/`.
    pub fn from_dir(dir: &Path) -> Result<Self, Broken> {
        Self::from_files(read(dir)?.into_iter())
    }

    /// The same, as the next revision of another directory: every step in between must be one that
    /// a region's life allows.
    pub fn from_dir_after(before: &Path, dir: &Path) -> Result<Self, Broken> {
        Self::from_files_after(read(before)?.into_iter(), read(dir)?.into_iter())
    }

    /// Parses and checks `(path, text)` pairs; paths are relative to the directory.
    pub fn from_files(files: impl Iterator<Item = (String, String)>) -> Result<Self, Broken> {
        let draft = draft(files)?;
        let broken = check(&draft);
        Self::keep(draft, broken)
    }

    /// The same, as the next revision of other files, which only have to be readable.
    pub fn from_files_after(
        before: impl Iterator<Item = (String, String)>,
        files: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Broken> {
        let (before, draft) = (draft(before)?, draft(files)?);
        let mut broken = check(&draft);
        broken.extend(change::check(&before, &draft));
        Self::keep(draft, broken)
    }

    fn keep(draft: Draft, broken: Vec<Rule>) -> Result<Self, Broken> {
        if !broken.is_empty() {
            return Err(Broken(broken));
        }
        let Draft { regions, jurisdictions, unhomed, hosts, fingerprint, .. } = draft;
        // Leaked on purpose: a process loads its regions once, and ids point into them for ever.
        let inner = Inner { regions, jurisdictions, unhomed, hosts, fingerprint };
        Ok(Self(Box::leak(Box::new(inner))))
    }

    /// Every region, whatever its state, by name.
    pub fn all(&self) -> impl Iterator<Item = RegionId> + use<> {
        self.0.regions.iter().map(RegionId)
    }

    /// The regions whose rows the database holds, by name.
    pub fn with_rows(&self) -> impl Iterator<Item = RegionId> + use<> {
        self.all().filter(|region| region.state.holds_rows())
    }

    /// The database's primary region.
    pub fn primary(&self) -> RegionId {
        self.all().find(|region| region.primary).expect("the rules let exactly one primary through")
    }

    /// A region by its name.
    pub fn by_name(&self, name: &str) -> Option<RegionId> {
        self.all().find(|region| region.name == name)
    }

    /// A region by the tag in its ids.
    pub fn by_tag(&self, tag: &str) -> Option<RegionId> {
        self.all().find(|region| region.id_tag == tag)
    }

    /// A region by the value of the database's region column.
    pub fn by_locality(&self, locality: &str) -> Option<RegionId> {
        self.all().find(|region| region.locality == locality)
    }

    /// Where residents of a country are at home.
    pub fn home_of(&self, country: Country) -> Home {
        match self.all().find(|region| region.homes.contains(&country)) {
            Some(region) => Home::Region(region),
            None => {
                Home::Nowhere(self.0.unhomed.get(&country).expect("the rules cover every country"))
            }
        }
    }

    /// The region that claims a continent: where its unlisted countries go and its seats are kept.
    pub fn for_continent(&self, continent: Continent) -> RegionId {
        self.with_rows()
            .find(|region| region.dns.continents.contains(&continent))
            .expect("the rules let each continent be claimed once")
    }

    /// The region for an address that no table knows.
    pub fn default(&self) -> RegionId {
        self.with_rows()
            .find(|region| region.dns.default)
            .expect("the rules let one default through")
    }

    /// The law over a region.
    pub fn jurisdiction(&self, region: RegionId) -> &'static Jurisdiction {
        self.0.jurisdictions.get(&region.0.jurisdiction).expect("the rules know each jurisdiction")
    }

    /// Whether a node that personal data reached in one region may pass it on to its home in
    /// another: the law of the home decides.
    pub fn forwards(&self, from: RegionId, home: RegionId) -> bool {
        from != home
            && match self.jurisdiction(home).forwarding {
                Forwarding::None => false,
                Forwarding::Within => from.jurisdiction == home.jurisdiction,
            }
    }

    /// The laws by their code.
    pub fn jurisdictions(&self) -> &'static BTreeMap<String, Jurisdiction> {
        &self.0.jurisdictions
    }

    /// The hosts that are answered for by region, relative to the zone.
    pub fn hosts(&self) -> &'static BTreeMap<String, Host> {
        &self.0.hosts
    }

    /// SHA-256 over the files, by which two programs know that they have read the same.
    /// Terraform's registry computes the same: a line `path sha256` a file, ascending.
    pub fn fingerprint(&self) -> &'static str {
        &self.0.fingerprint
    }

    /// The same regions answering elsewhere: a demo's loopback addresses, a test's ports.
    pub fn with_endpoints(&self, mut change: impl FnMut(&mut RegionFile)) -> Self {
        let mut regions = self.0.regions.clone();
        regions.iter_mut().for_each(&mut change);
        let Inner { jurisdictions, unhomed, hosts, fingerprint, .. } = self.0;
        let (jurisdictions, unhomed) = (jurisdictions.clone(), unhomed.clone());
        let (hosts, fingerprint) = (hosts.clone(), fingerprint.clone());
        let inner = Inner { regions, jurisdictions, unhomed, hosts, fingerprint };
        Self(Box::leak(Box::new(inner)))
    }
}

/// Everything in a directory that counts, by its path inside.
fn read(dir: &Path) -> Result<Vec<(String, String)>, Broken> {
    let mut files = Vec::new();
    for sub in ["", "policy"] {
        let entries = std::fs::read_dir(dir.join(sub)).map_err(|error| {
            unreadable(&dir.join(sub), &error, "give a directory laid out like regions/")
        })?;
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| unreadable(&path, &error, "make the file readable"))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                files.push((Path::new(sub).join(name).to_string_lossy().into_owned(), text));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The files by their meaning; a refusal names each that does not fit its shape.
fn draft(files: impl Iterator<Item = (String, String)>) -> Result<Draft, Broken> {
    let mut broken = Vec::new();
    let mut draft = Draft::default();
    let mut lines = Vec::new();
    for (path, text) in files {
        lines.push(format!("{path} {}", hex(&text)));
        match path.as_str() {
            "policy/jurisdictions.json" => {
                draft.jurisdictions = parse(&path, &text, &mut broken).unwrap_or_default();
            }
            "policy/hosts.json" => {
                draft.hosts = parse(&path, &text, &mut broken).unwrap_or_default();
            }
            "policy/unhomed.json" => {
                draft.unhomed = parse(&path, &text, &mut broken).unwrap_or_default();
            }
            _ => {
                if let Some(region) = parse::<RegionFile>(&path, &text, &mut broken) {
                    let stem = path.trim_end_matches(".json").to_owned();
                    draft.stems.insert(region.name.clone(), stem);
                    draft.regions.push(region);
                }
            }
        }
    }
    draft.regions.sort_by(|a, b| a.name.cmp(&b.name));
    lines.sort();
    draft.fingerprint = hex(&lines.join("\n"));
    if broken.is_empty() { Ok(draft) } else { Err(Broken(broken)) }
}

fn hex(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse<T: DeserializeOwned>(path: &str, text: &str, broken: &mut Vec<Rule>) -> Option<T> {
    serde_json::from_str(text)
        .map_err(|error| {
            let advice = format!("does not fit schema/region.schema.json: {error}");
            broken.push(Rule { file: path.to_owned(), advice });
        })
        .ok()
}

fn unreadable(path: &Path, error: &std::io::Error, advice: &str) -> Broken {
    Broken(vec![Rule {
        file: path.display().to_string(),
        advice: format!("cannot be read ({error}); {advice}"),
    }])
}
