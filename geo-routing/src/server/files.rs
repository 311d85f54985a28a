//! The files a server is made of, and the watch over them.
//!
//! They are looked at four times a second; what has changed is read, checked and taken into use as
//! a whole, while the old table answers on. What cannot be used is refused with a reason, and
//! the old table stays. Looking at times and sizes works on every file system, also where a
//! configuration is swapped by a link.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meridian_regions::{Broken, Registry};
use tokio::sync::Notify;

use super::control::Control;
use super::encrypted::Tls;
use crate::clock;
use crate::ground::{Ground, GroundError, Manners, Sources};
use crate::location::{DatabaseError, Geography};
use crate::state::StateDir;
use crate::zone::{Zone, ZoneError};

/// How often files are looked at: a drain takes effect within a second.
const LOOK: Duration = Duration::from_millis(250);

/// How long a file has to be left alone before it is read: files are written in steps.
const SETTLE: Duration = Duration::from_millis(100);

/// How long signatures are used before they are made anew; they hold for a week.
const SIGNATURES_AGE_MAX: Duration = Duration::from_secs(86_400);

/// Where the files are; what is not given is what this build carries.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// A zone file, or a directory of them.
    pub zones: Option<PathBuf>,
    /// A directory like regions/.
    pub regions: Option<PathBuf>,
    /// An address database in MaxMind's format.
    pub geo_db: Option<PathBuf>,
    /// A directory of the zones' keys.
    pub keys: Option<PathBuf>,
    /// How the server presents itself.
    pub manners: Manners,
    /// Percentage of addresses that a new address database may move to another region.
    pub moved_max_percent: u32,
}

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A zone.
    #[error("{0}: {1}")]
    Zone(String, ZoneError),
    /// The directory of zones.
    #[error("{0}: {1}; give a zone file or a directory of them")]
    Unreadable(String, std::io::Error),
    /// The regions.
    #[error(transparent)]
    Regions(#[from] Broken),
    /// The address database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// They do not fit each other.
    #[error(transparent)]
    Ground(#[from] GroundError),
    /// A new address database says something very different.
    #[error(
        "the new address database would move {moved} % of addresses to another region and may move \
         {most} %; if that is right, start with a higher --geo-db-moved-max"
    )]
    Moved {
        /// What it would move, in percent.
        moved: u32,
        /// What it may move.
        most: u32,
    },
}

impl Files {
    /// Reads everything.
    pub fn read(&self) -> Result<Sources, FilesError> {
        let geography = match &self.geo_db {
            Some(path) => Arc::new(Geography::from_database(path)?),
            None => Geography::embedded(),
        };
        self.read_around(geography)
    }

    /// Reads everything but the address database.
    fn read_around(&self, geography: Arc<Geography>) -> Result<Sources, FilesError> {
        let registry = match &self.regions {
            Some(dir) => Registry::from_dir(dir)?,
            None => Registry::embedded()?,
        };
        let zones = match &self.zones {
            Some(path) => zones(path)?,
            None => vec![Zone::embedded()],
        };
        let (keys, manners) = (self.keys.clone(), self.manners.clone());
        Ok(Sources { registry, zones, geography, keys, manners })
    }

    fn geo_db_stamp(&self) -> Stamp {
        stamp(self.geo_db.as_deref())
    }

    fn stamp(&self) -> Stamp {
        let dirs = [&self.zones, &self.regions, &self.keys];
        let policy = self.regions.as_ref().map(|dir| dir.join("policy"));
        dirs.into_iter().chain([&policy]).flat_map(|path| stamp(path.as_deref())).collect()
    }
}

fn zones(path: &Path) -> Result<Vec<Zone>, FilesError> {
    let shown = |path: &Path| path.display().to_string();
    let mut paths = vec![path.to_owned()];
    if path.is_dir() {
        let entries =
            fs::read_dir(path).map_err(|error| FilesError::Unreadable(shown(path), error))?;
        paths = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
    }
    let read = |path: &PathBuf| {
        Zone::from_path(path).map_err(|error| FilesError::Zone(shown(path), error))
    };
    paths.iter().map(read).collect()
}

/// What tells whether files have changed: each one's path, number, size and time.
type Stamp = Vec<(PathBuf, u64, u64, i64, i64)>;

