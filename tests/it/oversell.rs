//! Selling a little more than there is, where an airline says so; nothing more, and nowhere else.

use serde_json::Value;

use crate::asker::{Answer, Person, direct_offers, hold, id, new_key};
use crate::lab::{Lab, count, sql};
use crate::processes::{meridian, run, url_text, words};

fn oversell(lab: &Lab, flight: &str, percent: &str) -> (Option<i32>, String) {
    let mut command = meridian();
    command.args([
        "seats",
        "oversell",
        flight,
        percent,
        "--database-url",
        &url_text(&lab.database),
    ]);
    let output = run(&mut command);
    (output.status.code(), words(&output))
}

/// Books until it is sold out; how often it was possible.
async fn book_out(ada: &Person, offer: &Value) -> usize {
    let body = hold(offer["id"].as_str().unwrap());
    for booked in 0..20 {
        let answer: Answer = ada.book(&new_key(), &body).await;
        if answer.status != 202 {
            answer.refuses(409, "sold_out");
            return booked;
        }
    }
    panic!("it is never sold out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flight_is_oversold_by_what_was_allowed_and_no_other_is() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let offers = direct_offers(&lab, "FRA", "JFK", 1).await;
    let place = |offer: &Value| {
        let segment = &offer["slices"][0]["segments"][0];
        let text = |field: &str| segment[field].as_str().unwrap().to_owned();
        (text("flight"), text("departing_at")[..10].to_owned())
    };
    let ((flight, day), (other, _)) = (place(&offers[0]), place(&offers[1]));
    assert_ne!(flight, other);
    // Touched before, and full but for two.
    id(&ada.book(&new_key(), &hold(offers[0]["id"].as_str().unwrap())).await.is(202));
    let full = "UPDATE inventory SET capacity = 100, sold = 97";
    sql(&lab.database, full).await;
    for (flight, percent) in [
        (flight.as_str(), "6"),
        (flight.as_str(), "-1"),
        (flight.as_str(), "many"),
        ("nowhere", "3"),
        ("n2417", "3"),
    ] {
        assert_eq!(oversell(&lab, flight, percent).0, Some(64), "{flight} {percent}");
    }
    assert_eq!(oversell(&lab, &flight, "3").0, Some(0));
    assert_eq!(book_out(&ada, &offers[0]).await, 5, "two seats, and three that there are not");

    // A lower limit takes nothing away that is sold, and lets nobody in.
    assert_eq!(oversell(&lab, &flight, "1").0, Some(0));
    let beyond = format!(
        "SELECT count(*) FROM inventory
         WHERE flight = '{flight}' AND departs_on = '{day}' AND capacity = 103 AND oversell = 3
             AND held + sold = 103"
    );
    assert_eq!(count(&lab.database, &beyond).await, 1);
    assert_eq!(book_out(&ada, &offers[0]).await, 0);
    // As soon as one is given back, the lower limit is what counts.
    sql(&lab.database, "UPDATE inventory SET sold = sold - 3 WHERE sold > 3").await;
    assert_eq!(oversell(&lab, &flight, "1").0, Some(0));
    assert_eq!(book_out(&ada, &offers[0]).await, 1);

    // A day that nobody touched before begins with the limit; other flights have none.
    let untouched = "DELETE FROM inventory; DELETE FROM seat_hold";
    sql(&lab.database, untouched).await;
    ada.book(&new_key(), &hold(offers[0]["id"].as_str().unwrap())).await.is(202);
    ada.book(&new_key(), &hold(offers[1]["id"].as_str().unwrap())).await.is(202);
    let right = format!(
        "SELECT count(*) FROM inventory
         WHERE oversell = CASE WHEN flight = '{flight}' THEN (capacity - oversell) / 100 ELSE 0 END"
    );
    assert_eq!(count(&lab.database, &right).await, 2);
    let limits =
        run(meridian().args(["seats", "limits", "--database-url"]).arg(url_text(&lab.database)));
    assert_eq!(words(&limits), format!("{flight} 1 %\n"));
}
