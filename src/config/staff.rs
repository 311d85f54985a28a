//! `meridian staff …`: who of the house may look at what.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::Database;
use crate::domain::staff::Role;

/// People of the house.
#[derive(Clone, Debug, Args)]
pub struct Staff {
    /// What to do.
    #[command(subcommand)]
    pub action: StaffAction,
}

/// Where a grant counts.
#[derive(Clone, Debug, Args)]
pub struct StaffPlace {
    /// Region that it is about.
    #[arg(long, env = "MERIDIAN_REGION")]
    pub region: String,
    /// Directory with evidence-REGION.key.
    #[arg(long, env = "MERIDIAN_KEYS")]
    pub keys: PathBuf,
    /// Which database.
    #[command(flatten)]
    pub database: Database,
}

/// What to do about people of the house.
#[derive(Clone, Debug, Subcommand)]
pub enum StaffAction {
    /// Let somebody look; their token is printed this once.
    Grant {
        /// compliance or operations.
        role: Role,
        /// Their duty, without a name.
        #[arg(long)]
        label: String,
        /// Days until it ends.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
        /// Where.
        #[command(flatten)]
        place: StaffPlace,
    },
    /// List who may look.
    List {
        /// Where.
        #[command(flatten)]
        place: StaffPlace,
    },
    /// Take a grant away.
    Revoke {
        /// Its id, as `list` shows it.
        id: Uuid,
        /// Where.
        #[command(flatten)]
        place: StaffPlace,
    },
}
