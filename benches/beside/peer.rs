//! The limit: pgbench, PostgreSQL's own load driver, on the same server.

use std::path::PathBuf;
use std::process::Command;

use meridian::demo::bundle;
use meridian::store::{DatabaseUrl, sql};

use crate::lab;

/// Flights and days that the accepting script spreads over.
pub(crate) const FLIGHTS: usize = 64;
/// One of them, as pgbench draws it.
const FLIGHT: &str = "'B' || :flight::text";

/// Ours and the peer's best rate, driven in turns.
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) peers: f64,
}

impl Pair {
    pub(crate) const NONE: Self = Self { ours: 0.0, peers: 0.0 };

    pub(crate) fn best(self, ours: f64, peers: f64) -> Self {
        Self { ours: self.ours.max(ours), peers: self.peers.max(peers) }
    }

    pub(crate) fn ratio(&self) -> f64 {
        (self.ours / self.peers * 1000.0).round() / 1000.0
    }
}

fn pgbench(url: &DatabaseUrl) -> Command {
    let (host, user, _) = url.host_user_port();
    let program = bundle::find().unwrap().dir.join("pgbench");
    assert!(program.exists(), "no pgbench at {}; install PostgreSQL's contrib", program.display());
    let mut command = Command::new(program);
    command.args(["-h", &host, "-U", &user]);
    command
}

