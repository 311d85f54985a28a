//! Figures of the audit: how long it looks at a million personal rows and how much memory it takes,
//! how fast a bundle is verified, whether chance ever gets past the verifier, and what sealing adds
//! to a booking. `--rows N` for another number of rows. The last line is JSON.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop loudly")]
#![expect(dead_code, reason = "the tests' lab knows more than the bench needs")]

#[path = "../tests/it/asker.rs"]
mod asker;
#[path = "../tests/it/authority.rs"]
mod authority;
#[path = "../tests/it/lab.rs"]
mod lab;
#[path = "../evidence/tests/it/mutant.rs"]
mod mutant;

use std::fs;
use std::path::Path;

use meridian::clock::Clock;
use meridian::privacy::audit::report::{self, Wanted};
use meridian::privacy::keys::evidence_key;
use meridian::privacy::seal::{Place, RegionKey};
use meridian_evidence::bundle::Writer;
use meridian_evidence::verify::{Verdict, verify};
use serde_json::json;

use crate::asker::{Person, an_offer, instant, new_key};
use crate::lab::{Lab, Plan, count, sql};

/// As the program itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Personal rows of one traveller that is made: the account, a session, two orders with a
/// passenger, two events, a payment and a seat each.
const ROWS_EACH: u64 = 12;
/// Records of the bundle whose verification is measured.
const RECORDS: u64 = 300_000;
/// Mutations of a small bundle.
const MUTATIONS: u64 = 10_000;
/// Bookings, and seals of one booking's fields, that are timed.
const BOOKINGS: u32 = 40;
const SEALS: u32 = 20_000;

/// Travellers of every region with everything that hangs on them, by set.
fn rows(travellers: u64) -> String {
    let regions = "(ARRAY['eu-central','eu-west','us-east','ap-southeast'])[1 + n % 4]";
    let countries = "(ARRAY['DE','FR','US','SG'])[1 + n % 4]";
    let id = |kind: u8| format!("md5('{kind}' || n)::uuid");
    let (who, one, two) = (id(0), id(1), id(2));
    format!(
        "CREATE TEMP TABLE made AS SELECT n, {regions}::text AS region,
             {countries} AS country, {who} AS who, {one} AS one, {two} AS two
             FROM generate_series(1, {travellers}) AS g (n);
         INSERT INTO traveller (region, id, residence_country, subject_hash, email, password_hash,
             data_key) SELECT region, who, country, decode(md5('s' || n), 'hex'), ''::bytea, '',
             ''::bytea FROM made;
         INSERT INTO login_directory SELECT decode(md5('s' || n), 'hex'), region FROM made;
         INSERT INTO session (region, token_hash, traveller_id, expires_at)
             SELECT region, decode(md5('t' || n), 'hex'), who, now() + interval '1 day' FROM made;
         INSERT INTO orders (region, id, traveller_id, kind, state, version, epoch, attempts,
             itinerary, total_minor, currency, flown_at)
             SELECT region, o, who, 'instant', 'ticketed', 1, 1, 0, '{{}}', 100, 'EUR',
             now() + interval '30 days' FROM made, unnest(ARRAY[one, two]) AS u (o);
         INSERT INTO order_passenger SELECT region, o, 1, ''::bytea, ''::bytea, ''::bytea
             FROM made, unnest(ARRAY[one, two]) AS u (o);
         INSERT INTO order_event (region, order_id, seq, kind, state, body)
             SELECT region, o, s, 'order.confirmed', 'ticketed', '{{}}'
             FROM made, unnest(ARRAY[one, two]) AS u (o), generate_series(0, 1) AS v (s);
         INSERT INTO seat_hold (region, order_id, position, departs_from, flight, departs_on, cabin,
             seats, state) SELECT region, o, 1, 'DE', 'XX1', now()::date, 'economy', 1, 'sold'
             FROM made, unnest(ARRAY[one, two]) AS u (o);
         ANALYZE"
    )
}

