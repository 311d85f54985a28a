//! What is sold: on some days and routes there are few seats, so that people meet.

use serde_json::Value;

use crate::crowd::{ROUTES, SCARCE_DAYS, question};
use crate::house::House;

/// Seats of a scarce flight.
const SEATS: u32 = 5;

/// Makes seats scarce, before anybody books.
pub(crate) async fn plant(house: &House) {
    let rows = house.database.look().await;
    let url = format!("http://{}/v1/offer-requests", house.nodes(0)[0].address);
    for (from, country, to) in ROUTES {
        for day in SCARCE_DAYS {
            let request = house.http.post(&url).json(&question(from, to, day));
            let found: Value = request.send().await.unwrap().json().await.unwrap();
            let offers = found["data"]["offers"].as_array().unwrap();
            assert!(!offers.is_empty(), "nothing is flown from {from} to {to}");
            for offer in offers {
                let segment = &offer["slices"][0]["segments"][0];
                let flight = segment["flight"].as_str().unwrap();
                let day = segment["departing_at"].as_str().unwrap().split('T').next().unwrap();
                rows.run(&format!(
                    "INSERT INTO inventory (region, flight, departs_on, cabin, departs_from,
                         capacity, held, sold)
                     SELECT region, '{flight}', '{day}', 'economy', '{country}', {SEATS}, 0, 0
                     FROM seat_keeper WHERE country = '{country}'
                     ON CONFLICT DO NOTHING"
                ))
                .await;
            }
        }
    }
}
