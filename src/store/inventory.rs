//! Seats of a flight on a day. The database itself refuses to oversell.
//!
//! Which region keeps the seats of which country is a table that every statement reads, not what a
//! node believes: so seats can move while they are being sold.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::civil::Date;
use meridian_regions::{Country, RegionId};

use super::read::parse;
use super::tx::Words;
use super::{Error, Reader, Store, Tx, sql};
use crate::clock::Deadline;
use crate::domain::ids::OrderId;
use crate::domain::itinerary::{Cabin, Flight};
use crate::domain::order::Seats;

/// The seats that an order wants on one flight.
#[derive(Clone, Debug)]
pub struct SeatWish {
    /// Country of departure, whose keeper keeps the seats.
    pub departs_from: Country,
    /// Flight designator.
    pub flight: String,
    /// Local day of departure.
    pub departs_on: Date,
    /// Seats of the cabin, should nobody have touched the flight yet.
    pub capacity: i64,
}

/// By how much a flight may be oversold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(u8);

impl Percent {
    /// More than this is refused here and by the database.
    pub const MAX: u8 = 5;

    fn get(self) -> i64 {
        self.0.into()
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent = text.parse().ok().filter(|percent| *percent <= Self::MAX);
        percent.map(Self).ok_or_else(|| format!("0 to {}", Self::MAX))
    }
}

impl Tx {
    /// Holds seats on all flights; `false` when one of them has too few, and then nothing may stay.
    pub async fn seats_hold(
        &self,
        wishes: &[SeatWish],
        cabin: Cabin,
        seats: i64,
    ) -> Result<bool, Error> {
        let countries: Vec<&str> = wishes.iter().map(|wish| wish.departs_from.code()).collect();
        let flights: Vec<&str> = wishes.iter().map(|wish| wish.flight.as_str()).collect();
        let days: Vec<Date> = wishes.iter().map(|wish| wish.departs_on).collect();
        let capacities: Vec<i64> = wishes.iter().map(|wish| wish.capacity).collect();
        let held = self
            .all(
                &sql::inventory::seats_hold,
                &[&countries, &flights, &days, &capacities, &cabin.name(), &seats],
            )
            .await?;
        Ok(held.len() == wishes.len())
    }

    /// Notes further seats of an order that are held beside those it has.
    pub async fn seats_add(
        &self,
        order: OrderId,
        wishes: &[SeatWish],
        cabin: Cabin,
        seats: i64,
    ) -> Result<(), Error> {
        let places: Vec<i64> = (1..).take(wishes.len()).collect();
        let countries: Vec<&str> = wishes.iter().map(|wish| wish.departs_from.code()).collect();
        let flights: Vec<&str> = wishes.iter().map(|wish| wish.flight.as_str()).collect();
        let days: Vec<Date> = wishes.iter().map(|wish| wish.departs_on).collect();
        let (home, id) = (&order.home().locality, order.uuid());
        let words: &super::read::Params<'_> =
            &[home, &id, &places, &countries, &flights, &days, &cabin.name(), &seats];
        self.run(&sql::inventory::seats_add, words).await.map(drop)
    }

    /// Does to an order's seats what a transition says.
    pub async fn seats_settle(&self, order: OrderId, seats: Seats) -> Result<(), Error> {
        let (freed, sells): (&[&str], bool) = match seats {
            Seats::Keep => (&[], false),
            Seats::Sell => (&[], true),
            Seats::Release => (&["held", "sold"], false),
            Seats::ReleaseHeld => (&["held"], false),
            // The old ones first: what is sold afterwards stays.
            Seats::Swap => (&["sold"], true),
        };
        let (home, id) = (&order.home().locality, order.uuid());
        if !freed.is_empty() {
            self.run(&sql::inventory::seats_release, &[home, &id, &freed]).await?;
        }
        if sells {
            self.run(&sql::inventory::seats_sell, &[home, &id]).await?;
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// Seats left on the touched ones among some flights: (flight, day, seats).
    pub async fn seats_left(
        &self,
        wishes: &[SeatWish],
        cabin: Cabin,
    ) -> Result<Vec<(String, Date, i64)>, Error> {
        let countries: Vec<&str> = wishes.iter().map(|wish| wish.departs_from.code()).collect();
        let flights: Vec<&str> = wishes.iter().map(|wish| wish.flight.as_str()).collect();
        let days: Vec<Date> = wishes.iter().map(|wish| wish.departs_on).collect();
        let rows = self
            .all(&sql::inventory::seats_left, &[&countries, &flights, &days, &cabin.name()])
            .await?;
        Ok(rows
            .iter()
            .map(|row| (row.get("flight"), row.get("departs_on"), row.get("seats")))
            .collect())
    }
}

impl Store {
    /// Says who keeps the seats of which country, where nobody has said so yet.
    pub async fn keepers_claim(
        &self,
        deadline: Deadline,
        keepers: &BTreeMap<Country, RegionId>,
    ) -> Result<(), Error> {
        let (countries, regions): (Vec<String>, Vec<String>) = keepers
            .iter()
            .map(|(country, region)| (country.code().to_owned(), region.locality.clone()))
            .unzip();
        let words: Words = vec![Box::new(countries), Box::new(regions)];
        self.write(deadline, &sql::inventory::keepers_claim, words).await.map(drop)
    }

    /// Lets a flight sell so many percent more than it has, on every day; how many cabins of how
    /// many days were touched before. What is sold beyond a lower limit stays sold.
    pub async fn oversell(
        &self,
        deadline: Deadline,
        flight: Flight,
        percent: Percent,
    ) -> Result<u64, Error> {
        let flight = flight.to_string();
        self.transact("oversell", deadline, |tx| {
            let flight = flight.clone();
            async move {
                let words: &super::read::Params<'_> = &[&flight, &percent.get()];
                tx.run(&sql::inventory::oversell_set, words).await?;
                tx.run(&sql::inventory::oversell_apply, words).await
            }
        })
        .await
    }

    /// The flights that may sell more than they have, and by how many percent.
    pub async fn oversell_limits(&self) -> Result<BTreeMap<String, i64>, Error> {
        let rows = self.fresh().all(&sql::inventory::oversell_limits, &[]).await?;
        Ok(rows.iter().map(|row| (row.get("flight"), row.get("percent"))).collect())
    }

    /// Who keeps the seats of which country, as the database calls the region.
    pub async fn keepers(&self) -> Result<BTreeMap<Country, String>, Error> {
        let rows = self.fresh().all(&sql::inventory::keepers, &[]).await?;
        let keeper =
            |row: &tokio_postgres::Row| Ok((parse(row.get("country"))?, row.get("region")));
        rows.iter().map(keeper).collect()
    }

    /// Gives the seats of a country's flights to another keeper, in one transaction with who is
    /// asked for them; how many flights' cabins.
    pub async fn seats_rehome(
        &self,
        deadline: Deadline,
        country: Country,
        from: RegionId,
        to: RegionId,
    ) -> Result<u64, Error> {
        self.transact("seats_rehome", deadline, |tx| async move {
            let words: &super::read::Params<'_> = &[&country.code(), &from.locality, &to.locality];
            tx.run(&sql::inventory::keeper_move, words).await?;
            tx.run(&sql::inventory::seats_rehome, words).await
        })
        .await
    }
}