fn stamp(path: Option<&Path>) -> Stamp {
    let Some(path) = path else { return Stamp::new() };
    let mut paths = vec![path.to_owned()];
    if let Ok(entries) = fs::read_dir(path) {
        paths.extend(entries.flatten().map(|entry| entry.path()));
        paths.sort();
    }
    let of = |path: PathBuf| {
        let meta = fs::metadata(&path).ok()?;
        Some((path, meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
    };
    paths.into_iter().filter_map(of).collect()
}

/// Watches the files of a server.
pub(super) struct Watch {
    pub(super) files: Files,
    pub(super) geography: Arc<Geography>,
    pub(super) control: Control,
    pub(super) state_dir: Option<StateDir>,
    pub(super) tls: Option<Arc<Tls>>,
    /// Asks for everything to be read again.
    pub(super) reload: Arc<Notify>,
}

/// What was in the files when they were last read, and when signatures were last made.
struct Seen {
    orders: Stamp,
    tls: Stamp,
    others: Stamp,
    geo_db: Stamp,
    signed: SystemTime,
}

impl Seen {
    fn is_as(&self, before: &Self) -> bool {
        [&self.orders, &self.tls, &self.others, &self.geo_db]
            == [&before.orders, &before.tls, &before.others, &before.geo_db]
    }
}

impl Watch {
    fn look(&self) -> Seen {
        let orders = self.state_dir.as_ref().map(StateDir::overrides_path);
        let tls = self.tls.iter().flat_map(|tls| tls.paths());
        Seen {
            orders: stamp(orders.as_deref()),
            tls: tls.flat_map(|path| stamp(Some(path))).collect(),
            others: self.files.stamp(),
            geo_db: self.files.geo_db_stamp(),
            signed: clock::now(),
        }
    }

    /// Watches until dropped.
    pub(super) async fn run(mut self) {
        let mut seen = self.look();
        // What a look found changed is read when the next look finds the same.
        let mut before = self.look();
        let mut next = LOOK;
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(next) => false,
                () = self.reload.notified() => true,
            };
            let now = self.look();
            if asked || now.orders != seen.orders {
                seen.orders.clone_from(&now.orders);
                if let Err(error) = self.control.reload_overrides() {
                    tracing::error!(%error, "the operators' orders are refused; those before stay");
                }
            }
            self.control.refresh();
            if asked || now.tls != seen.tls && now.tls == before.tls {
                seen.tls.clone_from(&now.tls);
                self.reload_tls();
            }
            let geo_db = asked || now.geo_db != seen.geo_db && now.geo_db == before.geo_db;
            let others = asked || now.others != seen.others && now.others == before.others;
            let age = now.signed.duration_since(seen.signed).unwrap_or_default();
            if geo_db || others || age >= SIGNATURES_AGE_MAX {
                seen.signed = now.signed;
                if geo_db {
                    seen.geo_db.clone_from(&now.geo_db);
                }
                if others {
                    seen.others.clone_from(&now.others);
                }
                self.reload(geo_db && self.files.geo_db.is_some()).await;
            }
            next = if now.is_as(&before) { LOOK } else { SETTLE };
            before = now;
        }
    }

    fn reload_tls(&self) {
        match self.tls.as_ref().map(|tls| tls.reload()) {
            Some(Err(error)) => {
                self.control.count_refused_load();
                tracing::error!(%error, "the new certificate is refused; the one before stays");
            }
            Some(Ok(())) => tracing::info!("a certificate was taken into use"),
            None => {}
        }
    }

    async fn reload(&mut self, geo_db: bool) {
        let (files, control) = (self.files.clone(), self.control.clone());
        let geography = Arc::clone(&self.geography);
        // Reading a City database takes a second; not on a thread that drives tasks.
        let work = move || make(&files, geography, geo_db, &control);
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok((ground, geography))) => {
                geography.warn_if_old(clock::now());
                self.geography = geography;
                self.control.replace(ground);
                if geo_db {
                    self.control.count_geo_db_load();
                }
                tracing::info!(geo_db, "files were read again and taken into use");
            }
            Ok(Err(error)) => {
                self.control.count_refused_load();
                tracing::error!(%error, "the files are refused; what was in use stays");
            }
            Err(error) => {
                self.control.count_refused_load();
                tracing::error!(%error, "reading the files failed; this is a defect");
            }
        }
    }
}

fn make(
    files: &Files,
    geography: Arc<Geography>,
    geo_db: bool,
    control: &Control,
) -> Result<(Ground, Arc<Geography>), FilesError> {
    let sources = if geo_db { files.read()? } else { files.read_around(Arc::clone(&geography))? };
    let geography = Arc::clone(&sources.geography);
    let ground = Ground::new(&sources, clock::now())?;
    if geo_db {
        let moved = control.with_table(|table| table.ground().moved_percent(&ground));
        let most = files.moved_max_percent;
        if moved > most {
            return Err(FilesError::Moved { moved, most });
        }
    }
    Ok((ground, geography))
}
