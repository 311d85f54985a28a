//! The one list of regions.
//!
//! A region is a JSON file beside this crate; `policy/` says which law binds whom and which
//! countries nobody may home. This crate parses those files, refuses a set that breaks a rule with
//! a message that says what to do, and answers the two questions the rest of the product asks:
//! *where is a resident of this country at home*, and *which region does this tag mean*.
//!
//! It knows nothing of DNS packets, SQL or HTTP.

mod change;
mod file;
mod place;
mod registry;
mod rules;

pub use file::{
    Capacity, Contacts, Dns, Endpoints, Forwarding, Host, Jurisdiction, Network, RegionFile, State,
    Steering,
};
pub use place::{Continent, Coordinates, Country};
pub use registry::{Home, RegionId, Registry};
pub use rules::{Broken, Rule};
