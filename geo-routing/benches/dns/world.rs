//! One world for all servers: the regions and the zone of the repository, and who is sent where.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use meridian_geo_routing::{Ground, Live, RoutingTable, Sources, Subnet, Zone};
use meridian_regions::{Country, RegionId, Registry};

use crate::addresses::Addresses;
use crate::mmdb;

/// The zone.
pub(crate) const ORIGIN: &str = "meridian.example";
/// The host that is answered by where the asker is.
pub(crate) const GEO: &str = "api.meridian.example";
/// Seconds that its answers may be kept.
pub(crate) const GEO_TTL: u32 = 30;
/// Seconds that other answers may be kept.
pub(crate) const STATIC_TTL: u32 = 3600;

/// The build day that the made database claims, so that its bytes are the same each time.
const BUILD_EPOCH: u64 = 1_780_000_000;

/// What every server is configured from.
pub(crate) struct World {
    /// Where configurations, logs and the database lie. Each run writes all of it anew.
    pub(crate) dir: PathBuf,
    /// The root of the repository.
    pub(crate) repository: PathBuf,
    pub(crate) addresses: Addresses,
    /// The country table as a database of MaxMind's format.
    pub(crate) database: PathBuf,
    /// Our own decisions with every region well.
    pub(crate) table: RoutingTable,
    /// The regions that take anybody.
    pub(crate) regions: Vec<RegionId>,
    /// Where each country is sent.
    pub(crate) decisions: BTreeMap<Country, RegionId>,
    /// Every region by preference, for those whose country is unknown.
    pub(crate) default: Vec<RegionId>,
    /// Countries that are not simply sent to the nearest region, then the next, and so on, with
    /// every region by preference.
    pub(crate) exceptions: BTreeMap<Country, Vec<RegionId>>,
}

impl World {
    /// Compiles the repository's files and writes the database.
    pub(crate) fn new() -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dns");
        fs::create_dir_all(&dir).unwrap();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
        let registry = Registry::from_dir(&repository.join("regions")).unwrap();
        let addresses = Addresses::embedded();
        let table = table(registry);
        let unknown: Subnet = "0.0.0.0/0".parse().unwrap();
        let default = preference(&table, registry, unknown);
        let regions: Vec<RegionId> = registry.all().filter(|it| default.contains(it)).collect();
        let mut decisions = BTreeMap::new();
        for (host, country, region) in table.decisions() {
            if host.trim_end_matches('.') != GEO {
                continue;
            }
            match country {
                Some(country) => drop(decisions.insert(country, region)),
                None => assert_eq!(region, default[0], "the unknown are sent to one place"),
            }
        }
        let exceptions = exceptions(&addresses, &table, registry, &regions);
        let database = dir.join("world.mmdb");
        let file = mmdb::encode(&addresses, BUILD_EPOCH);
        mmdb::check(&file, &addresses);
        fs::write(&database, file).unwrap();
        Self {
            dir,
            repository,
            addresses,
            database,
            table,
            regions,
            decisions,
            default,
            exceptions,
        }
    }

    /// The fixed name of a region.
    pub(crate) fn fixed(region: RegionId) -> String {
        format!("{region}.{GEO}")
    }

    /// A directory of its own, empty.
    pub(crate) fn fresh_dir(&self, name: &str) -> PathBuf {
        let dir = self.dir.join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir).unwrap();
        }
        fs::create_dir(&dir).unwrap();
        dir
    }
}

/// The decisions of the repository's regions and zone with every region well.
pub(crate) fn table(registry: Registry) -> RoutingTable {
    let sources = Sources::new(registry, vec![Zone::embedded()]);
    let ground = Ground::new(&sources, SystemTime::UNIX_EPOCH).unwrap();
    RoutingTable::compile(Arc::new(ground), Live::new())
}

/// The regions that take a network's clients, the first choice first.
fn preference(table: &RoutingTable, registry: Registry, network: Subnet) -> Vec<RegionId> {
    let explained = table.explain(GEO, network).unwrap();
    let taking = explained.candidates.iter().filter(|candidate| candidate.skipped.is_none());
    taking.map(|candidate| registry.by_name(&candidate.region).unwrap()).collect()
}

/// gdnsd ranks by distance itself; what our policy says otherwise it must be told.
fn exceptions(
    addresses: &Addresses,
    table: &RoutingTable,
    registry: Registry,
    regions: &[RegionId],
) -> BTreeMap<Country, Vec<RegionId>> {
    let mut exceptions = BTreeMap::new();
    for (country, address) in addresses.one_of_each() {
        let bits = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
        let ours = preference(table, registry, Subnet::new(address, bits).unwrap());
        let centre = addresses.centres.get(&country).and_then(|centre| centre.coordinates);
        let nearest = centre.map(|centre| {
            let mut nearest = regions.to_vec();
            let distance = |region: &RegionId| region.coordinates.distance_km(&centre);
            nearest.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
            nearest
        });
        if nearest.as_ref() != Some(&ours) {
            exceptions.insert(country, ours);
        }
    }
    exceptions
}
