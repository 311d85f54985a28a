//! The catalogue: real places and rates from `data/`, and a schedule generated from them.
//!
//! It is part of the build and held in memory by every node; nothing in it is about a person.

pub mod carriers;
pub mod schedule;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use flate2::read::GzDecoder;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use meridian_regions::{Continent, Coordinates, Country, RegionId, Registry};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::domain::money::Currency;
use crate::domain::place::{Airport, Iata};
pub use schedule::{Pattern, Profile, Schedule};

/// Index of an airport in [`Catalogue::airports`].
pub type AirportIndex = u16;

/// Everything that `data/` holds, read once.
pub struct Catalogue {
    /// Airports with scheduled routes, by code.
    pub airports: Vec<Airport>,
    /// Cities, for finding places by name.
    pub cities: Vec<City>,
    /// Cities with several airports.
    pub metros: Vec<Metro>,
    /// Directed routes: from, to, miles.
    pub routes: Vec<(AirportIndex, AirportIndex, u32)>,
    countries: HashMap<Country, CountryFacts>,
    by_iata: HashMap<Iata, AirportIndex>,
    rates: HashMap<Currency, f64>,
    /// The day of the rates.
    pub rates_of: Date,
}

/// A city.
#[derive(Clone, Debug)]
pub struct City {
    /// GeoNames id.
    pub id: u32,
    /// Its name in English or as GeoNames has it.
    pub name: String,
    /// Where it is.
    pub country: Country,
    /// Where exactly.
    pub coordinates: Coordinates,
    /// Inhabitants.
    pub population: u32,
    /// Its airports, nearest first.
    pub airports: Vec<Iata>,
    /// Other names, in many scripts.
    pub aliases: Vec<String>,
}

/// A city with several airports.
#[derive(Clone, Debug)]
pub struct Metro {
    /// The city's code.
    pub code: Iata,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub country: Country,
    /// Its airports.
    pub airports: Vec<AirportIndex>,
}

#[derive(Clone, Debug)]
struct CountryFacts {
    name: String,
    continent: Continent,
}

/// The build's own data is broken; only a change to `data/` can cause that.
#[derive(Debug, thiserror::Error)]
#[error("the catalogue in data/{file} cannot be read: {what}")]
pub struct Broken {
    file: &'static str,
    what: String,
}

#[derive(Deserialize)]
struct AirportRow {
    iata: Iata,
    name: String,
    city: String,
    city_code: Iata,
    country: Country,
    lat: f64,
    lon: f64,
    tz: String,
    degree: u32,
    population: u32,
}

#[derive(Deserialize)]
struct CityRow {
    id: u32,
    name: String,
    country: Country,
    lat: f64,
    lon: f64,
    population: u32,
    airports: String,
    aliases: String,
}

#[derive(Deserialize)]
struct MetroRow {
    code: Iata,
    name: String,
    country: Country,
    airports: String,
}

#[derive(Deserialize)]
struct RouteRow {
    from: Iata,
    to: Iata,
    miles: u32,
}

#[derive(Deserialize)]
struct RateRow {
    date: Date,
    currency: Currency,
    rate: f64,
}

#[derive(Deserialize)]
struct CountryRow {
    iso2: Country,
    name: String,
    continent: Continent,
}

impl Catalogue {
    /// Reads what the build carries.
    pub fn load() -> Result<Self, Broken> {
        let airports = airports()?;
        let by_iata: HashMap<Iata, AirportIndex> =
            (0..).zip(&airports).map(|(i, a)| (a.iata, i)).collect();
        let at = |code: &Iata| by_iata.get(code).copied();
        let routes = packed("routes.csv.gz", include_bytes!("../../data/routes.csv.gz"))?
            .into_iter()
            .filter_map(|row: RouteRow| Some((at(&row.from)?, at(&row.to)?, row.miles)))
            .collect();
        let metros = rows("metros.csv", include_bytes!("../../data/metros.csv"))?
            .into_iter()
            .map(|row: MetroRow| Metro {
                code: row.code,
                name: row.name,
                country: row.country,
                airports: codes(&row.airports).filter_map(|code| at(&code)).collect(),
            })
            .collect();
        let (rates, rates_of) = rates()?;
        let countries = rows("countries.csv", include_bytes!("../../data/countries.csv"))?
            .into_iter()
            .map(|row: CountryRow| {
                (row.iso2, CountryFacts { name: row.name, continent: row.continent })
            })
            .collect();
        let cities = cities()?;
        Ok(Self { airports, cities, metros, routes, countries, by_iata, rates, rates_of })
    }

