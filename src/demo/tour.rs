//! The tour: three travellers through the whole house, with its promises checked on the way. A
//! broken promise ends it with an error, not with a sentence.

use std::collections::BTreeMap;

use meridian_geo_routing::{CITIES, Subnet};
use reqwest::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::client::{Traveller, day_from_now, nearest};
use super::house::{Failed, House};
use super::progress::Progress;
use crate::domain::money::Money;
use crate::privacy::audit;
use crate::store::audit::RowsPerRegion;
use crate::store::{Store, StoreConfig};

/// How far ahead the tour flies.
const DAYS_AHEAD: i64 = 45;

/// What the tour saw.
#[derive(Debug, Default, Serialize)]
pub struct Seen {
    /// The regions.
    pub regions: Vec<String>,
    /// City to the region that DNS gave.
    pub dns: BTreeMap<String, String>,
    /// Itineraries that searches offered.
    pub itineraries: usize,
    /// Orders that reached their tickets.
    pub orders_ticketed: usize,
    /// Table to region to rows.
    pub rows: BTreeMap<String, RowsPerRegion>,
    /// Rows that are where they must not be.
    pub violations: usize,
    /// Phase to seconds, of the start and of the tour.
    pub seconds: BTreeMap<&'static str, f64>,
    /// What happened, for people.
    #[serde(skip)]
    pub story: Vec<String>,
}

/// A traveller of the tour: where she is, where she lives, where she flies.
struct Person {
    city: &'static str,
    resident_of: &'static str,
    /// Where she wants to fly, and where else if the schedule's profile is too small for that.
    routes: [(&'static str, &'static str); 2],
    expect_gateway: &'static str,
    expect_home: &'static str,
}

const PEOPLE: [Person; 3] = [
    // The Berliner is in New York and books from there; her data stays at home.
    Person {
        city: "New York",
        resident_of: "DE",
        routes: [("NYC", "BER"), ("NYC", "FRA")],
        expect_gateway: "us-east",
        expect_home: "eu-central",
    },
    Person {
        city: "New York",
        resident_of: "US",
        routes: [("NYC", "LON"), ("NYC", "PAR")],
        expect_gateway: "us-east",
        expect_home: "us-east",
    },
    Person {
        city: "Singapore",
        resident_of: "SG",
        routes: [("SIN", "TYO"), ("DXB", "FRA")],
        expect_gateway: "ap-southeast",
        expect_home: "ap-southeast",
    },
];

/// Makes the tour.
pub async fn tour(house: &House) -> Result<Seen, Failed> {
    let mut progress = Progress::new(4);
    let mut seen = Seen {
        regions: house.registry.with_rows().map(|region| region.name.clone()).collect(),
        ..Seen::default()
    };
    let store =
        Store::open(&StoreConfig { readers: 1, ..StoreConfig::new(house.database.clone()) })
            .await
            .map_err(failed)?;
    let before = rows(&store, house).await?;

    progress.phase("tour_dns", "twenty cities ask for their region");
    let cities = cities()?;
    for (city, subnet) in &cities {
        let region = nearest(house.dns.local_addr(), house.registry, "api", *subnet).await?;
        seen.dns.insert(city.clone(), region.name.clone());
    }
    must_be(&seen.dns["Berlin"], "eu-central", "the region of Berlin")?;

    progress.phase("tour_book", "three travellers search, book and fly");
    for person in &PEOPLE {
        journey(house, &cities, person, &mut seen).await?;
    }

    progress.phase("tour_refuse", "a declined card and a cancelled hold");
    refusals(house, &cities, &mut seen).await?;

    progress.phase("tour_audit", "the audit looks at every row");
    let report = audit::locality(&store, &house.registry).await.map_err(failed)?;
    seen.violations = report.violations.len();
    seen.rows = report.tables.into_iter().map(|table| (table.table, table.rows)).collect();
    store.close();
    must_be(&seen.violations, 0, "the number of misplaced rows")?;
    at_home(&before, &seen)?;
    seen.seconds = house.seconds.iter().copied().chain(progress.done()).collect();
    Ok(seen)
}

fn failed(error: impl std::fmt::Display) -> Failed {
    Failed(error.to_string())
}

fn must_be<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(
    got: &T,
    promised: U,
    what: &str,
) -> Result<(), Failed> {
    if *got == promised {
        Ok(())
    } else {
        Err(Failed(format!("{what} must be {promised:?}, but is {got:?}")))
    }
}

fn cities() -> Result<BTreeMap<String, Subnet>, Failed> {
    csv::Reader::from_reader(CITIES.as_bytes())
        .records()
        .map(|row| {
            let row = row.map_err(failed)?;
            let (city, subnet) = (row.get(0).unwrap_or(""), row.get(4).unwrap_or(""));
            Ok((city.to_owned(), subnet.parse().map_err(failed)?))
        })
        .collect()
}

async fn rows(store: &Store, house: &House) -> Result<BTreeMap<String, RowsPerRegion>, Failed> {
    let report = audit::locality(store, &house.registry).await.map_err(failed)?;
    Ok(report.tables.into_iter().map(|table| (table.table, table.rows)).collect())
}

