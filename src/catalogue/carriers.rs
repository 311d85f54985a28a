//! Carriers that do not exist. No price here is ever put under a real airline's name; where a code
//! is also somebody's, that is an accident of there being few codes.

use meridian_regions::Continent;

/// A fictional carrier.
#[derive(Clone, Copy, Debug)]
pub struct Carrier {
    /// Two characters in front of the flight number.
    pub code: [u8; 2],
    /// What it would call itself.
    pub name: &'static str,
    /// Where it is based, and whose routes it flies.
    pub continent: Continent,
}

const fn carrier(code: [u8; 2], name: &'static str, continent: Continent) -> Carrier {
    Carrier { code, name, continent }
}

/// All of them.
pub static CARRIERS: &[Carrier] = &[
    carrier(*b"E1", "Aurora Lines", Continent::Eu),
    carrier(*b"E2", "Bluefjord", Continent::Eu),
    carrier(*b"E3", "Carpathia Air", Continent::Eu),
    carrier(*b"E4", "Danubia", Continent::Eu),
    carrier(*b"E5", "Elbe Wings", Continent::Eu),
    carrier(*b"E6", "Fjellvind", Continent::Eu),
    carrier(*b"E7", "Gallia Express", Continent::Eu),
    carrier(*b"E8", "Hesperia", Continent::Eu),
    carrier(*b"E9", "Iberis", Continent::Eu),
    carrier(*b"N1", "Appalachian", Continent::Na),
    carrier(*b"N2", "Bison Air", Continent::Na),
    carrier(*b"N3", "Cascade Lines", Continent::Na),
    carrier(*b"N4", "Delmarva", Continent::Na),
    carrier(*b"N5", "Evergreen Jet", Continent::Na),
    carrier(*b"N6", "Fundy Air", Continent::Na),
    carrier(*b"N7", "Great Plains", Continent::Na),
    carrier(*b"S1", "Altiplano", Continent::Sa),
    carrier(*b"S2", "Cordillera", Continent::Sa),
    carrier(*b"S3", "Pampero", Continent::Sa),
    carrier(*b"S4", "Quetzal Sur", Continent::Sa),
    carrier(*b"F1", "Acacia Air", Continent::Af),
    carrier(*b"F2", "Baobab Lines", Continent::Af),
    carrier(*b"F3", "Kilima", Continent::Af),
    carrier(*b"F4", "Sahel Wings", Continent::Af),
    carrier(*b"A1", "Banyan Air", Continent::As),
    carrier(*b"A2", "Crane Pacific", Continent::As),
    carrier(*b"A3", "Deccan Lines", Continent::As),
    carrier(*b"A4", "Ebisu Jet", Continent::As),
    carrier(*b"A5", "Golden Straits", Continent::As),
    carrier(*b"A6", "Hanok Air", Continent::As),
    carrier(*b"A7", "Indus Express", Continent::As),
    carrier(*b"A8", "Jade Monsoon", Continent::As),
    carrier(*b"A9", "Kestrel Gulf", Continent::As),
    carrier(*b"P1", "Austral Reef", Continent::Oc),
    carrier(*b"P2", "Coral Lines", Continent::Oc),
    carrier(*b"P3", "Moana Air", Continent::Oc),
];