/// Most memory that this process has had, in MiB.
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// A bundle of many records; its bytes.
fn large(dir: &Path) -> u64 {
    let signer = mutant::signer();
    let mut writer = Writer::create(dir).unwrap();
    let mut records = writer.records("report.ndjson").unwrap();
    for n in 0..RECORDS {
        let body = json!({ "table": "order_passenger", "region": "eu-central", "rows": n });
        records.record("2026-01-01T00:00:00Z", "observed", None, body).unwrap();
    }
    records.close().unwrap();
    writer.finish(&signer, "2026-01-01T00:00:00Z", &[], "a bench").unwrap();
    fs::metadata(dir.join("report.ndjson")).unwrap().len()
}

/// What sealing a booking's fields takes, as a share of the whole request.
async fn seal_ratio() -> f64 {
    let lab = Lab::plan(Plan { regions: vec!["eu-central"], work: false, ..Plan::default() }).await;
    let ada = Person::berliner(&lab).await;
    let offer = an_offer(&lab).await;
    ada.book(&new_key(), &instant(&offer, "Lovelace", "tok_visa")).await.is(202);
    let started = Clock::instant();
    for _ in 0..BOOKINGS {
        ada.book(&new_key(), &instant(&offer, "Lovelace", "tok_visa")).await.is(202);
    }
    let request = started.elapsed().as_secs_f64() / f64::from(BOOKINGS);
    let key = RegionKey::new(lab.region("eu-central"), [1; 32]);
    let id = uuid::Uuid::new_v4();
    let (_, wrapped) = key.make_data_key(id);
    let started = Clock::instant();
    for _ in 0..SEALS {
        let data_key = key.unwrap_data_key(id, &wrapped).unwrap();
        for column in ["given_name", "family_name", "born_on", "payment_token"] {
            let place = Place { table: "order_passenger", column, row: id };
            std::hint::black_box(data_key.seal(place, "Lovelace-Byron"));
        }
    }
    let seals = started.elapsed().as_secs_f64() / f64::from(SEALS);
    println!("a booking {:.0} us, its seals {:.1} us", request * 1e6, seals * 1e6);
    request / (request - seals)
}

fn main() {
    let wanted = std::env::args().skip_while(|it| it != "--rows").nth(1);
    let wanted: u64 = wanted.map_or(1_000_000, |it| it.parse().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (rows, seconds, rss, ratio) = runtime.block_on(async {
        let lab = Lab::plan(Plan { work: false, ..Plan::default() }).await;
        sql(&lab.database, &rows(wanted.div_ceil(ROWS_EACH))).await;
        let total: i64 = {
            let mut total = 0;
            for table in
                ["traveller", "session", "orders", "order_passenger", "order_event", "seat_hold"]
            {
                total += count(&lab.database, &format!("SELECT count(*) FROM {table}")).await;
            }
            total
        };
        println!("{total} personal rows");
        let dir = mutant::Dir::new("bench-audit");
        let signer = evidence_key(&lab.keys.0, lab.region("eu-central")).unwrap();
        let wanted = Wanted { window_days: 30, samples: 20, canary: None, only: None };
        let store = &lab.running("eu-central").api.store;
        let started = Clock::instant();
        let written = report::write(store, lab.registry, &wanted, &signer, &dir.0).await.unwrap();
        let seconds = started.elapsed().as_secs_f64();
        let found = written.report.violations;
        assert!(found.is_empty(), "{:?}", &found[..found.len().min(3)]);
        (total, seconds, peak_mib(), seal_ratio().await)
    });
    let dir = mutant::Dir::new("bench-verify");
    let bytes = large(&dir.0);
    let started = Clock::instant();
    let verdict = verify(&dir.0, &[mutant::signer().public()]);
    let took = started.elapsed().as_secs_f64();
    assert!(matches!(verdict, Verdict::Sound(_)), "{verdict:?}");
    #[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
    let speed = bytes as f64 / 1e6 / took;
    let accepted = mutant::run(mutant::SEED, MUTATIONS).accepted;
    let round = |figure: f64| (figure * 1000.0).round() / 1000.0;
    println!(
        "{}",
        json!({
            "rows": rows, "seconds": round(seconds), "rss_mib": round(rss),
            "verify_mb_per_s": round(speed), "mutations": MUTATIONS, "accepted": accepted,
            "seal_ratio": round(ratio),
        })
    );
}
