//! What the head of a request declares of its home, held against itself: whoever says two homes is
//! asked to say one, before anything is read or passed on.

use http::HeaderMap;
use meridian_regions::{RegionId, Registry};

use super::access::{Access, MERIDIAN_HOME, RESIDENCE_COUNTRY};
use super::auth;
use super::problem::{Code, Problem};
use crate::domain::ids::claimed_home;

/// The headers that tell a home.
const DECLARATIONS: [(&str, &str); 3] = [
    (RESIDENCE_COUNTRY, "Residence-Country"),
    (MERIDIAN_HOME, "Meridian-Home"),
    ("authorization", "Authorization"),
];

/// Each declaration stands there once, and is no list.
pub(super) fn once(headers: &HeaderMap) -> Result<(), Problem> {
    for (name, written) in DECLARATIONS {
        let mut values = headers.get_all(name).iter();
        let list = values.next().is_some_and(|value| value.as_bytes().contains(&b','));
        if list || values.next().is_some() {
            return Err(contradiction(&format!("{written} says more than one thing")));
        }
    }
    Ok(())
}

/// The home that is declared beside what decides.
pub(super) fn beside(
    registry: &Registry,
    access: Access,
    headers: &HeaderMap,
) -> Result<Option<RegionId>, Problem> {
    if access == Access::HomeNamed {
        // A page sends the cookie of its last session along when somebody logs in again; only a
        // bearer is meant.
        let bearer = auth::token(headers).filter(|token| !token.by_browser);
        return Ok(bearer.and_then(|token| claimed_home(registry, &token.text)));
    }
    let Some(value) = headers.get(MERIDIAN_HOME) else { return Ok(None) };
    let home = value.to_str().ok().and_then(|name| registry.by_name(name));
    home.map(Some).ok_or_else(|| contradiction("Meridian-Home names no region"))
}

/// What is told to whoever says two homes.
pub(super) fn contradiction(what: &str) -> Problem {
    let detail = format!(
        "{what}; say one home, once. The body was not read; GET /v1/residence tells the home"
    );
    Problem::new(Code::DeclarationsContradict, detail)
}
