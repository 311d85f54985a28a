//! `meridian audit …`: where personal data is, and the proof of it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Database;

/// An audit.
#[derive(Clone, Debug, Args)]
pub struct Audit {
    /// What to do.
    #[command(subcommand)]
    pub what: AuditWhat,
}

/// What to audit.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditWhat {
    /// Where every row is. Exit code 0 clean, 2 something is misplaced, 1 could not tell.
    Locality {
        /// Which database.
        #[command(flatten)]
        database: Database,
        /// Report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write what is seen as a signed bundle. Exit code 0 clean, 2 a control is violated (the
    /// bundle is written all the same), 1 could not tell.
    Run(AuditRun),
    /// Check a bundle, offline. Exit code 0 sound, 2 tampered with or a control in it is violated,
    /// 1 it is no bundle.
    Verify {
        /// The bundle: a directory or a ZIP.
        bundle: PathBuf,
        /// Public key of whoever signs, a line of 64 hexadecimal digits; several may be given.
        #[arg(long = "key", required = true)]
        keys: Vec<PathBuf>,
        /// Answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show where one traveller's rows are, and how their home moved; never what is in them.
    Traveller {
        /// The traveller's id, such as trv_euc1_….
        id: String,
        /// Which database.
        #[command(flatten)]
        database: Database,
        /// Answer as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What is written where.
#[derive(Clone, Debug, Args)]
pub struct AuditRun {
    /// Directory for the bundle; not there yet, or empty.
    #[arg(long)]
    pub out: PathBuf,
    /// Pack the bundle into this ZIP, too.
    #[arg(long)]
    pub zip: Option<PathBuf>,
    /// Which database.
    #[command(flatten)]
    pub database: Database,
    /// Directory with evidence-REGION.key.
    #[arg(long, env = "MERIDIAN_KEYS")]
    pub keys: PathBuf,
    /// Region whose key signs the bundle.
    #[arg(long)]
    pub signed_by: String,
    /// Days back that changes and transfers are told of.
    #[arg(long, default_value_t = 30)]
    pub window_days: u32,
    /// Travellers of each region whose rows are looked at one by one.
    #[arg(long, default_value_t = 20)]
    pub samples: u32,
    /// What the last canary run printed: its one line of JSON.
    #[arg(long)]
    pub canary: Option<PathBuf>,
}
