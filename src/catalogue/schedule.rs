//! A weekly schedule, generated: which fictional carrier flies which real route, when, with how
//! many seats. The same profile and seed give the same schedule on every machine, so that nodes
//! need not send it to each other; its fingerprint proves that they have the same one.
//!
//! Calibration: departures over the day, seats by distance and block times follow the measured
//! figures of a year of real flights (nycflights13); how often a route is flown follows a gravity
//! model over route degree and population, scaled to about 100,000 flights a day for the world.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::carriers::CARRIERS;
use super::{AirportIndex, Catalogue};
use crate::domain::itinerary::{Cabin, Flight};

/// Flights a day of the whole world.
const WORLD_FLIGHTS_PER_DAY: f64 = 100_000.0;
/// Most flights a day on one route.
const PER_DAY_MAX: f64 = 31.0;
/// Share of the day's departures in each hour from 06 to 22, in tenths of a percent.
const HOUR_SHARES: [u32; 17] = [77, 68, 81, 60, 50, 48, 54, 59, 64, 71, 68, 73, 65, 64, 50, 32, 10];
/// The highest flight number.
const NUMBER_MAX: u16 = 9999;
/// Most carriers that share a route.
const CARRIERS_PER_ROUTE: u64 = 3;

/// How much of the world is flown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// 30 airports, for tests.
    Tiny,
    /// 250 airports, for a demo.
    Demo,
    /// All airports.
    World,
}

impl Profile {
    fn airports(self) -> usize {
        match self {
            Self::Tiny => 30,
            Self::Demo => 250,
            Self::World => usize::MAX,
        }
    }

    /// The name on the command line and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Demo => "demo",
            Self::World => "world",
        }
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Tiny, Self::Demo, Self::World]
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| "not a profile: tiny, demo, world".to_owned())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A flight that is flown on the same days of every week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Index into [`CARRIERS`].
    pub carrier: u8,
    /// Flight number.
    pub number: u16,
    /// Departure airport.
    pub from: AirportIndex,
    /// Arrival airport.
    pub to: AirportIndex,
    /// Bit 0 is Monday.
    pub days: u8,
    /// Departure, minutes after local midnight.
    pub departs_minute: u16,
    /// From gate to gate.
    pub block_minutes: u16,
    /// Great-circle miles.
    pub miles: u16,
    /// Seats of each cabin, in the order of [`Cabin::ALL`].
    pub seats: [u16; 4],
}

impl Pattern {
    /// Carrier and number.
    pub fn flight(&self) -> Flight {
        Flight { carrier: CARRIERS[usize::from(self.carrier)].code, number: self.number }
    }

    /// The carrier's name.
    pub fn carrier_name(&self) -> &'static str {
        CARRIERS[usize::from(self.carrier)].name
    }

    /// Whether it is flown on a local day.
    pub fn flies_on(&self, day: Date) -> bool {
        let bit = day.weekday().to_monday_zero_offset();
        self.days & (1 << bit) != 0
    }

    /// Seats of a cabin.
    pub fn seats_of(&self, cabin: Cabin) -> u16 {
        self.seats[cabin as usize]
    }
}

/// A directed route and where its patterns lie.
#[derive(Clone, Debug)]
pub struct Route {
    /// Departure airport.
    pub from: AirportIndex,
    /// Arrival airport.
    pub to: AirportIndex,
    /// Great-circle miles.
    pub miles: u32,
    /// First pattern.
    pub start: u32,
    /// One beyond the last pattern.
    pub end: u32,
}

/// The whole week.
pub struct Schedule {
    /// How much of the world.
    pub profile: Profile,
    /// The generator's seed.
    pub seed: u64,
    /// All patterns, by route.
    pub patterns: Vec<Pattern>,
    /// All routes, by (from, to).
    pub routes: Vec<Route>,
    /// Where each airport's routes begin in `routes`; one more than there are airports.
    first_route: Vec<u32>,
    /// Hash of the patterns.
    pub fingerprint: u32,
}

impl Schedule {
    /// Generates it.
    pub fn generate(catalogue: &Catalogue, profile: Profile, seed: u64) -> Self {
        let chosen = busiest(catalogue, profile.airports());
        let scale = scale(catalogue);
        let mut numbers = vec![0_u16; CARRIERS.len()];
        let (mut patterns, mut routes) = (Vec::new(), Vec::new());
        for &(from, to, miles) in &catalogue.routes {
            if !(chosen[usize::from(from)] && chosen[usize::from(to)]) {
                continue;
            }
            let start = u32::try_from(patterns.len()).expect("a few hundred thousand patterns");
            let weekly = weekly_flights(scale * gravity(catalogue, from, to, miles));
            let route = RouteMaker { catalogue, seed, from, to, miles };
            route.patterns(weekly, &mut numbers, &mut patterns);
            let end = u32::try_from(patterns.len()).expect("a few hundred thousand patterns");
            routes.push(Route { from, to, miles, start, end });
        }
        let first_route = first_routes(&routes, catalogue.airports.len());
        let fingerprint = fingerprint(&patterns);
        Self { profile, seed, patterns, routes, first_route, fingerprint }
    }

