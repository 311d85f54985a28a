//! What lies with one region and, by the files, belongs to another: travellers whose country has
//! another home, and seats of countries whose continent another region claims. Counting it, and
//! moving it while the house goes on selling.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use meridian_regions::{Country, Home, RegionId, Registry, State};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::catalogue::Catalogue;
use crate::clock::Deadline;
use crate::store::{Error, Store};
use crate::travellers::moving::{MoveError, Mover};

/// Travellers that are read at once.
const BATCH: i64 = 100;
/// Travellers that move at once; each is a transaction of its own.
const AT_ONCE: usize = 4;
/// Longest that moving the seats of one country may take.
const SEATS_PATIENCE: Duration = Duration::from_secs(60);

/// What a region must give to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// Travellers.
    pub travellers: i64,
    /// Countries whose flights' seats it keeps.
    pub countries: i64,
}

/// How far moving has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Travellers, or flights' cabins, that were moved.
    pub moved: u64,
    /// Travellers that did not move.
    pub failed: u64,
}

/// Where residents of a country go who are at home in a region; nothing when they stay, or when
/// nobody takes them yet.
fn new_home(registry: Registry, from: RegionId, country: Country) -> Option<RegionId> {
    match registry.home_of(country) {
        Home::Region(home) if home != from && takes_people(home) => Some(home),
        Home::Region(_) | Home::Nowhere(_) => None,
    }
}

/// A region that is not there yet must not be given anybody.
fn takes_people(region: RegionId) -> bool {
    matches!(region.state, State::Active | State::Draining)
}

/// What each region must give to others, by its name.
pub async fn leaving(
    store: &Store,
    registry: Registry,
    catalogue: &Catalogue,
) -> Result<BTreeMap<String, Leaving>, Error> {
    let mut found: BTreeMap<String, Leaving> = BTreeMap::new();
    let seats = seats_leaving(store, registry, catalogue).await?;
    for region in registry.with_rows() {
        let residents = store.fresh().residents(region).await?;
        let gone = residents.iter().filter(|(it, _)| new_home(registry, region, *it).is_some());
        let travellers = gone.map(|(_, travellers)| travellers).sum();
        let countries = seats.iter().filter(|(_, keeper, _)| *keeper == region).count();
        let countries = i64::try_from(countries).unwrap_or(i64::MAX);
        if travellers > 0 || countries > 0 {
            found.insert(region.name.clone(), Leaving { travellers, countries });
        }
    }
    Ok(found)
}

/// The countries whose seats one region keeps and another claims: who, and which other.
async fn seats_leaving(
    store: &Store,
    registry: Registry,
    catalogue: &Catalogue,
) -> Result<Vec<(Country, RegionId, RegionId)>, Error> {
    let claimed = catalogue.keepers(registry);
    let leaving = |(country, keeper): (Country, String)| {
        let keeper = registry.by_locality(&keeper)?;
        let claimant = claimed.get(&country).copied().filter(|it| *it != keeper)?;
        Some((country, keeper, claimant))
    };
    Ok(store.keepers().await?.into_iter().filter_map(leaving).collect())
}

/// Moves everybody whom the files give to another region, a few at a time; `tell` hears after each
/// batch. Cut off, it goes on where it was: who has moved is not found any more.
pub async fn move_homes(
    mover: &Mover,
    registry: Registry,
    from: RegionId,
    reason: &str,
    mut tell: impl FnMut(Tally),
) -> Result<Tally, MoveError> {
    let leave = |country: &Country| new_home(registry, from, *country).is_some();
    let countries: Vec<Country> = Country::all().filter(leave).collect();
    let reason: Arc<str> = reason.into();
    let (mut tally, mut after) = (Tally::default(), Uuid::nil());
    loop {
        let reader = mover.store.fresh();
        let batch = reader.residents_of(from, &countries, after, BATCH).await?;
        let Some((last, _)) = batch.last() else { return Ok(tally) };
        after = last.uuid();
        let mut moves = JoinSet::new();
        for (traveller, country) in batch {
            let to = new_home(registry, from, country).expect("it was asked for as one to move");
            while moves.len() >= AT_ONCE {
                count(moves.join_next().await, &mut tally)?;
            }
            let (mover, reason) = (mover.clone(), Arc::clone(&reason));
            moves.spawn(async move { mover.move_home(traveller, to, &reason).await });
        }
        while let Some(moved) = moves.join_next().await {
            count(Some(moved), &mut tally)?;
        }
        tell(tally);
    }
}

type Joined =
    Result<Result<Option<crate::store::moving::Moved>, MoveError>, tokio::task::JoinError>;

/// One traveller whose seal does not open must not keep the others; a missing key or a database
/// that is away ends it for all.
fn count(moved: Option<Joined>, tally: &mut Tally) -> Result<(), MoveError> {
    match moved.map(|joined| joined.expect("a move does not panic")) {
        Some(Ok(Some(_))) => tally.moved += 1,
        Some(Ok(None)) | None => {}
        Some(Err(MoveError::Sealed(_))) => tally.failed += 1,
        Some(Err(error)) => return Err(error),
    }
    Ok(())
}

/// Gives the seats of every country that another region claims to that region, country by country.
pub async fn move_seats(
    store: &Store,
    registry: Registry,
    catalogue: &Catalogue,
    from: RegionId,
    mut tell: impl FnMut(Tally),
) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    let leaving = seats_leaving(store, registry, catalogue).await?;
    for (country, _, to) in leaving.into_iter().filter(|(_, keeper, _)| *keeper == from) {
        let deadline = Deadline::after(SEATS_PATIENCE);
        tally.moved += store.seats_rehome(deadline, country, from, to).await?;
        tell(tally);
    }
    Ok(tally)
}
