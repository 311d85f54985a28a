//! The limit: pgbench, PostgreSQL's own load driver, on the same server.

use std::path::PathBuf;
use std::process::Command;

use meridian::demo::bundle;
use meridian::store::{DatabaseUrl, sql};

/// Flights and days that the accepting script spreads over; as many as the API's side.
const FLIGHTS: u32 = 64;

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

/// Accepted orders per second: BEGIN, the statement that accepts, the one that holds seats, COMMIT.
pub(crate) fn accept(url: &DatabaseUrl, connections: usize, seconds: u64, traveller: &str) -> f64 {
    let script = script(traveller);
    let path: PathBuf =
        std::env::temp_dir().join(format!("meridian-bench-{}.sql", uuid::Uuid::new_v4().simple()));
    std::fs::write(&path, script).unwrap();
    let mut command = pgbench(url);
    command.args(["-n", "-M", "prepared", "--max-tries=40", "-f"]).arg(&path);
    let rate = rate(&mut command, url, connections, seconds);
    std::fs::remove_file(&path).unwrap();
    rate
}

fn rate(command: &mut Command, url: &DatabaseUrl, connections: usize, seconds: u64) -> f64 {
    let (connections, seconds) = (connections.to_string(), seconds.to_string());
    command.args(["-c", &connections, "-j", "2", "-T", &seconds, url.database_name()]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
    let errors = String::from_utf8_lossy(&output.stderr);
    tps.unwrap_or_else(|| panic!("pgbench said {text} {errors}")).parse().unwrap()
}

/// The catalogue's own statements with values of the same size as the API's in place of parameters.
fn script(traveller: &str) -> String {
    let uuid = traveller.rsplit('_').next().unwrap();
    let sealed = "'\\x".to_owned() + &"ab".repeat(36) + "'::bytea";
    let random = "decode(md5(random()::text) || md5(random()::text), 'hex')";
    let order = "gen_random_uuid()";
    let segment = "{\"flight\": \"E1234\", \"carrier\": \"Aurora Lines\", \"origin\": \"FRA\"}";
    let itinerary = format!("'{{\"slices\": [{}]}}'::jsonb", [segment; 4].join(", "));
    let values = |list: &str| format!("ARRAY[{list}]");
    let accept = fill(
        sql::orders::order_accept.text,
        &[
            "'eu-central'",
            &format!("'{uuid}'"),
            random,
            random,
            "'/v1/orders/ord_euc1_0'",
            &format!("'\\x{}'::bytea", "cd".repeat(1200)),
            order,
            "'hold'",
            "'bench'",
            "10000",
            &itinerary,
            "12345",
            "'EUR'",
            "NULL",
            "now()",
            &values("1"),
            &values(&sealed),
            &values(&sealed),
            &values(&sealed),
            &values("1"),
            &values("'eu-central'"),
            &values("'B' || :flight::text"),
            &values("DATE '2027-01-01'"),
            "'economy'",
            "1",
        ],
    );
    let hold = fill(
        sql::inventory::seats_hold.text,
        &[
            &values("'eu-central'"),
            &values("'B' || :flight::text"),
            &values("DATE '2027-01-01'"),
            &values("10000000"),
            "'economy'",
            "1",
        ],
    );
    format!(
        "\\set flight random(1, {FLIGHTS})\nBEGIN ISOLATION LEVEL SERIALIZABLE;\n{accept};\n\
         {hold};\nCOMMIT;\n"
    )
}

/// Puts values in place of `$1`, `$2`, …; the last first, so that `$1` does not eat into `$12`.
fn fill(statement: &str, values: &[&str]) -> String {
    let lines: Vec<&str> = statement.lines().filter(|line| !line.starts_with("--")).collect();
    let mut text =
        lines.join(" ").replace("::text::crdb_internal_region", "::crdb_internal_region");
    for (index, value) in values.iter().enumerate().rev() {
        text = text.replace(&format!("${}", index + 1), value);
    }
    text
}