    /// The routes that leave an airport.
    pub fn departing(&self, from: AirportIndex) -> &[Route] {
        let (first, last) = (usize::from(from), usize::from(from) + 1);
        &self.routes[self.first_route[first] as usize..self.first_route[last] as usize]
    }

    /// The route between two airports.
    pub fn route(&self, from: AirportIndex, to: AirportIndex) -> Option<&Route> {
        let departing = self.departing(from);
        departing.binary_search_by_key(&to, |route| route.to).ok().map(|at| &departing[at])
    }

    /// A route's patterns with their indexes.
    pub fn patterns_of(&self, route: &Route) -> impl Iterator<Item = (u32, &Pattern)> {
        (route.start..route.end).map(|index| (index, &self.patterns[index as usize]))
    }
}

fn busiest(catalogue: &Catalogue, most: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..catalogue.airports.len()).collect();
    order.sort_by_key(|&i| {
        (std::cmp::Reverse(catalogue.airports[i].degree), catalogue.airports[i].iata)
    });
    let mut chosen = vec![false; catalogue.airports.len()];
    order.into_iter().take(most).for_each(|i| chosen[i] = true);
    chosen
}

/// Degree alone over-weights European hubs, so population has its say.
fn gravity(catalogue: &Catalogue, from: AirportIndex, to: AirportIndex, miles: u32) -> f64 {
    let pull = |index: AirportIndex| {
        let airport = catalogue.at(index);
        let people = f64::from(airport.population.max(50_000)) / 50_000.0;
        libm::pow(f64::from(airport.degree.max(1)), 0.8) * libm::pow(people, 0.25)
    };
    pull(from) * pull(to) / libm::sqrt(f64::from(miles) + 400.0)
}

fn scale(catalogue: &Catalogue) -> f64 {
    let total: f64 =
        catalogue.routes.iter().map(|&(from, to, miles)| gravity(catalogue, from, to, miles)).sum();
    7.0 * WORLD_FLIGHTS_PER_DAY / total
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=217")]
fn weekly_flights(expected: f64) -> u32 {
    libm::round(expected).clamp(1.0, 7.0 * PER_DAY_MAX) as u32
}

struct RouteMaker<'a> {
    catalogue: &'a Catalogue,
    seed: u64,
    from: AirportIndex,
    to: AirportIndex,
    miles: u32,
}

impl RouteMaker<'_> {
    fn patterns(&self, weekly: u32, numbers: &mut [u16], out: &mut Vec<Pattern>) {
        let daily = weekly / 7;
        for nth in 0..daily {
            out.push(self.pattern(u64::from(nth), 0b0111_1111, numbers));
        }
        let rest = weekly % 7;
        if rest > 0 {
            let days = spread(rest, self.dice(u64::from(daily), 3) % 7);
            out.push(self.pattern(u64::from(daily), days, numbers));
        }
    }

    fn pattern(&self, nth: u64, days: u8, numbers: &mut [u16]) -> Pattern {
        let carrier = self.carrier(nth, numbers);
        numbers[carrier] += 1;
        let miles = u16::try_from(self.miles).unwrap_or(u16::MAX);
        Pattern {
            carrier: u8::try_from(carrier).expect("a few dozen carriers"),
            number: numbers[carrier],
            from: self.from,
            to: self.to,
            days,
            departs_minute: departure(self.dice(nth, 1), self.dice(nth, 2)),
            block_minutes: block_minutes(self.miles),
            miles,
            seats: seats(self.miles),
        }
    }

    /// One of the few carriers of the route: based at either end, with a number left.
    fn carrier(&self, nth: u64, numbers: &[u16]) -> usize {
        let ends = [self.from, self.to]
            .map(|index| self.catalogue.continent(self.catalogue.at(index).country));
        let based: Vec<usize> =
            (0..CARRIERS.len()).filter(|&i| ends.contains(&CARRIERS[i].continent)).collect();
        let pool = if based.is_empty() { (0..CARRIERS.len()).collect() } else { based };
        let first = self.dice(self.dice(nth, 5) % CARRIERS_PER_ROUTE, 4);
        let first = usize::try_from(first % pool.len() as u64).expect("smaller than the pool");
        (0..pool.len())
            .map(|step| pool[(first + step) % pool.len()])
            .chain(0..CARRIERS.len())
            .find(|&carrier| numbers[carrier] < NUMBER_MAX)
            .expect("there are more flight numbers than patterns in the world")
    }

    /// A number that depends on the seed, the route and what it is for, and on nothing else.
    fn dice(&self, nth: u64, salt: u64) -> u64 {
        let from = self.catalogue.at(self.from).iata;
        let to = self.catalogue.at(self.to).iata;
        let code = |code: &str| code.bytes().fold(0_u64, |sum, byte| sum * 256 + u64::from(byte));
        let route = code(from.code()) << 24 | code(to.code());
        mix(mix(mix(self.seed ^ route) ^ nth) ^ salt)
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014).
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// So many days of the week, as far apart as they go.
fn spread(days: u32, first: u64) -> u8 {
    (0..u64::from(days)).fold(0, |mask, i| mask | 1 << ((first + i * 7 / u64::from(days)) % 7))
}

