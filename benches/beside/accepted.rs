//! Accepted orders through the API beside pgbench on the same statements, in turns, spread over as
//! many flights on both sides. Nobody drives them on: only their acceptance is measured.

use meridian::catalogue::schedule::mix;
use serde_json::{Value, json};

use crate::asker::{self, Person, hold, new_key, post};
use crate::lab::{self, Lab};
use crate::load;
use crate::peer::{Acceptance, FLIGHTS, Pair};

/// Seats that do not run out in the middle of a round.
const ROOM: &str = "UPDATE inventory SET capacity = 10000000";

/// What is booked, and by whom.
#[derive(Clone)]
pub(crate) struct Bookings {
    bodies: Vec<Value>,
    token: String,
}

impl Bookings {
    /// One booking for each of many flights and days.
    pub(crate) async fn over_many_flights(lab: &Lab, ada: &Person) -> Self {
        let mut bodies = Vec::new();
        for (from, to) in [("FRA", "JFK"), ("LHR", "JFK"), ("CDG", "JFK"), ("AMS", "JFK")] {
            for day in 30..46 {
                let body = json!({
                    "slices": [
                        {"origin": from, "destination": to, "departure_date": asker::day(day)},
                    ],
                    "max_connections": 0,
                });
                let found = post(lab, "eu-central", "/v1/offer-requests", &body).await.is(201);
                bodies.extend(found.data()["offers"][0]["id"].as_str().map(hold));
            }
        }
        assert_eq!(bodies.len(), FLIGHTS, "both sides spread over as many flights");
        for body in &bodies {
            // First touch makes the flight's row; then it has room for the whole bench.
            ada.book(&new_key(), body).await.is(202);
        }
        lab::sql(&lab.database, ROOM).await;
        Self { bodies, token: ada.token.clone() }
    }

    /// The nth request. Neighbours must meet on a flight as often as pgbench's do, by chance.
    pub(crate) fn request(&self, nth: usize) -> Vec<u8> {
        let flight = mix(nth as u64) % self.bodies.len() as u64;
        let body = &self.bodies[usize::try_from(flight).unwrap()];
        load::post("/v1/orders", &self.token, &new_key(), body)
    }
}

/// As many as go on each side, in turns; the best round of each counts.
pub(crate) async fn in_turns(
    lab: &Lab,
    bookings: &Bookings,
    peer: &Acceptance,
    connections: usize,
    (rounds, seconds): (usize, u64),
) -> Pair {
    let mut pair = Pair::NONE;
    for _ in 0..rounds {
        let address = lab.running("eu-central").address;
        let bookings = bookings.clone();
        let request = move |nth| bookings.request(nth);
        let ours = load::drive(address, connections, seconds, request, 202).await;
        let peers = peer.rate(&lab.database, connections, seconds);
        eprintln!("orders/s: {ours:.0} through the API, {peers:.0} by pgbench on the same SQL");
        pair = pair.best(ours, peers);
        // pgbench's flights have only now been touched for the first time.
        lab::sql(&lab.database, ROOM).await;
    }
    pair
}
