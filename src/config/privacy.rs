//! `meridian privacy …`: what travellers ask under the law, carried out for those who write to us.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Database;

/// Rights of travellers.
#[derive(Clone, Debug, Args)]
pub struct Privacy {
    /// What to do.
    #[command(subcommand)]
    pub action: PrivacyAction,
}

/// Whose rights, and where they are at home.
#[derive(Clone, Debug, Args)]
pub struct Subject {
    /// The traveller's id, such as trv_euc1_….
    pub id: String,
    /// Directory with the keys of the region that is home now.
    #[arg(long, env = "MERIDIAN_KEYS")]
    pub keys: PathBuf,
    /// Which database.
    #[command(flatten)]
    pub database: Database,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// From now on.
    On,
    /// No more.
    Off,
}

/// How records of processing are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RecordsFormat {
    /// One document.
    Json,
    /// A table.
    Csv,
}

/// What to do about somebody's rights.
#[derive(Clone, Debug, Subcommand)]
pub enum PrivacyAction {
    /// What one traveller agreed to and asked, and how far it is.
    Show {
        /// Whose.
        #[command(flatten)]
        subject: Subject,
    },
    /// Ask for a copy (Art. 15 and 20 GDPR); a worker of the region makes it. With --out, wait for
    /// it and write the ZIP.
    Export {
        /// Whose.
        #[command(flatten)]
        subject: Subject,
        /// File for the ZIP; not there yet.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Forget somebody (Art. 17); without --yes, only show what would go and what a law keeps.
    Erase {
        /// Whom.
        #[command(flatten)]
        subject: Subject,
        /// Really do it; the token of the receipt is printed this once.
        #[arg(long)]
        yes: bool,
    },
    /// Only keep somebody's data (Art. 18), or take that back.
    Restrict {
        /// Whose.
        #[command(flatten)]
        subject: Subject,
        /// on or off.
        #[arg(long, value_enum, default_value_t = Switch::On)]
        switch: Switch,
    },
    /// Make no suggestions from somebody's trips (Art. 21), or take that back.
    Object {
        /// Whose.
        #[command(flatten)]
        subject: Subject,
        /// on or off.
        #[arg(long, value_enum, default_value_t = Switch::On)]
        switch: Switch,
    },
    /// Records of processing, Art. 30(1) GDPR.
    Records {
        /// How they are written.
        #[arg(long, value_enum, default_value_t = RecordsFormat::Json)]
        format: RecordsFormat,
        /// Another data map than the built-in one.
        #[arg(long)]
        map: Option<PathBuf>,
    },
    /// The data map as a dataset of Fides; JSON, which is YAML.
    Fides {
        /// Another data map than the built-in one.
        #[arg(long)]
        map: Option<PathBuf>,
    },
    /// Check a data map. Exit code 0 sound, 2 it has faults, which are listed.
    Map {
        /// The file.
        check: PathBuf,
    },
    /// What the sweeper deletes, and how old the oldest row of each table is. Exit code 2 when
    /// something is overdue by more than a day.
    Retention {
        /// Which database.
        #[command(flatten)]
        database: Database,
        /// Answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Wrap every data key of a region anew under its present key. May be ended and begun again.
    Rewrap {
        /// The region.
        #[arg(long, env = "MERIDIAN_REGION")]
        region: String,
        /// Directory with the region's keys, the old ones, too.
        #[arg(long, env = "MERIDIAN_KEYS")]
        keys: PathBuf,
        /// Which database.
        #[command(flatten)]
        database: Database,
    },
    /// Forget again whom a restored backup brought back; before any node opens it.
    Reapply {
        /// Directory of the journals of erasures.
        #[arg(long, env = "MERIDIAN_ERASURES")]
        erasures: PathBuf,
        /// Directory with directory.key.
        #[arg(long, env = "MERIDIAN_KEYS")]
        keys: PathBuf,
        /// Which database.
        #[command(flatten)]
        database: Database,
    },
}
