//! Journeys of one direction: every direct flight, and every change of planes that a person would
//! accept.

use jiff::civil::{Date, Time};
use jiff::{Span, Timestamp};

use crate::catalogue::schedule::{Pattern, Route};
use crate::catalogue::{AirportIndex, Catalogue, Schedule};
use crate::domain::itinerary::{Cabin, Segment};
use crate::domain::offer::{Leg, Search};

/// Shortest change of planes.
const CHANGE_MIN_SECONDS: i64 = 60 * 60;
/// Longest change of planes.
const CHANGE_MAX_SECONDS: i64 = 8 * 60 * 60;
/// A way over a third airport may be so much longer than the direct one, in percent.
const DETOUR_MAX_PERCENT: f64 = 160.0;
/// Onward flights that are tried for each first flight.
const ONWARD_MAX: usize = 2;
/// Most journeys of one direction between two airports.
const JOURNEYS_MAX: usize = 300;

/// One way to get there.
#[derive(Clone, Debug)]
pub struct Journey {
    /// The flights in order.
    pub legs: Vec<Leg>,
    /// First departure.
    pub departs: Timestamp,
    /// Last arrival.
    pub arrives: Timestamp,
}

/// Every journey between two airports that leaves on a local day.
pub fn between(
    catalogue: &Catalogue,
    schedule: &Schedule,
    (from, to): (AirportIndex, AirportIndex),
    on: Date,
    search: &Search,
) -> Vec<Journey> {
    let builder = Builder { catalogue, schedule, on, search };
    let mut journeys = Vec::new();
    if let Some(route) = schedule.route(from, to) {
        builder.flights(route, on).for_each(|flight| journeys.push(flight.alone()));
    }
    if search.max_connections > 0 {
        builder.changes(from, to, &mut journeys);
    }
    journeys.sort_by_key(|journey| {
        (journey.arrives.as_second() - journey.departs.as_second(), journey.departs)
    });
    journeys.truncate(JOURNEYS_MAX);
    journeys
}

/// A flight of the schedule on a day, in a traveller's words; `None` when it is not flown then.
pub fn segment(catalogue: &Catalogue, schedule: &Schedule, leg: Leg) -> Option<Segment> {
    let pattern = schedule.patterns.get(leg.pattern as usize)?;
    if !pattern.flies_on(leg.on) {
        return None;
    }
    let (departs, arrives) = times(catalogue, pattern, leg.on)?;
    let (origin, destination) = (catalogue.at(pattern.from), catalogue.at(pattern.to));
    Some(Segment {
        flight: pattern.flight().to_string(),
        carrier: pattern.carrier_name().to_owned(),
        origin: origin.iata,
        destination: destination.iata,
        departing_at: departs.to_zoned(origin.time_zone.clone()).datetime(),
        origin_time_zone: origin.time_zone.iana_name()?.to_owned(),
        arriving_at: arrives.to_zoned(destination.time_zone.clone()).datetime(),
        destination_time_zone: destination.time_zone.iana_name()?.to_owned(),
        departs,
        arrives,
        miles: u32::from(pattern.miles),
    })
}

/// Departure and arrival as instants. A local time that the clocks skip is the one after the gap.
fn times(catalogue: &Catalogue, pattern: &Pattern, on: Date) -> Option<(Timestamp, Timestamp)> {
    let minute = pattern.departs_minute;
    let time = Time::new(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0);
    let local = on.to_datetime(time.ok()?);
    let zone = &catalogue.at(pattern.from).time_zone;
    let departs = zone.to_ambiguous_timestamp(local).compatible().ok()?;
    let arrives = departs + Span::new().minutes(i64::from(pattern.block_minutes));
    Some((departs, arrives))
}

struct Builder<'a> {
    catalogue: &'a Catalogue,
    schedule: &'a Schedule,
    on: Date,
    search: &'a Search,
}

#[derive(Clone, Copy)]
struct Dated {
    leg: Leg,
    departs: Timestamp,
    arrives: Timestamp,
}

impl Dated {
    fn alone(self) -> Journey {
        Journey { legs: vec![self.leg], departs: self.departs, arrives: self.arrives }
    }
}

impl Builder<'_> {
    /// The flights of a route on a day that have the seats that are asked for.
    fn flights(&self, route: &Route, on: Date) -> impl Iterator<Item = Dated> {
        let (cabin, seats): (Cabin, u8) = (self.search.cabin, self.search.passengers);
        self.schedule
            .patterns_of(route)
            .filter(move |(_, pattern)| {
                pattern.flies_on(on) && pattern.seats_of(cabin) >= u16::from(seats)
            })
            .filter_map(move |(pattern, flown)| {
                let (departs, arrives) = times(self.catalogue, flown, on)?;
                Some(Dated { leg: Leg { pattern, on }, departs, arrives })
            })
    }

    /// Every way over a third airport.
    fn changes(&self, from: AirportIndex, to: AirportIndex, journeys: &mut Vec<Journey>) {
        let direct =
            self.catalogue.at(from).coordinates.distance_km(&self.catalogue.at(to).coordinates);
        let miles_max = direct / 1.609_344 * DETOUR_MAX_PERCENT / 100.0 + 100.0;
        for first in self.schedule.departing(from).iter().filter(|route| route.to != to) {
            let Some(second) = self.schedule.route(first.to, to) else { continue };
            if f64::from(first.miles + second.miles) > miles_max {
                continue;
            }
            let onward = self.onward(second);
            for arriving in self.flights(first, self.on) {
                journeys.extend(onward_of(arriving, &onward));
            }
        }
    }

    /// The flights of a route from this local day to the day after tomorrow, by departure.
    fn onward(&self, route: &Route) -> Vec<Dated> {
        let mut flights: Vec<Dated> = (0..3)
            .filter_map(|days| self.on.checked_add(Span::new().days(days)).ok())
            .flat_map(|day| self.flights(route, day))
            .collect();
        flights.sort_by_key(|flight| flight.departs);
        flights
    }
}

fn onward_of(first: Dated, onward: &[Dated]) -> impl Iterator<Item = Journey> {
    let earliest = first.arrives.as_second() + CHANGE_MIN_SECONDS;
    let latest = first.arrives.as_second() + CHANGE_MAX_SECONDS;
    let start = onward.partition_point(|flight| flight.departs.as_second() < earliest);
    onward[start..]
        .iter()
        .take_while(move |flight| flight.departs.as_second() <= latest)
        .take(ONWARD_MAX)
        .map(move |second| Journey {
            legs: vec![first.leg, second.leg],
            departs: first.departs,
            arrives: second.arrives,
        })
}
