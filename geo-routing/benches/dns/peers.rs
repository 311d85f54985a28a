//! The name servers that are compared, each told the same world in its own words, with one worker.
//!
//! What a peer does by default it does here too, except for what is not the subject: no privileges
//! are dropped, nothing is asked of the network, and no more than warnings are logged.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use meridian_regions::RegionId;

use crate::process::{Process, free_address};
use crate::world::{GEO, GEO_TTL, ORIGIN, STATIC_TTL, World};

/// Our own server with one worker, unlimited, and no prober.
pub(crate) fn ours(world: &World, name: &'static str, flags: &[&str]) -> Process {
    let address = free_address();
    let listen = address.to_string();
    let zones = world.repository.join("geo-routing/zones/meridian.toml");
    let regions = world.repository.join("regions");
    let other = std::env::var("MERIDIAN_BENCH_SERVER");
    let binary = other.as_deref().unwrap_or(env!("CARGO_BIN_EXE_geo-routing"));
    let mut command = vec![binary, "serve", "--listen", &listen];
    command.extend(["--zones", path(&zones), "--regions", path(&regions), "--workers", "1"]);
    command.extend(["--no-probes", "--rrl-records", "0", "--rrl-negatives", "0"]);
    command.extend(flags);
    Process::start(name, &world.dir, address, GEO, &command)
}

/// This program again, as one of the servers it is made of.
pub(crate) fn own_child(world: &World, name: &'static str, role: &str) -> Process {
    let address = free_address();
    let program = env::current_exe().unwrap();
    let command = [path(&program), role, &address.to_string()];
    Process::start(name, &world.dir, address, GEO, &command)
}

/// gdnsd finds the nearest region itself, by the coordinates in the database, and is told what our
/// policy says otherwise.
pub(crate) fn gdnsd(world: &World, database: &Path) -> Process {
    let dir = world.fresh_dir("gdnsd");
    for inner in ["zones", "run", "state"] {
        fs::create_dir(dir.join(inner)).unwrap();
    }
    let address = free_address();
    fs::write(dir.join("config"), gdnsd_config(world, &dir, database, address)).unwrap();
    let mut zone = zone_file(world);
    writeln!(zone, "{GEO}. {GEO_TTL} DYNA geoip!api").unwrap();
    fs::write(dir.join("zones").join(ORIGIN), zone).unwrap();
    let command = [&program("gdnsd"), "-c", path(&dir), "start"];
    Process::start("gdnsd", &world.dir, address, GEO, &command)
}

fn gdnsd_config(world: &World, dir: &Path, database: &Path, address: SocketAddr) -> String {
    let dir = path(dir);
    let mut config = format!(
        "options => {{\n\
           listen => {address}\n udp_threads => 1\n tcp_threads => 1\n\
           run_dir => {dir}/run\n state_dir => {dir}/state\n\
         }}\n\
         plugins => {{ geoip => {{\n\
         maps => {{ world => {{\n\
           geoip2_db => {}\n datacenters => [{}]\n auto_dc_limit => 0\n auto_dc_coords => {{\n",
        path(database),
        joined(&world.default),
    );
    for region in &world.regions {
        let at = region.coordinates;
        writeln!(config, " {region} => [{}, {}]", at.latitude, at.longitude).unwrap();
    }
    config.push_str(" }\n map => {\n");
    // By continent, then by country; within both, what is not said is left to the distance.
    let mut continents = BTreeMap::<&str, String>::new();
    for (country, regions) in &world.exceptions {
        let Some(centre) = world.addresses.centres.get(country) else { continue };
        let lines = continents.entry(&centre.continent).or_default();
        writeln!(lines, "  {country} => [{}]", joined(regions)).unwrap();
    }
    for (continent, lines) in continents {
        write!(config, " {continent} => {{\n{lines} }}\n").unwrap();
    }
    config.push_str(" }\n }}\n resources => { api => {\n map => world\n service_types => up\n");
    config.push_str(" dcmap => {\n");
    for region in &world.regions {
        let ends = &region.endpoints;
        let (v4, v6) = (joined(&ends.ipv4), joined(&ends.ipv6));
        writeln!(config, "  {region} => {{ addrs_v4 => [{v4}], addrs_v6 => [{v6}] }}").unwrap();
    }
    config.push_str(" }\n }}\n}}\n");
    config
}

