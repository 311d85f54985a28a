//! What an airline may change by itself: the times of the flights that were booked, and nothing
//! else. Pure; anything else that it sends is not understood.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::itinerary::{Cabin, Segment, Slice};

/// Longest journey in one direction; a longer one is a mistake of theirs.
const SLICE_MINUTES_MAX: i64 = 4 * 24 * 60;

/// An order's itinerary, as it is stored.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Itinerary {
    slices: Vec<Slice>,
    cabin: Cabin,
    passengers: u8,
}

/// The booked itinerary at the times that an airline says, if its flights, days and shape are the
/// booked ones and some time is another. Only instants are taken from the airline.
pub(super) fn moved(booked: &Value, theirs: &Value) -> Option<Value> {
    let booked = Itinerary::deserialize(booked).ok()?;
    let theirs = Itinerary::deserialize(theirs).ok()?;
    let mut moved = booked.clone();
    if moved.slices.len() != theirs.slices.len() {
        return None;
    }
    for (slice, other) in moved.slices.iter_mut().zip(&theirs.slices) {
        if slice.segments.len() != other.segments.len() {
            return None;
        }
        for (segment, other) in slice.segments.iter_mut().zip(&other.segments) {
            *segment = at(segment, other.departs, other.arrives)?;
        }
        slice.duration_minutes = minutes(slice)?;
    }
    // What is left must be what they said: the same flights, airports and local times.
    (moved == theirs && moved != booked && in_order(&moved))
        .then(|| serde_json::to_value(moved).expect("an itinerary is plain data"))
}

/// A flight at another time of the same local day.
fn at(segment: &Segment, departs: Timestamp, arrives: Timestamp) -> Option<Segment> {
    let local = |instant: Timestamp, zone: &str| Some(instant.in_tz(zone).ok()?.datetime());
    let moved = Segment {
        departing_at: local(departs, &segment.origin_time_zone)?,
        arriving_at: local(arrives, &segment.destination_time_zone)?,
        departs,
        arrives,
        ..segment.clone()
    };
    (moved.departs_on() == segment.departs_on()).then_some(moved)
}

fn minutes(slice: &Slice) -> Option<i64> {
    let (first, last) = (slice.segments.first()?, slice.segments.last()?);
    let minutes = last.arrives.duration_since(first.departs).as_mins();
    (1..=SLICE_MINUTES_MAX).contains(&minutes).then_some(minutes)
}

/// No flight ends before it begins, or begins before the one before it ends.
fn in_order(itinerary: &Itinerary) -> bool {
    let flights = itinerary.slices.iter().flat_map(|slice| &slice.segments);
    let times: Vec<Timestamp> =
        flights.flat_map(|flight| [flight.departs, flight.arrives]).collect();
    times.is_sorted()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn itinerary(departs: &str, arrives: &str) -> Value {
        let instant = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let local = |text: &str, zone: &str| instant(text).in_tz(zone).expect("a zone").datetime();
        let minutes = instant(arrives).duration_since(instant(departs)).as_mins();
        json!({
            "cabin": "economy", "passengers": 2,
            "slices": [{
                "origin": "FRA", "destination": "JFK", "duration_minutes": minutes,
                "segments": [{
                    "flight": "N2417", "carrier": "Nordvind", "origin": "FRA",
                    "destination": "JFK", "miles": 3851,
                    "origin_time_zone": "Europe/Berlin",
                    "destination_time_zone": "America/New_York",
                    "departing_at": local(departs, "Europe/Berlin"),
                    "arriving_at": local(arrives, "America/New_York"),
                    "departs": departs, "arrives": arrives,
                }],
            }],
        })
    }

    const DEPARTS: &str = "2026-12-01T08:30:00Z";
    const ARRIVES: &str = "2026-12-01T17:50:00Z";

    #[test]
    fn other_times_of_the_same_day_are_taken() {
        let booked = itinerary(DEPARTS, ARRIVES);
        let later = itinerary("2026-12-01T11:30:00Z", "2026-12-01T20:50:00Z");
        assert_eq!(moved(&booked, &later), Some(later));
    }

    #[test]
    fn anything_else_is_not() {
        let booked = itinerary(DEPARTS, ARRIVES);
        let later = itinerary("2026-12-01T11:30:00Z", "2026-12-01T20:50:00Z");
        assert_eq!(moved(&booked, &booked), None, "nothing was changed");
        let next_day = itinerary("2026-12-02T08:30:00Z", "2026-12-02T17:50:00Z");
        assert_eq!(moved(&booked, &next_day), None);
        let backwards = itinerary("2026-12-01T11:30:00Z", "2026-12-01T10:30:00Z");
        assert_eq!(moved(&booked, &backwards), None);
        for (pointer, value) in [
            ("/cabin", json!("business")),
            ("/passengers", json!(1)),
            ("/slices", json!([])),
            ("/slices/0/segments", json!([])),
            ("/slices/0/duration_minutes", json!(5)),
            ("/slices/0/segments/0/flight", json!("N2418")),
            ("/slices/0/segments/0/destination", json!("EWR")),
            ("/slices/0/segments/0/departing_at", json!("2026-12-01T13:30:00")),
            ("/slices/0/segments/0/destination_time_zone", json!("America/Chicago")),
            ("/slices/0/segments/0/arrives", json!("soon")),
        ] {
            let mut other = later.clone();
            *other.pointer_mut(pointer).expect("it is there") = value;
            assert_eq!(moved(&booked, &other), None, "{pointer}");
        }
    }
}
