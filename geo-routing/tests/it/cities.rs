//! Twenty cities of data/cities.csv and where each is sent: to the region nearest to the centre of
//! its country.

use crate::asker::*;

const CITIES: &str = include_str!("../../data/cities.csv");

/// Los Angeles goes east because the table knows countries only, and the centre of the United
/// States is nearest to Ashburn.
const EXPECTED: [(&str, &str); 20] = [
    ("Berlin", "eu-central"),
    ("Paris", "eu-central"),
    ("Madrid", "eu-central"),
    ("Dublin", "eu-west"),
    ("London", "eu-west"),
    ("Warsaw", "eu-central"),
    ("Stockholm", "eu-central"),
    ("Rome", "eu-central"),
    ("New York", "us-east"),
    ("Los Angeles", "us-east"),
    ("Toronto", "us-east"),
    ("Mexico City", "us-east"),
    ("Sao Paulo", "us-east"),
    ("Singapore", "ap-southeast"),
    ("Tokyo", "ap-southeast"),
    ("Sydney", "ap-southeast"),
    ("Mumbai", "ap-southeast"),
    ("Jakarta", "ap-southeast"),
    ("Nairobi", "eu-central"),
    ("Dubai", "eu-central"),
];

/// The networks of a city.
fn subnet(city: &str) -> &'static str {
    let line = CITIES.lines().find(|line| line.split(',').next() == Some(city));
    line.and_then(|line| line.split(',').nth(4)).unwrap()
}

#[tokio::test]
async fn berlin_goes_to_frankfurt() {
    let server = start().await;
    let chosen = region_for(&server, "api", subnet("Berlin")).await;
    assert_eq!(region(&chosen).place, "Frankfurt am Main");
}

#[tokio::test]
async fn every_city_goes_to_the_region_nearest_to_its_country() {
    let server = start().await;
    assert_eq!(CITIES.lines().skip(1).count(), EXPECTED.len(), "each city is expected somewhere");
    for (city, expected) in EXPECTED {
        assert_eq!(region_for(&server, "api", subnet(city)).await, expected, "{city}");
    }
}