/// Knot looks the country up and is told the region of each.
pub(crate) fn knot(world: &World) -> Process {
    let dir = world.fresh_dir("knot");
    let address = free_address();
    let mut zone = zone_file(world);
    for address in addresses(world.default[0]) {
        writeln!(zone, "{GEO}. {GEO_TTL} {}", record(address)).unwrap();
    }
    fs::write(dir.join("zone"), zone).unwrap();
    let mut choices = format!("{GEO}:\n");
    let countries = world.decisions.iter().map(|(country, region)| (country.code(), *region));
    for (country, region) in countries.chain([("*", world.default[0])]) {
        writeln!(choices, "  - geo: \"{country}\"").unwrap();
        for address in addresses(region) {
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            writeln!(choices, "    {kind}: {address}").unwrap();
        }
    }
    fs::write(dir.join("choices"), choices).unwrap();
    let (ip, port) = (address.ip(), address.port());
    let (home, database) = (path(&dir), path(&world.database));
    let config = format!(
        "server:\n\
         \x20   listen: {ip}@{port}\n\
         \x20   rundir: {home}\n\
         \x20   udp-workers: 1\n\
         \x20   tcp-workers: 1\n\
         \x20   background-workers: 1\n\
         \x20   edns-client-subnet: on\n\
         database:\n\
         \x20   storage: {home}/database\n\
         log:\n\
         \x20 - target: stderr\n\
         \x20   any: warning\n\
         mod-geoip:\n\
         \x20 - id: api\n\
         \x20   config-file: {home}/choices\n\
         \x20   ttl: {GEO_TTL}\n\
         \x20   mode: geodb\n\
         \x20   geodb-file: {database}\n\
         \x20   geodb-key: country/iso_code\n\
         zone:\n\
         \x20 - domain: {ORIGIN}.\n\
         \x20   file: {home}/zone\n\
         \x20   zonefile-sync: -1\n\
         \x20   journal-content: none\n\
         \x20   module: mod-geoip/api\n"
    );
    let file = dir.join("config");
    fs::write(&file, config).unwrap();
    let command = [&program("knotd"), "--config", path(&file)];
    Process::start("knot", &world.dir, address, GEO, &command)
}

/// PowerDNS looks the country up and is told the region of each; it keeps its caches.
pub(crate) fn powerdns(world: &World) -> Process {
    let dir = world.fresh_dir("powerdns");
    let address = free_address();
    fs::write(dir.join("zones.yaml"), powerdns_zone(world)).unwrap();
    let (ip, port) = (address.ip(), address.port());
    let (home, database) = (path(&dir), path(&world.database));
    // An empty suffix keeps it from asking its maker for news.
    let config = format!(
        "local-address={ip}\nlocal-port={port}\nreceiver-threads=1\ndistributor-threads=1\n\
         launch=geoip\ngeoip-database-files=mmdb:{database}\n\
         geoip-zones-file={home}/zones.yaml\nedns-subnet-processing=yes\n\
         socket-dir={home}\ndaemon=no\nguardian=no\ndisable-syslog=yes\nloglevel=3\n\
         security-poll-suffix=\n"
    );
    fs::write(dir.join("pdns.conf"), config).unwrap();
    let command = [program("pdns_server"), format!("--config-dir={home}")];
    Process::start("powerdns", &world.dir, address, GEO, &[&command[0], &command[1]])
}

fn powerdns_zone(world: &World) -> String {
    let mut zone = format!("domains:\n- domain: {ORIGIN}\n  ttl: {STATIC_TTL}\n  records:\n");
    write!(
        zone,
        "    {ORIGIN}:\n\
         \x20     - soa: ns1.{ORIGIN} hostmaster.{ORIGIN} 1 7200 900 1209600 60\n\
         \x20     - ns: ns1.{ORIGIN}\n"
    )
    .unwrap();
    let mut records = |name: &str, region: RegionId, ttl: u32| {
        writeln!(zone, "    {name}:").unwrap();
        for address in addresses(region) {
            let kind = if address.is_ipv4() { "a" } else { "aaaa" };
            let content = format!("{{content: \"{address}\", ttl: {ttl}}}");
            writeln!(zone, "      - {kind}: {content}").unwrap();
        }
    };
    for region in &world.regions {
        records(&World::fixed(*region), *region, STATIC_TTL);
    }
    // What the host leads to: a name for each country, and one for whoever has none.
    for (country, region) in &world.decisions {
        records(&format!("{}.by-country.{ORIGIN}", country.code()), *region, GEO_TTL);
    }
    records(&format!("anywhere.{ORIGIN}"), world.default[0], GEO_TTL);
    let choices = format!("[\"%cc.by-country.{ORIGIN}\", \"anywhere.{ORIGIN}\"]");
    writeln!(zone, "  services:\n    {GEO}: {choices}").unwrap();
    zone
}

/// What is the same for everybody, as a master file (RFC 1035, 5).
fn zone_file(world: &World) -> String {
    let mut zone = format!(
        "$TTL {STATIC_TTL}\n$ORIGIN {ORIGIN}.\n\
         @ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n"
    );
    for region in &world.regions {
        for address in addresses(*region) {
            writeln!(zone, "{}. {}", World::fixed(*region), record(address)).unwrap();
        }
    }
    zone
}

fn joined(things: &[impl ToString]) -> String {
    things.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn record(address: IpAddr) -> String {
    let kind = if address.is_ipv4() { "A" } else { "AAAA" };
    format!("{kind} {address}")
}

fn addresses(region: RegionId) -> impl Iterator<Item = IpAddr> {
    let endpoints = region.endpoints.clone();
    let v4 = endpoints.ipv4.into_iter().map(IpAddr::V4);
    v4.chain(endpoints.ipv6.into_iter().map(IpAddr::V6))
}

/// A server's program; they lie where only an administrator's PATH leads.
fn program(name: &str) -> String {
    let path = env::var("PATH").unwrap_or_default();
    let dirs = path.split(':').chain(["/usr/local/sbin", "/usr/sbin"]);
    let found = dirs.map(|dir| format!("{dir}/{name}")).find(|it| Path::new(it).is_file());
    found.unwrap_or_else(|| panic!("{name} is missing; run scripts/install-dns-peers"))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("paths of a checkout are text")
}
