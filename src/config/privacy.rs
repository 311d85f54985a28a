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
