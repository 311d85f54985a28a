//! Where PostgreSQL's programs come from; the first hit wins and is named to the user.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Why the server does not run, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Oldest version that is taken.
const VERSION_MIN: u32 = 15;
/// Newest version that was tried.
const VERSION_MAX: u32 = 18;

/// A directory with `initdb` and `postgres`.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The directory.
    pub dir: PathBuf,
    /// As `postgres --version` says.
    pub version: String,
    /// How it was found, for people.
    pub source: String,
}

/// Looks in `$MERIDIAN_PG_BIN`, then `/usr/lib/postgresql`, `pg_config`, `PATH`, and the bundle
/// that `scripts/fetch-postgres` fills.
pub fn find() -> Result<Binaries, Refused> {
    if let Some(dir) = std::env::var_os("MERIDIAN_PG_BIN") {
        let dir = PathBuf::from(dir);
        return usable(&dir, "MERIDIAN_PG_BIN").ok_or_else(|| {
            Refused(format!(
                "MERIDIAN_PG_BIN is {} but that holds no initdb and postgres of version \
                 {VERSION_MIN} to {VERSION_MAX}",
                dir.display()
            ))
        });
    }
    debian()
        .into_iter()
        .find_map(|dir| usable(&dir, "the machine's packages"))
        .or_else(|| usable(&pg_config()?, "pg_config"))
        .or_else(|| path().into_iter().find_map(|dir| usable(&dir, "PATH")))
        .or_else(|| usable(&bundle_dir()?.join("bin"), "the bundle"))
        .ok_or_else(|| {
            Refused(format!(
                "no PostgreSQL {VERSION_MIN} to {VERSION_MAX} was found. Do one of these:\n  \
                 sudo apt-get install postgresql           (Debian, Ubuntu)\n  \
                 scripts/fetch-postgres                    (a private copy; needs Python, pip)\n  \
                 export MERIDIAN_DATABASE_URL=postgresql://user@host/database"
            ))
        })
}

/// The versions of Debian's layout, newest first.
fn debian() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, dir)| dir.join("bin")).collect()
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

fn path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

fn bundle_dir() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("meridian/postgres"))
}

fn usable(dir: &Path, source: &str) -> Option<Binaries> {
    if !dir.join("initdb").exists() {
        return None;
    }
    let output = Command::new(dir.join("postgres")).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    let number = version.split_once("(PostgreSQL) ")?.1;
    let major = number.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()?;
    (VERSION_MIN..=VERSION_MAX).contains(&major).then(|| Binaries {
        dir: dir.to_owned(),
        version,
        source: format!("{source} ({})", dir.display()),
    })
}
