//! Prices: synthetic, calibrated, and the same on every node.
//!
//! No real fare feed can be had, so a price is made from the distance (log-log fit of 4,596 real
//! route-years, R² 0.38), the cabin, how early one books, how full the flight is thought to be, the
//! weekday, the season and the carrier's manners. The multipliers beside the fit are assumptions.
//! Arithmetic goes through `libm` alone, so that two machines cannot disagree about the last bit.

use jiff::civil::Date;

use crate::catalogue::Catalogue;
use crate::catalogue::schedule::{Pattern, mix};
use crate::domain::itinerary::Cabin;
use crate::domain::money::{Currency, Money};

/// Intercept of ln(fare in USD of 2000) over ln(miles).
const FIT_INTERCEPT: f64 = 1.871;
/// Slope over ln(miles).
const FIT_LN_MILES: f64 = 0.453;
/// Slope over the top carrier's share of the route.
const FIT_SHARE: f64 = 0.317;
/// The share that is assumed where nobody counts.
const SHARE: f64 = 0.6;
/// Prices of 2000 to prices of today.
const INFLATION: f64 = 1.8;
/// USD of today to EUR.
const EUR_PER_USD: f64 = 0.88;
/// Each cabin against economy, in the order of [`Cabin::ALL`].
const CABINS: [f64; 4] = [1.0, 1.6, 3.5, 6.0];
/// Days before departure and the factor from there on.
const ADVANCE: [(i32, f64); 7] =
    [(3, 2.2), (7, 1.7), (14, 1.35), (21, 1.15), (45, 1.0), (60, 0.95), (i32::MAX, 1.05)];
/// Monday to Sunday.
const WEEKDAYS: [f64; 7] = [1.02, 0.94, 0.94, 1.0, 1.12, 1.0, 1.1];
/// January to December.
const MONTHS: [f64; 12] = [0.92, 0.92, 0.97, 1.02, 1.02, 1.1, 1.2, 1.2, 1.0, 0.98, 0.93, 1.12];

/// The price of one seat in euro cents, as of a day.
#[expect(clippy::cast_possible_truncation, reason = "a fare is far below the largest integer")]
pub fn seat_cents(pattern: &Pattern, cabin: Cabin, on: Date, as_of: Date, seed: u64) -> i64 {
    let base = libm::exp(
        FIT_INTERCEPT
            + FIT_LN_MILES * libm::log(f64::from(pattern.miles.max(50)))
            + FIT_SHARE * SHARE,
    );
    let days_left = (on - as_of).get_days();
    let advance = ADVANCE.iter().find(|(days, _)| days_left <= *days).map_or(1.0, |(_, f)| *f);
    let load = fraction(pattern, on, seed, 1);
    let load_factor = 0.5 + 0.5 * load;
    let carrier = 1.0 + 0.24 * (fraction_of(mix(u64::from(pattern.carrier) ^ seed)) - 0.5);
    let weekday = WEEKDAYS[usize::try_from(on.weekday().to_monday_zero_offset()).unwrap_or(0)];
    let month = MONTHS[usize::try_from(on.month() - 1).unwrap_or(0)];
    let usd = base
        * INFLATION
        * CABINS[cabin as usize]
        * advance
        * libm::exp(1.2 * (load_factor - 0.7))
        * weekday
        * month
        * carrier;
    libm::round(usd * EUR_PER_USD * 100.0) as i64
}

/// Euro cents in another currency at the catalogue's rate, rounded half to even, once, at the end;
/// `None` when nobody quotes the currency.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "fares fit in 2^53"
)]
pub fn convert(catalogue: &Catalogue, cents: i64, currency: Currency) -> Option<Money> {
    let rate = catalogue.per_euro(currency)?;
    let minor = libm::rint(cents as f64 / 100.0 * rate * currency.minor_per_major());
    Some(Money { amount_minor: minor as i64, currency })
}

fn fraction(pattern: &Pattern, on: Date, seed: u64, salt: u64) -> f64 {
    let day = (on - Date::constant(1970, 1, 1)).get_days().unsigned_abs();
    let flight = u64::from(pattern.carrier) << 16 | u64::from(pattern.number);
    fraction_of(mix(mix(mix(seed ^ flight) ^ u64::from(day)) ^ salt))
}

#[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
fn fraction_of(dice: u64) -> f64 {
    (dice >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Profile, Schedule};

    #[test]
    fn prices_follow_distance_cabin_and_haste() {
        let catalogue = Catalogue::load().expect("the build's data");
        let schedule = Schedule::generate(&catalogue, Profile::Tiny, 1);
        let on = Date::constant(2027, 3, 10);
        let price = |p: &Pattern, cabin, as_of| seat_cents(p, cabin, on, as_of, 1);
        let early = Date::constant(2027, 1, 20);
        let average = |low: u16, high: u16| {
            let some: Vec<i64> = schedule
                .patterns
                .iter()
                .filter(|p| (low..high).contains(&p.miles))
                .map(|p| price(p, Cabin::Economy, early))
                .collect();
            some.iter().sum::<i64>() / i64::try_from(some.len().max(1)).expect("few")
        };
        let (near, far) = (average(0, 500), average(3000, 9999));
        assert!((3_000..30_000).contains(&near), "{near}");
        assert!(far > 2 * near, "{near} {far}");
        let pattern = &schedule.patterns[0];
        assert!(price(pattern, Cabin::First, early) > 5 * price(pattern, Cabin::Economy, early));
        let late = Date::constant(2027, 3, 9);
        assert!(price(pattern, Cabin::Economy, late) > 2 * price(pattern, Cabin::Economy, early));
    }

    #[test]
    fn money_is_rounded_once_and_never_invented() {
        let catalogue = Catalogue::load().expect("the build's data");
        let yen = convert(&catalogue, 10_000, "JPY".parse().expect("yen")).expect("quoted");
        assert!((10_000..30_000).contains(&yen.amount_minor), "{yen}");
        assert_eq!(convert(&catalogue, 10_000, "RUB".parse().expect("a currency")), None);
    }
}
