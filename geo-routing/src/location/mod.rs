//! Where an address is: the embedded country table, or a database file that is brought along.
//!
//! It knows places and decides nothing; which region a place is sent to is the policy's business.

/// What every database is turned into.
mod atlas;

/// The country table this build carries.
mod embedded;

/// A database file that is brought along.
mod database;

/// The flat table that questions are answered from.
mod prefixes;

/// A network as people write it.
mod subnet;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use meridian_regions::Country;

pub(crate) use atlas::Atlas;
pub use atlas::Whereabouts;
pub use database::DatabaseError;
pub use embedded::TableError;
pub(crate) use prefixes::{CLASSES_MAX, Found, PrefixTable, TooManyClasses, UNPLACED, carried};
pub use subnet::{Subnet, SubnetError};

/// Days after which a table is called old: address blocks change hands by the week.
const AGE_MAX_DAYS: i32 = 90;

/// Address to place, and country to place. About 8 MB for the embedded table.
pub struct Geography {
    atlas: Atlas,
    centres: embedded::Centres,
    /// The last flat table that was made, and the classes it was made for.
    prefixes: Mutex<Option<(Vec<u16>, Arc<PrefixTable>)>>,
}

impl Geography {
    /// The table this build was made with, read once.
    pub fn embedded() -> Arc<Self> {
        static EMBEDDED: LazyLock<Arc<Geography>> =
            LazyLock::new(|| Arc::new(Geography::of(embedded::atlas())));
        Arc::clone(&EMBEDDED)
    }

    /// An unpacked country table (`MIPC1`, see data/build.py).
    pub fn from_country_table(bytes: &[u8]) -> Result<Self, TableError> {
        embedded::parse(bytes).map(Self::of)
    }

    /// A database file in MaxMind's format, of cities or countries.
    pub fn from_database(path: &Path) -> Result<Self, DatabaseError> {
        database::read(path).map(Self::of)
    }

    fn of(atlas: Atlas) -> Self {
        Self { atlas, centres: embedded::centres(), prefixes: Mutex::default() }
    }

    /// Where an address is; IPv6 addresses that carry an IPv4 address are looked up as that.
    pub fn locate(&self, address: IpAddr) -> Whereabouts {
        let place = match address {
            IpAddr::V4(v4) => self.atlas.v4.at(u32::from(v4)),
            IpAddr::V6(v6) => match carried(u128::from(v6)) {
                Some((v4, _)) => self.atlas.v4.at(v4),
                None => self.atlas.v6.at(u128::from(v6)),
            },
        };
        self.atlas.places[place as usize]
    }

    /// The centre of a country.
    pub fn centre(&self, country: Country) -> Whereabouts {
        let unknown = Whereabouts { country: Some(country), ..Whereabouts::default() };
        self.centres.get(&country).copied().unwrap_or(unknown)
    }

    /// The day the table was built, as `yyyymmdd`.
    pub fn build_date(&self) -> u32 {
        self.atlas.build_date
    }

    pub(crate) fn atlas(&self) -> &Atlas {
        &self.atlas
    }

    /// The flat table for places of these classes. New records need no new table, and health does
    /// not either.
    pub(crate) fn prefixes(&self, classes: &[u16]) -> Arc<PrefixTable> {
        let mut last = self.prefixes.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, table)) if known == classes => Arc::clone(table),
            _ => {
                let table = Arc::new(PrefixTable::build(&self.atlas, classes));
                *last = Some((classes.to_vec(), Arc::clone(&table)));
                table
            }
        }
    }

    /// Days since the data was made.
    pub(crate) fn age_days(&self, now: SystemTime) -> i32 {
        let today = Timestamp::try_from(now).map(|now| now.to_zoned(TimeZone::UTC).date());
        let (Ok(today), Some(built)) = (today, date(self.build_date())) else { return 0 };
        today.since(built).map_or(0, |span| span.get_days())
    }

    /// Says so when the table is older than 90 days.
    pub(crate) fn warn_if_old(&self, now: SystemTime) {
        let age_days = self.age_days(now);
        if age_days > AGE_MAX_DAYS {
            tracing::warn!(
                build_date = self.build_date(),
                age_days,
                "the address table is old; rebuild it with data/build.py or give a newer --geo-db"
            );
        }
    }
}

/// The day of `yyyymmdd`.
fn date(build_date: u32) -> Option<Date> {
    let year = i16::try_from(build_date / 10_000).ok()?;
    let month = i8::try_from(build_date / 100 % 100).ok()?;
    let day = i8::try_from(build_date % 100).ok()?;
    Date::new(year, month, day).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_data_is_counted_in_days() {
        let geography = Geography::from_country_table(&embedded::tests::tiny()).unwrap();
        let days = |text: &str| geography.age_days(text.parse::<Timestamp>().unwrap().into());
        assert_eq!(days("2026-06-01T23:00:00Z"), 0);
        assert_eq!(days("2026-09-01T00:00:00Z"), 92);
        assert_eq!(days("2027-06-01T00:00:00Z"), 365);
    }

    #[test]
    fn special_addresses_are_nowhere_and_carried_ones_are_where_their_ipv4_is() {
        let geography = Geography::from_country_table(&embedded::tests::tiny()).unwrap();
        let country = |text: &str| {
            let found = geography.locate(text.parse().unwrap()).country;
            found.map_or("-".to_owned(), |country| country.to_string())
        };
        for (address, expected) in [
            ("1.2.3.4", "DE"),
            ("3.0.0.1", "FR"),
            ("10.0.0.1", "-"),
            ("::ffff:1.2.3.4", "DE"),
            ("64:ff9b::3.2.3.4", "FR"),
            ("2002:102:304::1", "DE"),
            ("2a00::1", "DE"),
            ("2a10::1", "-"),
        ] {
            assert_eq!(country(address), expected, "{address}");
        }
    }
}