    /// An airport by its code.
    pub fn airport(&self, code: Iata) -> Option<AirportIndex> {
        self.by_iata.get(&code).copied()
    }

    /// The airports that a code means: a city's, or the one; empty when nobody knows it.
    pub fn expand(&self, code: Iata) -> Vec<AirportIndex> {
        match self.metros.iter().find(|metro| metro.code == code) {
            Some(metro) => metro.airports.clone(),
            None => self.airport(code).into_iter().collect(),
        }
    }

    /// The airport at an index of this catalogue.
    pub fn at(&self, index: AirportIndex) -> &Airport {
        &self.airports[usize::from(index)]
    }

    /// The continent of a country.
    pub fn continent(&self, country: Country) -> Continent {
        self.countries.get(&country).map_or(Continent::Eu, |facts| facts.continent)
    }

    /// Which region keeps the seats of flights out of which country: the one that claims its
    /// continent.
    pub fn keepers(&self, registry: Registry) -> BTreeMap<Country, RegionId> {
        let keeper = |country| registry.for_continent(self.continent(country));
        Country::all().map(|country| (country, keeper(country))).collect()
    }

    /// The English name of a country.
    pub fn country_name<'a>(&'a self, country: &'a Country) -> &'a str {
        self.countries.get(country).map_or(country.code(), |facts| facts.name.as_str())
    }

    /// Units of a currency for one euro, on the day of the rates; `None` when nobody quotes it.
    pub fn per_euro(&self, currency: Currency) -> Option<f64> {
        if currency == Currency::EUR { Some(1.0) } else { self.rates.get(&currency).copied() }
    }
}

fn rows<T: DeserializeOwned>(file: &'static str, bytes: &[u8]) -> Result<Vec<T>, Broken> {
    csv::Reader::from_reader(bytes)
        .deserialize()
        .collect::<Result<_, _>>()
        .map_err(|error| Broken { file, what: error.to_string() })
}

fn packed<T: DeserializeOwned>(file: &'static str, bytes: &[u8]) -> Result<Vec<T>, Broken> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes)
        .read_to_end(&mut plain)
        .map_err(|error| Broken { file, what: error.to_string() })?;
    rows(file, &plain)
}

fn codes(text: &str) -> impl Iterator<Item = Iata> + '_ {
    text.split_whitespace().filter_map(|code| code.parse().ok())
}

fn airports() -> Result<Vec<Airport>, Broken> {
    let file = "airports.csv.gz";
    packed(file, include_bytes!("../../data/airports.csv.gz"))?
        .into_iter()
        .map(|row: AirportRow| {
            let time_zone =
                TimeZone::get(&row.tz).map_err(|error| Broken { file, what: error.to_string() })?;
            Ok(Airport {
                iata: row.iata,
                name: row.name,
                city: row.city,
                city_code: row.city_code,
                country: row.country,
                coordinates: Coordinates { latitude: row.lat, longitude: row.lon },
                time_zone,
                degree: row.degree,
                population: row.population,
            })
        })
        .collect()
}

fn cities() -> Result<Vec<City>, Broken> {
    let rows = packed("cities.csv.gz", include_bytes!("../../data/cities.csv.gz"))?;
    Ok(rows
        .into_iter()
        .map(|row: CityRow| City {
            id: row.id,
            name: row.name,
            country: row.country,
            coordinates: Coordinates { latitude: row.lat, longitude: row.lon },
            population: row.population,
            airports: codes(&row.airports).collect(),
            aliases: row.aliases.split('|').filter(|a| !a.is_empty()).map(str::to_owned).collect(),
        })
        .collect())
}

/// The newest rate of each currency.
fn rates() -> Result<(HashMap<Currency, f64>, Date), Broken> {
    let rows: Vec<RateRow> = packed("fx.csv.gz", include_bytes!("../../data/fx.csv.gz"))?;
    let newest = rows.iter().map(|row| row.date).max();
    let newest = newest.ok_or(Broken { file: "fx.csv.gz", what: "it has no rows".into() })?;
    let of_that_day = rows.iter().filter(|row| row.date == newest);
    Ok((of_that_day.map(|row| (row.currency, row.rate)).collect(), newest))
}
