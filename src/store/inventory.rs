//! Seats of a flight on a day. The database itself refuses to oversell.

use jiff::civil::Date;
use meridian_regions::RegionId;

use super::{Error, Reader, Tx, sql};
use crate::domain::ids::OrderId;
use crate::domain::itinerary::Cabin;
use crate::domain::order::Seats;

/// The seats that an order wants on one flight.
#[derive(Clone, Debug)]
pub struct SeatWish {
    /// The region that keeps the flight's seats.
    pub region: RegionId,
    /// Flight designator.
    pub flight: String,
    /// Local day of departure.
    pub departs_on: Date,
    /// Seats of the cabin, should nobody have touched the flight yet.
    pub capacity: i64,
}

impl Tx {
    /// Holds seats on all flights; `false` when one of them has too few, and then nothing may stay.
    pub async fn seats_hold(
        &self,
        wishes: &[SeatWish],
        cabin: Cabin,
        seats: i64,
    ) -> Result<bool, Error> {
        let regions: Vec<&str> = wishes.iter().map(|wish| wish.region.locality.as_str()).collect();
        let flights: Vec<&str> = wishes.iter().map(|wish| wish.flight.as_str()).collect();
        let days: Vec<Date> = wishes.iter().map(|wish| wish.departs_on).collect();
        let capacities: Vec<i64> = wishes.iter().map(|wish| wish.capacity).collect();
        let held = self
            .all(
                &sql::inventory::seats_hold,
                &[&regions, &flights, &days, &capacities, &cabin.name(), &seats],
            )
            .await?;
        Ok(held.len() == wishes.len())
    }

    /// Does to an order's seats what a transition says.
    pub async fn seats_settle(&self, order: OrderId, seats: Seats) -> Result<(), Error> {
        let query = match seats {
            Seats::Keep => return Ok(()),
            Seats::Sell => &sql::inventory::seats_sell,
            Seats::Release => &sql::inventory::seats_release,
        };
        self.run(query, &[&order.home().locality, &order.uuid()]).await?;
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
        let regions: Vec<&str> = wishes.iter().map(|wish| wish.region.locality.as_str()).collect();
        let flights: Vec<&str> = wishes.iter().map(|wish| wish.flight.as_str()).collect();
        let days: Vec<Date> = wishes.iter().map(|wish| wish.departs_on).collect();
        let rows = self
            .all(&sql::inventory::seats_left, &[&regions, &flights, &days, &cabin.name()])
            .await?;
        Ok(rows
            .iter()
            .map(|row| (row.get("flight"), row.get("departs_on"), row.get("seats")))
            .collect())
    }
}
