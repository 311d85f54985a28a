//! Address databases that are brought along, in MaxMind's format.

use std::path::Path;
use std::time::SystemTime;

use meridian_geo_routing::{Geography, Ground, Live, RoutingTable, Sources, Zone};

use crate::asker::*;
use crate::{addresses, mmdb};

fn database(scratch: &Scratch) -> std::path::PathBuf {
    scratch.write("world.mmdb", mmdb::encode(&addresses::Addresses::embedded(), 1_780_000_000))
}

#[test]
fn a_database_leads_where_the_embedded_table_leads() {
    let scratch = Scratch::new();
    let geography = Geography::from_database(&database(&scratch)).unwrap();
    assert_eq!(geography.build_date(), 20_260_528);
    let sources =
        Sources { geography: geography.into(), ..Sources::new(registry(), vec![Zone::embedded()]) };
    let ground = Ground::new(&sources, SystemTime::UNIX_EPOCH).unwrap();
    let (brought, embedded) = (RoutingTable::compile(ground.into(), Live::new()), table());
    for subnet in [
        "53.128.0.0/24",
        "18.141.0.0/24",
        "10.1.2.0/24",
        "2a00:1450::/32",
        "2600::/20",
        "2002:3580::/40",
        "198.51.100.0/24",
        "255.255.255.255",
        "ffff::",
    ] {
        let explain = |table: &RoutingTable| {
            let told = table.explain("api", subnet.parse().unwrap()).unwrap();
            (told.chosen, told.location.country, told.scope)
        };
        assert_eq!(explain(&brought), explain(&embedded), "{subnet}");
    }
}

#[test]
fn what_is_no_database_is_refused_with_a_sentence() {
    let scratch = Scratch::new();
    let refusal = |path: &Path| match Geography::from_database(path) {
        Ok(_) => panic!("it is refused"),
        Err(error) => error.to_string(),
    };
    assert!(refusal(&scratch.path().join("gone.mmdb")).contains("cannot be read"));
    let whole = std::fs::read(database(&scratch)).unwrap();
    for (name, bytes) in [
        ("empty.mmdb", &[][..]),
        ("text.mmdb", b"not a database"),
        ("half.mmdb", &whole[..whole.len() / 2]),
        ("tail.mmdb", &whole[whole.len() / 2..]),
    ] {
        let said = refusal(&scratch.write(name, bytes));
        assert!(said.contains(name) && said.contains("; "), "{said}");
    }
}

#[test]
fn a_database_of_one_country_is_not_one_of_the_world() {
    let mut addresses = addresses::Addresses::embedded();
    let germany = "DE".parse().unwrap();
    for country in &mut addresses.v4.countries {
        *country = country.filter(|country| *country == germany);
    }
    let scratch = Scratch::new();
    let path = scratch.write("germany.mmdb", mmdb::encode(&addresses, 1_780_000_000));
    let Err(error) = Geography::from_database(&path) else { panic!("it is refused") };
    assert!(error.to_string().contains("whole world"), "{error}");
}
