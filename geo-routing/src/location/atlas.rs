//! What an address database says, in one shape whatever file it came from: ranges of addresses and
//! the places they lie in. It decides nothing.

use meridian_regions::{Continent, Coordinates, Country};
use serde::Serialize;

/// The place of addresses that nobody can place.
pub(crate) const NOWHERE: u32 = 0;

/// Gapless sorted ranges of both families, and the places they lie in.
pub(crate) struct Atlas {
    /// Day the data was made, `yyyymmdd`.
    pub(crate) build_date: u32,
    /// Distinct places; number 0 is [`NOWHERE`].
    pub(crate) places: Vec<Whereabouts>,
    pub(crate) v4: Ranges<u32>,
    pub(crate) v6: Ranges<u128>,
}

/// What is known of where a question comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Whereabouts {
    /// The country, when it is known.
    pub country: Option<Country>,
    /// Its continent.
    pub continent: Option<Continent>,
    /// The place, or else the population-weighted centre of its country, where one is known.
    pub coordinates: Option<Coordinates>,
}

/// Sorted ranges without gaps: each runs to the start of the next, the first starts at 0.
pub(crate) struct Ranges<A> {
    pub(crate) starts: Vec<A>,
    pub(crate) places: Vec<u32>,
}

/// An address of either family as a number.
pub(crate) trait Address: Copy + Ord {
    const MAX: Self;
    const ZERO: Self;
    /// The next address; only asked of one that is not the last.
    fn next(self) -> Self;
}

impl Address for u32 {
    const MAX: Self = Self::MAX;
    const ZERO: Self = 0;
    fn next(self) -> Self {
        self + 1
    }
}

impl Address for u128 {
    const MAX: Self = Self::MAX;
    const ZERO: Self = 0;
    fn next(self) -> Self {
        self + 1
    }
}

impl<A: Address> Ranges<A> {
    /// The place of an address.
    pub(crate) fn at(&self, address: A) -> u32 {
        let row = self.starts.partition_point(|start| *start <= address);
        self.places[row.saturating_sub(1)]
    }

    /// Gives `low..=high` to a place, whatever was there.
    pub(crate) fn carve(&mut self, low: A, high: A, place: u32) {
        let from = self.starts.partition_point(|start| *start < low);
        let to = self.starts.partition_point(|start| *start <= high);
        let after = self.places[to - 1];
        let (mut starts, mut places) = (vec![low], vec![place]);
        if high < A::MAX && self.starts.get(to) != Some(&high.next()) {
            starts.push(high.next());
            places.push(after);
        }
        self.starts.splice(from..to, starts);
        self.places.splice(from..to, places);
    }
}
