//! How long a change of the address database takes while questions come in, and what it costs: a
//! database of cities a hundred times as large as the embedded table.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::clock;
use crate::load::{self, Paced};
use crate::peers;
use crate::process::{Memory, free_address};
use crate::questions::Questions;
use crate::world::World;

/// Questions a second meanwhile: a busy site's, and far from what the server can do.
const RATE: f64 = 20_000.0;

/// The load before the change and after it.
const CALM: Duration = Duration::from_secs(1);

/// How long a change may take at most before it counts as not done.
const CHANGE_MAX: Duration = Duration::from_secs(60);

/// How often the server is asked whether it is done.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What counts the databases that our server took into use.
const LOADS: &str = "geo_routing_geo_db_loads_total";

/// What gdnsd logs when it has taken one into use.
const GDNSD_LOADED: &str = "runtime db updated";

/// What a change of database cost.
pub(crate) struct Reload {
    /// From the new file's appearance until it was in use; nothing if it never was.
    pub(crate) took: Option<Duration>,
    pub(crate) paced: Paced,
    pub(crate) memory: Memory,
}

/// Where scripts/install-dns-peers puts the database of cities.
pub(crate) fn cities() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("meridian/city.mmdb")).filter(|path| path.is_file())
}

/// Puts a new file in the place of the one in use, by renaming, while questions come in.
pub(crate) fn measure(world: &World, asked: &Questions, cities: &Path, name: &str) -> Reload {
    let dir = world.fresh_dir("cities");
    let (used, new) = (dir.join("used.mmdb"), dir.join("new.mmdb"));
    fs::copy(cities, &used).unwrap();
    fs::copy(cities, &new).unwrap();
    // gdnsd tells files apart by the second they were changed in.
    fs::File::options().write(true).open(&used).unwrap().set_modified(UNIX_EPOCH).unwrap();
    let admin = free_address();
    let server = match name {
        "gdnsd" => peers::gdnsd(world, &used),
        _ => {
            let flags = ["--geo-db", used.to_str().unwrap(), "--admin", &admin.to_string()];
            peers::ours(world, "cities", &flags)
        }
    };
    let loads = || match name {
        "gdnsd" => server.log().matches(GDNSD_LOADED).count() as f64,
        _ => counted(admin),
    };
    let before = loads();
    let (took, paced) = thread::scope(|scope| {
        let change = scope.spawn(|| {
            thread::sleep(CALM);
            let began = clock::instant();
            fs::rename(&new, &used).unwrap();
            let took = time_until(began, || loads() > before);
            thread::sleep(CALM);
            took
        });
        let paced = load::pace(&server, asked, RATE, |_| change.is_finished());
        (change.join().unwrap(), paced)
    });
    let memory = server.memory();
    drop(server);
    fs::remove_dir_all(dir).unwrap();
    Reload { took, paced, memory }
}

fn time_until(began: Instant, mut done: impl FnMut() -> bool) -> Option<Duration> {
    while began.elapsed() < CHANGE_MAX {
        if done() {
            return Some(began.elapsed());
        }
        thread::sleep(LOOK_EVERY);
    }
    None
}

/// How many databases our server took into use, by its own count.
fn counted(admin: SocketAddr) -> f64 {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let counts = text.lines().filter(|line| line.starts_with(LOADS));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
