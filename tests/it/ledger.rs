//! What reached the wrong region is counted in the evidence, and nobody is named there.

use std::collections::BTreeMap;
use std::time::Duration;

use meridian::store::crash::Death;
use serde_json::Value;

use crate::asker::{Answer, Person, an_offer, instant, new_key};
use crate::authority::Authority;
use crate::lab::{Lab, Plan, connect, count, until};

/// Often enough for a test.
const SOON: Duration = Duration::from_millis(20);

/// Entries of the ledger as text, and the count of each kind, region of the row, route and home.
#[expect(clippy::disallowed_methods, reason = "a test reads beside the store")]
async fn written(lab: &Lab) -> (Vec<String>, BTreeMap<[String; 4], u64>) {
    let text = "SELECT region::text, kind, subject, body FROM evidence_intake
                WHERE kind LIKE 'residence.%' ORDER BY at, id";
    let rows = connect(&lab.database).await.query(text, &[]).await.unwrap();
    let (mut texts, mut sums) = (Vec::new(), BTreeMap::new());
    for row in rows {
        let (region, kind, body): (String, String, Value) = (row.get(0), row.get(1), row.get(3));
        assert_eq!(row.get::<_, Option<String>>(2), None, "an entry is about somebody");
        let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["count", "from", "home", "mechanism", "route"]);
        assert_eq!(body["from"], region);
        let by = if kind == "residence.refused" { "421" } else { "mutual-tls" };
        assert_eq!(body["mechanism"], by);
        let word = |field: &str| body[field].as_str().unwrap().to_owned();
        let line = [kind, region, word("route"), word("home")];
        *sums.entry(line).or_default() += body["count"].as_u64().unwrap();
        texts.push(body.to_string());
    }
    (texts, sums)
}

fn line(kind: &str, from: &str, route: &str, home: &str) -> [String; 4] {
    [kind, from, route, home].map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_and_passed_on_are_counted_by_route_and_home_and_nobody_is_named() {
    let peers = Some(Authority::new());
    let regions = vec!["eu-central", "eu-west", "us-east"];
    let plan = Plan { work: false, ledger_every: SOON, peers, regions, ..Plan::default() };
    let lab = Lab::plan(plan).await;
    let ada = Person::berliner(&lab).await;
    let order = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let (west, east) = (ada.via(&lab.url("eu-west")), ada.via(&lab.url("us-east")));
    for _ in 0..3 {
        east.book(&new_key(), &order).await.refuses(421, "misdirected");
        east.get("/v1/orders/ord_euc1_secret?q=canary").await.refuses(421, "misdirected");
        west.get("/v1/orders/ord_euc1_secret?q=canary").await.refuses(404, "not_found");
    }
    west.book(&new_key(), &order).await.is(202);
    // None of these is about personal data of another region.
    ada.get("/v1/orders").await.is(200);
    east.get("/v1/regions").await.is(200);
    let expected = BTreeMap::from([
        (line("residence.refused", "us-east", "/v1/orders", "eu-central"), 3),
        (line("residence.refused", "us-east", "/v1/orders/{id}", "eu-central"), 3),
        (line("residence.forwarded", "eu-west", "/v1/orders", "eu-central"), 1),
        (line("residence.forwarded", "eu-west", "/v1/orders/{id}", "eu-central"), 3),
    ]);
    until("all is written", || async { written(&lab).await.1 == expected }).await;
    let texts = written(&lab).await.0.join("\n");
    for secret in ["secret", "canary", "mst_", "trv_", "ord_", "127.0.0.1", "Lovelace", &ada.email]
    {
        assert!(!texts.contains(secret), "{secret} in {texts}");
    }
}

/// What waits for others to write, and asks in the wrong region.
async fn ask_abroad(lab: &Lab, url: &str, times: usize) {
    let ada = Person::berliner(lab).await.via(url);
    for _ in 0..times {
        ada.get("/v1/orders").await.refuses(421, "misdirected");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_is_written_when_a_node_says_good_bye() {
    let lab = Lab::without_worker().await;
    let quiet = Plan { work: false, ..Plan::default() };
    let node = lab.another("us-east", &quiet).await;
    ask_abroad(&lab, &format!("http://{}", node.address), 2).await;
    assert_eq!(written(&lab).await.1, BTreeMap::new());
    node.stop().await;
    let expected = line("residence.refused", "us-east", "/v1/orders", "eu-central");
    assert_eq!(written(&lab).await.1, BTreeMap::from([(expected, 2)]));
}

/// How often something was counted when a node died there.
async fn left_by_a_node_that_dies(at: &str) -> Vec<u64> {
    let lab = Lab::without_worker().await;
    let crash_at = Some((at.parse().unwrap(), Death::Node));
    let plan = Plan { work: false, ledger_every: SOON, crash_at, ..Plan::default() };
    let victim = lab.another("us-east", &plan).await;
    ask_abroad(&lab, &format!("http://{}", victim.address), 1).await;
    victim.api.store.faults().crash().death().await;
    let left = written(&lab).await.1.into_values().collect();
    // The region's next node knows nothing of it and goes on.
    let heir = Plan { work: false, ledger_every: SOON, ..Plan::default() };
    let heir = lab.another("us-east", &heir).await;
    let before = written(&lab).await.1.into_values().sum::<u64>();
    ask_abroad(&lab, &format!("http://{}", heir.address), 2).await;
    until("the heir has written", || async {
        written(&lab).await.1.into_values().sum::<u64>() == before + 2
    })
    .await;
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_loses_what_it_had_not_written_and_nothing_else() {
    assert_eq!(left_by_a_node_that_dies("before_commit:ledger_write").await, Vec::<u64>::new());
    assert_eq!(left_by_a_node_that_dies("after_commit:ledger_write").await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_for_a_while_makes_nothing_count_twice() {
    let lab = Lab::without_worker().await;
    let plan = Plan { work: false, ledger_every: SOON, ..Plan::default() };
    let node = lab.another("us-east", &plan).await;
    let locked = connect(&lab.database).await;
    lock(&locked).await;
    ask_abroad_without_a_token(&format!("http://{}", node.address), 5).await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    until("the node waits", || async { count(&lab.database, waiting).await > 0 }).await;
    ask_abroad_without_a_token(&format!("http://{}", node.address), 5).await;
    drop(locked);
    let all = BTreeMap::from([(
        line("residence.refused", "us-east", "/v1/travellers", "eu-central"),
        10,
    )]);
    until("all ten are there", || async { written(&lab).await.1 == all }).await;
    node.stop().await;
    assert_eq!(written(&lab).await.1, all);
}

#[expect(clippy::disallowed_methods, reason = "a test stands in the way")]
async fn lock(client: &tokio_postgres::Client) {
    client.batch_execute("BEGIN; LOCK TABLE evidence_intake IN EXCLUSIVE MODE").await.unwrap();
}

async fn ask_abroad_without_a_token(url: &str, times: usize) {
    for _ in 0..times {
        let request = reqwest::Client::new().post(format!("{url}/v1/travellers"));
        let request = request.header("residence-country", "DE");
        Answer::of(request).await.refuses(421, "misdirected");
    }
}
