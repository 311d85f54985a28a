//! How the sandbox's airlines change their timetable: the first departure goes three hours later,
//! or earlier where it would be another day's flight.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::itinerary::{Segment, Slice};

/// How far a departure is moved.
const MOVED: SignedDuration = SignedDuration::from_hours(3);

/// An itinerary whose first departure has moved; none if it is no itinerary.
pub(super) fn moved(itinerary: &Value) -> Option<Value> {
    let slice = Slice::deserialize(&itinerary["slices"][0]).ok()?;
    let whole = slice.segments.len();
    // The flights after the first one move along where they stay on their days.
    let slice = [(MOVED, whole), (-MOVED, whole), (-MOVED, 1), (MOVED, 1)]
        .into_iter()
        .find_map(|(by, flights)| shifted(&slice, by, flights))?;
    let mut moved = itinerary.clone();
    moved["slices"][0] = json!(slice);
    Some(moved)
}

fn shifted(slice: &Slice, by: SignedDuration, flights: usize) -> Option<Slice> {
    let mut slice = slice.clone();
    for segment in slice.segments.iter_mut().take(flights) {
        *segment = later(segment, by).filter(|it| it.departs_on() == segment.departs_on())?;
    }
    let (first, last) = (slice.segments.first()?, slice.segments.last()?);
    slice.duration_minutes = last.arrives.duration_since(first.departs).as_mins();
    let in_order = slice.segments.windows(2).all(|two| two[0].arrives <= two[1].departs);
    in_order.then_some(slice)
}

fn later(segment: &Segment, by: SignedDuration) -> Option<Segment> {
    let local = |at: Timestamp, zone: &str| Some(at.in_tz(zone).ok()?.datetime());
    let (departs, arrives) = (segment.departs + by, segment.arrives + by);
    Some(Segment {
        departs,
        arrives,
        departing_at: local(departs, &segment.origin_time_zone)?,
        arriving_at: local(arrives, &segment.destination_time_zone)?,
        ..segment.clone()
    })
}
