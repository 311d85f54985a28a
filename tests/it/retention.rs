//! What the data map says is over is really gone, and what is not yet stays.

use std::process::Command;

use serde_json::Value;

use crate::asker::Person;
use crate::lab::{Lab, count, sql, until};
use crate::processes::url_text;

/// For each table that the sweeper cleans: how an old row and a young one are made there.
const ROWS: [(&str, &str); 7] = [
    (
        "inventory",
        "INSERT INTO inventory (region, flight, departs_on, cabin, capacity, held, sold)
        SELECT 'eu-central', f, now()::date - d, 'economy', 1, 0, 0
        FROM (VALUES ('XX1', 32), ('XX2', 3)) AS v (f, d)",
    ),
    (
        "tombstone",
        "INSERT INTO tombstone SELECT decode(h, 'hex'), now() - d * interval '1 day'
        FROM (VALUES ('aa', 402), ('bb', 10)) AS v (h, d)",
    ),
    (
        "staff_grant",
        "INSERT INTO staff_grant SELECT 'eu-central', decode(h, 'hex'),
        gen_random_uuid(), 'compliance', 'x', now(), now() - d * interval '1 day'
        FROM (VALUES ('aa', 1), ('bb', -1)) AS v (h, d)",
    ),
    (
        "locality_verdict",
        "INSERT INTO locality_verdict SELECT 'eu-central', gen_random_uuid(), 0,
        '{}', now() - d * interval '1 day' FROM (VALUES (91), (1)) AS v (d)",
    ),
    (
        "privacy_archive",
        "INSERT INTO privacy_request (region, id, traveller_id, kind, state,
        asked_by, answer_by, done_at) SELECT 'eu-central', gen_random_uuid(), id, 'export', 'done',
        'operator', now(), now() FROM traveller
        WHERE id = (SELECT max(id::text)::uuid FROM traveller);
        INSERT INTO privacy_archive SELECT 'eu-central', id, d, '', now() - d * interval '1 day'
        FROM privacy_request, (VALUES (1), (-1)) AS v (d)",
    ),
    (
        "traveller",
        "UPDATE traveller SET erased_at = now() - interval '31 days', data_key = ''
        WHERE id = (SELECT min(id::text)::uuid FROM traveller)",
    ),
    (
        "orders",
        "INSERT INTO orders (region, id, traveller_id, kind, state, version, epoch, attempts,
        itinerary, total_minor, currency, flown_at) SELECT 'eu-central', gen_random_uuid(), t.id,
        'instant', 'anonymised', 0, 0, 0, '{}', 1, 'EUR', now() - d * interval '1 day'
        FROM traveller AS t, (VALUES (3655), (1)) AS v (d) WHERE t.erased_at IS NULL",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_goes_and_the_rest_stays() {
    let lab = Lab::start().await;
    for _ in 0..2 {
        Person::berliner(&lab).await;
    }
    for (_, rows) in ROWS {
        sql(&lab.database, rows).await;
    }
    for (table, _) in ROWS {
        // Of each an old row and a young one were made; of travellers, one was erased.
        // The house looks at itself meanwhile, and that is a young row more.
        let own = if table == "locality_verdict" { "WHERE body = '{}'" } else { "" };
        let left = format!("SELECT count(*) FROM {table} {own}");
        until(table, || async { count(&lab.database, &left).await == 1 }).await;
    }
    let kept = "SELECT count(*) FROM traveller WHERE erased_at IS NULL";
    assert_eq!(count(&lab.database, kept).await, 1, "whoever was not erased stays");
    until("what was deleted is written down", || async {
        let swept = "SELECT (SELECT count(*) FROM evidence_intake WHERE kind = 'retention.swept')
            + (SELECT count(*) FROM evidence WHERE record LIKE '%retention.swept%')";
        count(&lab.database, swept).await >= 7
    })
    .await;
}

#[test]
fn every_table_that_the_sweeper_cleans_is_tried() {
    use meridian::store::datamap;
    use meridian::store::retention::{Rule, rules};
    let mut swept: Vec<String> = rules(datamap::tables())
        .into_iter()
        .filter(Rule::is_swept_here)
        .map(|rule| rule.table)
        .collect();
    swept.sort();
    let mut tried = ROWS.map(|(table, _)| table.to_owned());
    tried.sort();
    assert_eq!(swept, tried);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compliance_officer_reads_what_the_map_says() {
    let lab = Lab::without_worker().await;
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_meridian")).args(args).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = run(&["privacy", "records"]);
    assert_eq!(code, Some(0), "{said}");
    let records: Value = serde_json::from_str(&said).unwrap();
    assert!(records["activities"].as_array().unwrap().len() >= 10);
    let (code, said) = run(&["privacy", "records", "--format", "csv"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("controller,contact,data_protection_officer,purpose"), "{said}");
    let (code, said) = run(&["privacy", "fides"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        serde_json::from_str::<Value>(&said).unwrap()["dataset"][0]["fides_key"],
        "meridian"
    );
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/data-map.toml");
    assert_eq!(run(&["privacy", "map", shipped]).0, Some(0));
    let broken = lab.keys.0.join("map.toml");
    let text = std::fs::read_to_string(shipped).unwrap();
    std::fs::write(&broken, text.replacen("class = \"personal\"", "class = \"secret\"", 1))
        .unwrap();
    let (code, said) = run(&["privacy", "map", broken.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("[") && said.contains("class: unknown variant `secret`"), "{said}");
    assert_eq!(run(&["privacy", "records", "--map", "/nowhere"]).0, Some(1));
    let url = url_text(&lab.database);
    let (code, said) = run(&["privacy", "retention", "--database-url", &url]);
    assert_eq!(code, Some(0), "{said}");
    sql(&lab.database, ROWS[3].1).await;
    let (code, said) = run(&["privacy", "retention", "--database-url", &url]);
    assert_eq!(code, Some(0), "a day of grace: {said}");
    sql(&lab.database, "UPDATE locality_verdict SET taken_at = now() - interval '95 days'").await;
    let (code, said) = run(&["privacy", "retention", "--database-url", &url]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("OVERDUE"), "{said}");
}