fn departure(hour_dice: u64, minute_dice: u64) -> u16 {
    let total: u32 = HOUR_SHARES.iter().sum();
    let mut left = u32::try_from(hour_dice % u64::from(total)).expect("smaller than the total");
    let mut hour = 6_u16;
    for share in HOUR_SHARES {
        if left < share {
            break;
        }
        left -= share;
        hour += 1;
    }
    hour * 60 + u16::try_from(minute_dice % 12 * 5).expect("below 60")
}

/// Air time 18.5 + 0.1261 minutes a mile, and 25 minutes on the ground.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a day")]
fn block_minutes(miles: u32) -> u16 {
    let minutes = 18.5 + 0.1261 * f64::from(miles) + 25.0;
    (libm::round(minutes / 5.0) * 5.0) as u16
}

fn seats(miles: u32) -> [u16; 4] {
    let total: u16 = match miles {
        0..=300 => 55,
        301..=600 => 80,
        601..=1000 => 142,
        1001..=1500 => 149,
        1501..=2500 => 189,
        _ => 265,
    };
    let [premium, business, first] = match miles {
        0..=600 => [0, 0, 0],
        601..=1500 => [0, total / 12, 0],
        1501..=3000 => [total / 10, total / 10, 0],
        _ => [total / 10, total / 8, total / 40],
    };
    [total - premium - business - first, premium, business, first]
}

fn first_routes(routes: &[Route], airports: usize) -> Vec<u32> {
    let mut first = vec![0_u32; airports + 1];
    for route in routes {
        first[usize::from(route.from) + 1] += 1;
    }
    for index in 1..first.len() {
        first[index] += first[index - 1];
    }
    first
}

fn fingerprint(patterns: &[Pattern]) -> u32 {
    let mut hash = Sha256::new();
    for p in patterns {
        hash.update([p.carrier, p.days]);
        let numbers = [p.number, p.from, p.to, p.departs_minute, p.block_minutes, p.miles];
        for number in numbers.into_iter().chain(p.seats) {
            hash.update(number.to_le_bytes());
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_week_and_another_gives_another() {
        let catalogue = Catalogue::load().expect("the build's data");
        let one = Schedule::generate(&catalogue, Profile::Tiny, 1);
        let same = Schedule::generate(&catalogue, Profile::Tiny, 1);
        let other = Schedule::generate(&catalogue, Profile::Tiny, 2);
        assert_eq!((one.fingerprint, one.patterns), (same.fingerprint, same.patterns));
        assert_ne!(one.fingerprint, other.fingerprint);
    }

    #[test]
    fn the_world_is_about_as_busy_as_the_real_one() {
        let catalogue = Catalogue::load().expect("the build's data");
        let world = Schedule::generate(&catalogue, Profile::World, 1);
        let weekly: u32 = world.patterns.iter().map(|pattern| pattern.days.count_ones()).sum();
        assert!((85_000..130_000).contains(&(weekly / 7)), "{} flights a day", weekly / 7);
        let flights: HashSet<_> = world.patterns.iter().map(Pattern::flight).collect();
        assert_eq!(flights.len(), world.patterns.len(), "a designator means one pattern");
        for route in &world.routes {
            assert!(std::ptr::eq(world.route(route.from, route.to).expect("found"), route));
        }
    }

    #[test]
    fn patterns_spread_over_the_week_and_the_day() {
        for days in 1..7 {
            assert_eq!(spread(days, 3).count_ones(), days);
        }
        for dice in 0..2000 {
            assert!((6 * 60..23 * 60).contains(&departure(dice, dice * 7)));
        }
    }
}
