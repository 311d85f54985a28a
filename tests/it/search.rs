//! Searching: real places, a synthetic schedule, honest times.

use serde_json::{Value, json};

use crate::asker::{day, direct_offers, get, post, question};
use crate::lab::Lab;

#[tokio::test(flavor = "multi_thread")]
async fn one_way_and_return_direct_and_with_one_change() {
    let lab = Lab::start().await;
    let direct = direct_offers(&lab, "FRA", "JFK", 1).await;
    assert!(!direct.is_empty());
    assert!(
        direct.iter().all(|offer| offer["slices"][0]["segments"].as_array().unwrap().len() == 1)
    );

    let found = post(&lab, "us-east", "/v1/offer-requests", &question()).await.is(201);
    let location = found.header("location").unwrap().to_owned();
    let found = found.data();
    let offers = found["offers"].as_array().unwrap();
    let changes = |offer: &Value| offer["slices"][0]["segments"].as_array().unwrap().len() - 1;
    assert!(offers.iter().any(|offer| changes(offer) == 1), "a change is offered, too");
    assert_eq!(found["synthetic"], true);
    for offer in offers {
        for pair in offer["slices"][0]["segments"].as_array().unwrap().windows(2) {
            assert_eq!(pair[0]["destination"], pair[1]["origin"]);
            let at = |text: &Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
            let wait = at(&pair[1]["departs"]).as_second() - at(&pair[0]["arrives"]).as_second();
            assert!((3600..=8 * 3600).contains(&wait), "a change of {wait} seconds");
        }
    }
    // The question is its own address, in every region.
    let again = get(&lab, "eu-central", &location).await.is(200);
    assert!(again.header("cache-control").unwrap().starts_with("public"));
    assert_eq!(again.data()["offers"].as_array().unwrap().len(), offers.len());

    let body = json!({"slices": [
        {"origin": "FRA", "destination": "NYC", "departure_date": day(40)},
        {"origin": "NYC", "destination": "FRA", "departure_date": day(47)},
    ]});
    let there_and_back = post(&lab, "eu-central", "/v1/offer-requests", &body).await.is(201).data();
    let first = &there_and_back["offers"][0];
    assert_eq!(first["slices"].as_array().unwrap().len(), 2);
    assert_eq!(first["slices"][1]["destination"], "FRA");
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_local_with_their_zone_and_add_up() {
    let lab = Lab::start().await;
    for offer in direct_offers(&lab, "FRA", "JFK", 1).await {
        let segment = &offer["slices"][0]["segments"][0];
        let instant = |local: &str, zone: &str| {
            let local: jiff::civil::DateTime = segment[local].as_str().unwrap().parse().unwrap();
            local.in_tz(segment[zone].as_str().unwrap()).unwrap().timestamp().to_string()
        };
        assert_eq!(instant("departing_at", "origin_time_zone"), segment["departs"]);
        assert_eq!(instant("arriving_at", "destination_time_zone"), segment["arrives"]);
        assert_eq!(segment["departing_at"].as_str().unwrap()[..10], day(40));
        let minutes = offer["slices"][0]["duration_minutes"].as_i64().unwrap();
        assert!((8 * 60..10 * 60).contains(&minutes), "{minutes} minutes for 3,800 miles");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sorting_is_what_it_says() {
    let lab = Lab::start().await;
    let found = post(&lab, "eu-central", "/v1/offer-requests", &question()).await.is(201).data();
    let offers = found["offers"].as_array().unwrap();
    let of = |id: &Value| offers.iter().find(|offer| offer["id"] == *id).unwrap();
    let prices: Vec<i64> = found["sorting"]["cheapest"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| of(id)["total"]["amount_minor"].as_i64().unwrap())
        .collect();
    assert!(prices.is_sorted() && prices.len() == offers.len());
    let minutes: Vec<i64> = found["sorting"]["fastest"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| of(id)["slices"][0]["duration_minutes"].as_i64().unwrap())
        .collect();
    assert!(minutes.is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_the_same_in_every_region_and_tells_the_seats() {
    let lab = Lab::start().await;
    let offers = direct_offers(&lab, "FRA", "JFK", 2).await;
    let id = offers[0]["id"].as_str().unwrap();
    let here = get(&lab, "eu-central", &format!("/v1/offers/{id}")).await.is(200).data();
    let there = get(&lab, "us-east", &format!("/v1/offers/{id}")).await.is(200).data();
    assert_eq!(here, there);
    assert_eq!(here["total"], offers[0]["total"]);
    assert!(here["seats_left"].as_i64().unwrap() > 100);
    let other = "off_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    get(&lab, "eu-central", &format!("/v1/offers/{other}")).await.refuses(404, "not_found");

    lab.world.clock.advance(std::time::Duration::from_secs(31 * 60));
    get(&lab, "eu-central", &format!("/v1/offers/{id}")).await.refuses(410, "offer_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_in_the_money_that_is_asked_for() {
    let lab = Lab::start().await;
    let mut totals = Vec::new();
    for currency in ["EUR", "JPY", "USD"] {
        let mut body = question();
        body["currency"] = json!(currency);
        let found = post(&lab, "eu-central", "/v1/offer-requests", &body).await.is(201).data();
        let total = &found["offers"][0]["total"];
        assert_eq!(total["currency"], currency);
        totals.push(total["amount_minor"].as_i64().unwrap());
    }
    // One yen is a whole minor unit: about as many yen as euro cents, not a hundred times as many.
    assert!((totals[0]..totals[0] * 4).contains(&totals[1]), "{totals:?}");
    let mut body = question();
    body["currency"] = json!("RUB");
    post(&lab, "eu-central", "/v1/offer-requests", &body).await.refuses(422, "validation_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_found_by_what_people_type() {
    let lab = Lab::start().await;
    for (typed, iata) in [("fra", "FRA"), ("new%20yor", "NYC"), ("m%C3%BCnch", "MUC")] {
        let places = get(&lab, "us-east", &format!("/v1/places?q={typed}&limit=3")).await.is(200);
        assert_eq!(places.json()["data"][0]["iata"], iata, "{typed}");
        assert!(places.json()["data"].as_array().unwrap().len() <= 3);
    }
    get(&lab, "us-east", "/v1/places?q=x&limit=0").await.refuses(422, "validation_failed");
    get(&lab, "us-east", "/v1/places").await.refuses(400, "malformed");
    get(&lab, "us-east", "/v1/places?q=x&colour=red").await.refuses(400, "malformed");
}
