//! Finding a place by what somebody types: airports, cities with several airports, cities.
//!
//! Today by prefix, in memory: names are folded (accents, case), and every word of a name begins a
//! key, so that "paulo" finds São Paulo.

use std::sync::Arc;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use utoipa::ToSchema;

use crate::catalogue::Catalogue;
use crate::domain::place::Iata;

/// Most places of one answer.
pub const PLACES_MAX: usize = 20;
/// Longest text that is looked up; the rest of it is not read.
const TYPED_CHARS_MAX: usize = 64;
/// Most keys that are looked at for one answer: a single letter has tens of thousands.
const KEYS_MAX: usize = 40_000;

/// What kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlaceKind {
    /// A city with several airports.
    Metro,
    /// An airport.
    Airport,
    /// A city.
    City,
}

/// A place somebody may mean.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Place {
    /// Stable id.
    #[schema(example = "plc_BER")]
    pub id: String,
    /// What kind.
    pub kind: PlaceKind,
    /// The code to search flights with; the nearest airport of a city; none where nobody flies.
    #[schema(example = "BER")]
    pub iata: Option<String>,
    /// Its name.
    pub name: String,
    /// The country's name in English.
    pub country: String,
    /// ISO 3166-1 alpha-2.
    pub country_code: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

/// How well a key names its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Word,
    Alias,
    Name,
    Code,
}

struct Key {
    text: String,
    class: Class,
    place: u32,
}

/// All places by all their names.
pub struct PlaceIndex {
    places: Vec<(Place, f64)>,
    keys: Vec<Key>,
}

impl PlaceIndex {
    /// Reads the catalogue once.
    pub fn build(catalogue: &Arc<Catalogue>) -> Self {
        let mut index = Self { places: Vec::new(), keys: Vec::new() };
        index.add_metros(catalogue);
        index.add_airports(catalogue);
        index.add_cities(catalogue);
        index.keys.sort_by(|a, b| a.text.cmp(&b.text));
        index
    }

    /// The places whose names begin with what was typed, best first.
    pub fn complete(&self, typed: &str, most: usize) -> Vec<&Place> {
        let typed: String = typed.chars().take(TYPED_CHARS_MAX).collect();
        let prefix = fold(&typed);
        if prefix.is_empty() {
            return Vec::new();
        }
        let start = self.keys.partition_point(|key| key.text < prefix);
        let mut hits: Vec<(f64, u32)> = self.keys[start..]
            .iter()
            .take(KEYS_MAX)
            .take_while(|key| key.text.starts_with(&prefix))
            .map(|key| (self.score(key, &prefix), key.place))
            .collect();
        hits.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut seen = Vec::new();
        for (_, place) in hits {
            if !seen.contains(&place) {
                seen.push(place);
                if seen.len() == most.min(PLACES_MAX) {
                    break;
                }
            }
        }
        seen.into_iter().map(|place| &self.places[place as usize].0).collect()
    }

    /// Exact code, then exact name, then prefix of a name, then of an alias, then of a later word;
    /// within each, the bigger place first.
    fn score(&self, key: &Key, prefix: &str) -> f64 {
        let exact = key.text == prefix;
        let class = match (key.class, exact) {
            (Class::Code, true) => 60.0,
            (Class::Name, true) => 30.0,
            (Class::Alias, true) => 18.0,
            (Class::Name, false) => 12.0,
            (Class::Alias, false) => 4.0,
            (Class::Word, _) => 3.0,
            (Class::Code, false) => 0.0,
        };
        class + self.places[key.place as usize].1
    }

    fn add(&mut self, place: Place, weight: f64, code: Option<&str>, aliases: &[String]) {
        let number = u32::try_from(self.places.len()).expect("a few thousand places");
        let mut key = |text: String, class| {
            if !text.is_empty() {
                self.keys.push(Key { text, class, place: number });
            }
        };
        if let Some(code) = code {
            key(fold(code), Class::Code);
        }
        let name = fold(&place.name);
        for (at, _) in name.match_indices(' ') {
            key(name[at + 1..].to_owned(), Class::Word);
        }
        key(name, Class::Name);
        for alias in aliases {
            key(fold(alias), Class::Alias);
        }
        self.places.push((place, weight));
    }

    fn add_metros(&mut self, catalogue: &Catalogue) {
        for metro in &catalogue.metros {
            let Some(&first) = metro.airports.first() else { continue };
            let airports = metro.airports.iter().map(|&index| catalogue.at(index));
            let degree: u32 = airports.clone().map(|airport| airport.degree).sum();
            let people = airports.map(|airport| airport.population).max().unwrap_or(0);
            let place = Place {
                id: format!("plc_{}", metro.code),
                kind: PlaceKind::Metro,
                iata: Some(metro.code.to_string()),
                name: metro.name.clone(),
                country: catalogue.country_name(&metro.country).to_owned(),
                country_code: metro.country.to_string(),
                latitude: catalogue.at(first).coordinates.latitude,
                longitude: catalogue.at(first).coordinates.longitude,
            };
            let aliases = city_aliases(catalogue, &metro.name, metro.country);
            self.add(place, weight(people, degree) + 2.0, Some(metro.code.code()), &aliases);
        }
    }

