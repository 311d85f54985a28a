//! The region files of the house: the shipped ones at addresses of this machine, and a fifth region
//! that is written by hand. A change is one file at a time, as a whole.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use meridian_regions::Registry;
use serde_json::{Value, json};

/// The region that comes and goes.
pub(crate) const NEW: &str = "eu-north";
/// Where its residents were at home before, and where they are afterwards.
pub(crate) const BEFORE: &str = "eu-central";
pub(crate) const AFTER: &str = "eu-west";
/// The region whose nodes are killed. It has no fence of its own.
pub(crate) const KILLED: &str = "us-east";
/// Whose residents move.
pub(crate) const MOVED: [&str; 4] = ["SE", "FI", "NO", "DK"];
/// Whose flights' seats move.
const CONTINENT: &str = "EU";
/// In the order of their addresses.
pub(crate) const REGIONS: [&str; 5] = [BEFORE, AFTER, KILLED, "ap-southeast", NEW];
/// Nodes of a region.
pub(crate) const NODES: u8 = 2;

/// The address of a region's node, from 1.
pub(crate) fn address(region: &str, node: u8) -> Ipv4Addr {
    let at = REGIONS.iter().position(|name| *name == region).unwrap();
    Ipv4Addr::new(127, 0, 10 + u8::try_from(at).unwrap(), node)
}

/// Whose address it is.
pub(crate) fn region_at(address: IpAddr) -> &'static str {
    let of =
        |region: &&str| (1..=NODES).any(|node| IpAddr::V4(self::address(region, node)) == address);
    REGIONS.into_iter().find(of).unwrap_or("nobody")
}

/// A directory laid out like `regions/`.
pub(crate) struct Files {
    pub(crate) dir: PathBuf,
    port: u16,
}

impl Files {
    /// The shipped regions, answering at `port` of their addresses.
    pub(crate) fn write(dir: PathBuf, port: u16) -> Self {
        fs::create_dir_all(dir.join("policy")).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("regions/policy");
        for entry in fs::read_dir(shipped).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, dir.join("policy").join(path.file_name().unwrap())).unwrap();
        }
        let files = Self { dir, port };
        for region in Registry::embedded().unwrap().all() {
            files.put(&region.name, serde_json::to_value(&*region).unwrap());
        }
        files
    }

    /// The fifth region as somebody writes it who looks at the nearest one: it homes nobody yet and
    /// takes one percent of the networks near by.
    pub(crate) fn plan_new(&self) {
        let mut file = self.get(AFTER);
        let own = json!({
            "name": NEW, "id_tag": "eun1", "locality": NEW, "cloud_region": "eu-north-1",
            "state": "planned", "place": "Stockholm", "homes": [],
            "coordinates": { "latitude": 59.3293, "longitude": 18.0686 },
            "dns": {
                "continents": [], "default": false, "countries": [], "weight": 1,
                "fallbacks": [BEFORE],
            },
            "network": {
                "cidr": "10.18.0.0/16", "zones": ["eu-north-1a", "eu-north-1b", "eu-north-1c"],
            },
        });
        for (key, value) in own.as_object().unwrap() {
            file[key] = value.clone();
        }
        self.put(NEW, file);
    }

    pub(crate) fn set_state(&self, region: &str, state: &str) {
        self.change(region, |file| file["state"] = state.into());
    }

    pub(crate) fn set_weight(&self, region: &str, weight: u8) {
        self.change(region, |file| file["dns"]["weight"] = weight.into());
    }

    /// Gives the residents that move another home, and the seats of Europe another keeper.
    pub(crate) fn move_homes(&self, from: &str, to: &str) {
        let moved = |country: &Value| MOVED.iter().any(|it| country == it);
        self.change(from, |file| {
            file["homes"].as_array_mut().unwrap().retain(|country| !moved(country));
            let continents = file["dns"]["continents"].as_array_mut().unwrap();
            continents.retain(|continent| continent != CONTINENT);
        });
        self.change(to, |file| {
            let homes = file["homes"].as_array_mut().unwrap();
            homes.extend(MOVED.iter().map(|country| Value::from(*country)));
            file["dns"]["continents"].as_array_mut().unwrap().push(CONTINENT.into());
        });
    }

    fn change(&self, region: &str, change: impl FnOnce(&mut Value)) {
        let mut file = self.get(region);
        change(&mut file);
        self.put(region, file);
    }

    fn get(&self, region: &str) -> Value {
        let path = self.dir.join(format!("{region}.json"));
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    /// The name server reads while we write, so a file is there as a whole or as it was.
    fn put(&self, region: &str, mut file: Value) {
        let addresses: Vec<Ipv4Addr> = (1..=NODES).map(|node| address(region, node)).collect();
        file["endpoints"] = json!({
            "api": format!("http://{}:{}", addresses[0], self.port), "ipv4": addresses, "ipv6": [],
        });
        let unfinished = self.dir.join(format!("{region}.unfinished"));
        fs::write(&unfinished, serde_json::to_string_pretty(&file).unwrap()).unwrap();
        fs::rename(unfinished, self.dir.join(format!("{region}.json"))).unwrap();
    }
}
