//! `meridian seats …`: what an airline allows us to sell.

use clap::{Args, Subcommand};

use super::Database;
use crate::domain::itinerary::Flight;
use crate::store::inventory::Percent;

/// Seats.
#[derive(Clone, Debug, Args)]
pub struct Seats {
    /// What to do.
    #[command(subcommand)]
    pub action: SeatsAction,
}

/// What to do about seats.
#[derive(Clone, Debug, Subcommand)]
pub enum SeatsAction {
    /// Let a flight sell some percent more seats than it has, on every day; 0 ends it. What is sold
    /// beyond a lower limit stays sold.
    Oversell {
        /// Flight designator, such as N2417.
        flight: Flight,
        /// 0 to 5.
        percent: Percent,
        /// Which database.
        #[command(flatten)]
        database: Database,
    },
    /// List the flights that may be oversold.
    Limits {
        /// Which database.
        #[command(flatten)]
        database: Database,
    },
}