/// One traveller: routed, signed up, searching, booking, ticketed; and nowhere but at home.
async fn journey(
    house: &House,
    cities: &BTreeMap<String, Subnet>,
    person: &Person,
    seen: &mut Seen,
) -> Result<(), Failed> {
    let dns = house.dns.local_addr();
    let gateway = nearest(dns, house.registry, "api", cities[person.city]).await?;
    must_be(&gateway.name, person.expect_gateway, "the nearest region")?;
    let traveller = Traveller::sign_up(house.registry, gateway, person.resident_of).await?;
    must_be(&traveller.home.name, person.expect_home, "the home region")?;
    let abroad = u32::from(gateway != traveller.home);
    must_be(&traveller.misdirected, abroad, "how often she was sent home")?;

    let (offer, route) = cheapest(&traveller, &person.routes, seen, house).await?;
    let key = uuid::Uuid::new_v4().to_string();
    let token = Some("tok_visa");
    let accepted = traveller.book(&key, "instant", &offer, "Lovelace", token).await?;
    let again = traveller.book(&key, "instant", &offer, "Lovelace", token).await?;
    must_be(&again, accepted.clone(), "the answer to a repeated booking")?;
    let order = id(&accepted)?;
    let ticketed = traveller.wait(&order, &["ticketed"]).await?;
    seen.orders_ticketed += 1;
    for other in house.registry.with_rows().filter(|region| *region != traveller.home) {
        let status = traveller.ask_elsewhere(other, &order).await?;
        must_be(&status, StatusCode::MISDIRECTED_REQUEST, "what other regions say of her order")?;
    }
    seen.story.push(told(person, route, &traveller, &ticketed));
    Ok(())
}

/// A card that is declined frees the seats; a hold is paid and ticketed; a ticket is cancelled.
async fn refusals(
    house: &House,
    cities: &BTreeMap<String, Subnet>,
    seen: &mut Seen,
) -> Result<(), Failed> {
    let dns = house.dns.local_addr();
    let gateway = nearest(dns, house.registry, "api", cities["Dublin"]).await?;
    let traveller = Traveller::sign_up(house.registry, gateway, "IE").await?;
    let key = || uuid::Uuid::new_v4().to_string();
    let routes = [("DUB", "MAD"), ("MAD", "BCN")];
    let (offer, _) = cheapest(&traveller, &routes, seen, house).await?;
    let declined =
        traveller.book(&key(), "instant", &offer, "Lovelace", Some("tok_decline")).await?;
    let failed = traveller.wait(&id(&declined)?, &["failed"]).await?;
    must_be(&failed["failure"], "payment_declined", "the reason of the failure")?;
    must_be(&failed["charged"], "no", "whether a declined card was charged")?;

    let hold = traveller.book(&key(), "hold", &offer, "Lovelace", None).await?;
    let held = traveller.wait(&id(&hold)?, &["held"]).await?;
    traveller.pay(&key(), &id(&held)?, "tok_visa").await?;
    traveller.wait(&id(&held)?, &["ticketed"]).await?;
    seen.orders_ticketed += 1;
    traveller.cancel(&key(), &id(&held)?).await?;
    let refunded = traveller.wait(&id(&held)?, &["refunded"]).await?;
    must_be(&refunded["charged"], "no", "whether a refunded order is charged")?;
    seen.story.push(format!(
        "A traveller of Dublin: her first card was declined and her seat freed; then she held, \
         paid ({}), was ticketed, cancelled and got her money back.",
        refunded["booking_reference"].as_str().unwrap_or("?"),
    ));
    Ok(())
}

/// The cheapest offer on the first of some routes that is flown.
async fn cheapest(
    traveller: &Traveller,
    routes: &[(&'static str, &'static str)],
    seen: &mut Seen,
    house: &House,
) -> Result<(String, (&'static str, &'static str)), Failed> {
    let day = day_from_now(&house.nodes[0].api.finder.clock, DAYS_AHEAD);
    for &(from, to) in routes {
        let found = traveller.search(from, to, &day).await?;
        seen.itineraries += found["offers"].as_array().map_or(0, Vec::len);
        if let Some(offer) = found["sorting"]["cheapest"][0].as_str() {
            return Ok((offer.to_owned(), (from, to)));
        }
    }
    Err(Failed(format!("nobody flies any of {routes:?}")))
}

fn id(order: &Value) -> Result<String, Failed> {
    let id = order["id"].as_str();
    id.map(str::to_owned).ok_or_else(|| Failed("an order came without an id".into()))
}

fn told(person: &Person, (from, to): (&str, &str), traveller: &Traveller, order: &Value) -> String {
    let total: Option<Money> = serde_json::from_value(order["total"].clone()).ok();
    format!(
        "A resident of {} in {}: DNS gave {}; she searched there and booked {from} to {to} for {}, \
         ticket {}. Her data is in {} only.",
        person.resident_of,
        person.city,
        traveller.gateway,
        total.map_or_else(|| "?".to_owned(), |total| total.to_string()),
        order["documents"][0].as_str().unwrap_or("?"),
        traveller.home,
    )
}

/// Exactly the travellers of the tour have appeared, each in one region.
fn at_home(before: &BTreeMap<String, RowsPerRegion>, seen: &Seen) -> Result<(), Failed> {
    let grown = |table: &str, region: &str| {
        let count = |rows: &BTreeMap<String, RowsPerRegion>| {
            rows.get(table).and_then(|by| by.get(region)).copied().unwrap_or(0)
        };
        count(&seen.rows) - count(before)
    };
    for (region, travellers, orders) in
        [("eu-central", 1, 1), ("us-east", 1, 1), ("ap-southeast", 1, 1), ("eu-west", 1, 2)]
    {
        must_be(&grown("traveller", region), travellers, &format!("new travellers in {region}"))?;
        must_be(&grown("orders", region), orders, &format!("new orders in {region}"))?;
        must_be(&grown("order_passenger", region), orders, &format!("passengers in {region}"))?;
    }
    Ok(())
}