/// Makes pgbench's own tables, scale 1: 100,000 rows.
pub(crate) fn prepare(url: &DatabaseUrl) {
    let made = pgbench(url).args(["-i", "-q", url.database_name()]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Point selects per second.
pub(crate) fn select(url: &DatabaseUrl, connections: usize, seconds: u64) -> f64 {
    rate(pgbench(url).args(["-S", "-n", "-M", "prepared"]), url, connections, seconds)
}

fn rate(command: &mut Command, url: &DatabaseUrl, connections: usize, seconds: u64) -> f64 {
    let (connections, seconds) = (connections.to_string(), seconds.to_string());
    command.args(["-c", &connections, "-j", "2", "-T", &seconds, url.database_name()]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
    let errors = String::from_utf8_lossy(&output.stderr);
    // A statement that fails ends its client, and pgbench goes on to a rate of the others.
    assert!(output.status.success(), "pgbench said {text} {errors}");
    tps.unwrap_or_else(|| panic!("pgbench said {text} {errors}")).parse().unwrap()
}

/// BEGIN, the statement that accepts an order, the one that holds its seats, COMMIT: for pgbench.
pub(crate) struct Acceptance {
    dir: PathBuf,
}

impl Drop for Acceptance {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Acceptance {
    /// Repeats the order that the API accepted last: of its values only the ids, the keys and the
    /// flight differ.
    pub(crate) async fn of_the_last_order(url: &DatabaseUrl) -> Self {
        let dir =
            std::env::temp_dir().join(format!("meridian-bench-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("accept.sql"), script(&last_order(url).await)).unwrap();
        Self { dir }
    }

    fn command(&self, url: &DatabaseUrl) -> Command {
        let mut command = pgbench(url);
        command.args(["-n", "-M", "prepared", "--max-tries=40", "-f"]);
        command.arg(self.dir.join("accept.sql"));
        command
    }

    /// Accepted orders per second, as many as go.
    pub(crate) fn rate(&self, url: &DatabaseUrl, connections: usize, seconds: u64) -> f64 {
        rate(&mut self.command(url), url, connections, seconds)
    }

    /// Microseconds that each acceptance took from the moment when it should have begun. pgbench
    /// spreads the beginnings by chance (Poisson).
    pub(crate) fn latencies(
        &self,
        url: &DatabaseUrl,
        connections: usize,
        seconds: u64,
        per_second: f64,
    ) -> Vec<u64> {
        let mut command = self.command(url);
        command.args(["-R", &format!("{per_second:.0}"), "-l", "--log-prefix"]);
        command.arg(self.dir.join("took"));
        rate(&mut command, url, connections, seconds);
        let mut took = Vec::new();
        for entry in std::fs::read_dir(&self.dir).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().starts_with("took") {
                // "client number microseconds …"; an acceptance that failed has a word there.
                let lines = std::fs::read_to_string(entry.path()).unwrap();
                let times = lines.lines().map(|line| line.split(' ').nth(2).unwrap().parse());
                took.extend(times.map(|time| time.unwrap_or(u64::MAX)));
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
        took
    }
}

/// The values of an order as text, bytes in hex.
#[expect(clippy::disallowed_methods, reason = "a bench looks beside the store")]
async fn last_order(url: &DatabaseUrl) -> Vec<String> {
    let text = "SELECT ARRAY[o.region::text, o.traveller_id::text, k.location,
            encode(k.body, 'hex'), o.owner, encode(convert_to(o.itinerary::text, 'UTF8'), 'hex'),
            o.total_minor::text, o.currency, o.flown_at::date::text, encode(p.given_name, 'hex'),
            encode(p.family_name, 'hex'), encode(p.born_on, 'hex'), s.departs_from,
            s.departs_on::text, s.cabin]
        FROM orders AS o
        JOIN idempotency_key AS k ON k.location LIKE '%' || replace(o.id::text, '-', '')
        JOIN order_passenger AS p ON p.order_id = o.id
        JOIN seat_hold AS s ON s.order_id = o.id
        ORDER BY o.created_at DESC LIMIT 1";
    lab::connect(url).await.query_one(text, &[]).await.unwrap().get(0)
}

/// The catalogue's own statements with an order's values in place of parameters.
fn script(order: &[String]) -> String {
    let [
        region,
        traveller,
        location,
        body,
        owner,
        itinerary,
        total,
        currency,
        flown,
        given,
        family,
        born,
        country,
        day,
        cabin,
    ] = order
    else {
        panic!("the question asks for as many values");
    };
    let bytes = |hex: &str| format!("'\\x{hex}'::bytea");
    let hash = "decode(md5(random()::text) || md5(random()::text), 'hex')";
    let date = format!("DATE '{day}'");
    let accept = fill(
        sql::orders::order_accept.text,
        &[
            &quoted(region),
            &quoted(traveller),
            hash,
            hash,
            &quoted(location),
            &bytes(body),
            "gen_random_uuid()",
            "'hold'",
            &quoted(owner),
            "10000",
            // pgbench would take parts of its times for variables.
            &format!("convert_from({}, 'UTF8')", bytes(itinerary)),
            total,
            &quoted(currency),
            "NULL",
            "now()",
            &list("1"),
            &list(&bytes(given)),
            &list(&bytes(family)),
            &list(&bytes(born)),
            &list("1"),
            &list(&quoted(country)),
            &list(FLIGHT),
            &list(&date),
            &quoted(cabin),
            "1",
            &quoted(flown),
        ],
    );
    let hold = hold(country, &date, cabin);
    format!(
        "\\set flight random(1, {FLIGHTS})\nBEGIN ISOLATION LEVEL SERIALIZABLE;\n{accept};\n\
         {hold};\nCOMMIT;\n"
    )
}

fn hold(country: &str, date: &str, cabin: &str) -> String {
    let (country, cabin) = (list(&quoted(country)), quoted(cabin));
    let values = [&country, &list(FLIGHT), &list(date), "ARRAY[10000000]", &cabin, "1"];
    fill(sql::inventory::seats_hold.text, &values)
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

fn list(value: &str) -> String {
    format!("ARRAY[{value}]")
}

/// Puts values in place of `$1`, `$2`, …; the last first, so that `$1` does not eat into `$12`.
fn fill(statement: &str, values: &[&str]) -> String {
    let lines: Vec<&str> = statement.lines().filter(|line| !line.starts_with("--")).collect();
    let mut text =
        lines.join(" ").replace("::text::crdb_internal_region", "::crdb_internal_region");
    let next = format!("${}", values.len() + 1);
    assert!(!text.contains(&next), "the statement has more parameters than {}", values.len());
    for (index, value) in values.iter().enumerate().rev() {
        text = text.replace(&format!("${}", index + 1), value);
    }
    text
}