    fn add_airports(&mut self, catalogue: &Catalogue) {
        for airport in &catalogue.airports {
            let place = Place {
                // A metro may share its main airport's code; the id tells them apart.
                id: format!("plc_{}_airport", airport.iata),
                kind: PlaceKind::Airport,
                iata: Some(airport.iata.to_string()),
                name: airport.name.clone(),
                country: catalogue.country_name(&airport.country).to_owned(),
                country_code: airport.country.to_string(),
                latitude: airport.coordinates.latitude,
                longitude: airport.coordinates.longitude,
            };
            let weight = weight(airport.population, airport.degree) - 1.0;
            let aliases = std::slice::from_ref(&airport.city);
            self.add(place, weight, Some(airport.iata.code()), aliases);
        }
    }

    fn add_cities(&mut self, catalogue: &Catalogue) {
        for city in &catalogue.cities {
            let degree = city
                .airports
                .iter()
                .filter_map(|code| catalogue.airport(*code))
                .map(|index| catalogue.at(index).degree)
                .sum();
            let place = Place {
                id: format!("plc_{}", city.id),
                kind: PlaceKind::City,
                iata: busiest(catalogue, &city.airports).map(|code| city_code(catalogue, code)),
                name: city.name.clone(),
                country: catalogue.country_name(&city.country).to_owned(),
                country_code: city.country.to_string(),
                latitude: city.coordinates.latitude,
                longitude: city.coordinates.longitude,
            };
            self.add(place, weight(city.population, degree), None, &city.aliases);
        }
    }
}

/// The airport that a city's people mean: the one with the most routes, not the nearest airstrip.
fn busiest(catalogue: &Catalogue, airports: &[Iata]) -> Option<Iata> {
    let degree = |code: &&Iata| catalogue.airport(**code).map(|index| catalogue.at(index).degree);
    airports.iter().max_by_key(degree).copied()
}

/// The code of the group that an airport belongs to, or its own.
fn city_code(catalogue: &Catalogue, airport: Iata) -> String {
    let index = catalogue.airport(airport);
    index.map_or(airport, |index| catalogue.at(index).city_code).to_string()
}

fn city_aliases(
    catalogue: &Catalogue,
    name: &str,
    country: meridian_regions::Country,
) -> Vec<String> {
    let city = catalogue.cities.iter().find(|city| city.name == name && city.country == country);
    city.map(|city| city.aliases.clone()).unwrap_or_default()
}

fn weight(people: u32, degree: u32) -> f64 {
    (f64::from(people) + 1_000.0).ln() + (f64::from(degree) + 1.0).ln()
}

/// Folds a name to how anybody may type it: no accents, no case, no punctuation, single spaces.
fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'ß' => out.push_str("ss"),
            'ł' => out.push('l'),
            'ø' => out.push('o'),
            'æ' => out.push_str("ae"),
            'đ' => out.push('d'),
            'ı' => out.push('i'),
            c if c.is_alphanumeric() => out.push(c),
            _ if !out.is_empty() && !out.ends_with(' ') => out.push(' '),
            _ => {}
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_finds_what_they_mean() {
        let catalogue = Arc::new(Catalogue::load().expect("the build's data"));
        let index = PlaceIndex::build(&catalogue);
        let first = |typed: &str| {
            let place = index.complete(typed, 5).first().copied().cloned();
            place.map(|p| (p.name, p.iata.unwrap_or_default())).unwrap_or_default()
        };
        for (typed, iata) in [
            ("ber", "BER"),
            ("BER", "BER"),
            ("berlin", "BER"),
            ("new yo", "NYC"),
            ("jfk", "JFK"),
            ("lond", "LON"),
            ("são pau", "SAO"),
            ("sao pau", "SAO"),
            ("münchen", "MUC"),
            ("munch", "MUC"),
            ("singap", "SIN"),
            ("tokyo", "TYO"),
            ("東京", "TYO"),
            ("Моск", "MOW"),
            ("heathr", "LHR"),
        ] {
            assert_eq!(first(typed).1, iata, "{typed} -> {:?}", first(typed));
        }
        assert!(index.complete("", 5).is_empty());
        assert!(index.complete("  ''  ", 5).is_empty());
        assert!(index.complete(&"x".repeat(100_000), 5).is_empty());
        assert_eq!(index.complete("a", 500).len(), PLACES_MAX);
    }
}
