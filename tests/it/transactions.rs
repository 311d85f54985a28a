//! What a database does once a year: conflicts, lost answers, cancelled requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use meridian::clock::Deadline;
use meridian::store::{Abort, Error, Fate, Store, StoreConfig};
use tokio::io::AsyncWriteExt;

use crate::asker::{Person, an_offer, hold, id, new_key};
use crate::lab::{Lab, count, server, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_found_by_its_own_key() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let store = lab.running("eu-central").api.store.clone();
    let (offer, key) = (an_offer(&lab).await, new_key());
    store.faults().lose_commit_reply_next(1);
    let first = ada.book(&key, &hold(&offer)).await.is(202);
    assert_eq!(count(&lab.database, "SELECT count(*) FROM orders").await, 1);
    assert_eq!(lab.seats().await, (1, 0));
    let again = ada.book(&key, &hold(&offer)).await.is(202);
    assert_eq!(id(&again), id(&first));

    store.faults().lose_commit_request_next(1);
    ada.book(&new_key(), &hold(&offer)).await.is(202);
    assert_eq!(count(&lab.database, "SELECT count(*) FROM orders").await, 2);
    assert_eq!(lab.seats().await, (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_survive_a_lost_answer_to_their_commit() {
    let lab = Lab::without_worker().await;
    let store = lab.running("eu-central").api.store.clone();
    store.faults().lose_commit_reply_next(1);
    let ada = Person::berliner(&lab).await;
    ada.get("/v1/travellers/me").await.is(200);
    assert_eq!(count(&lab.database, "SELECT count(*) FROM traveller").await, 1);

    store.faults().lose_commit_reply_next(1);
    let body = serde_json::json!({"email": ada.email, "password": ada.password});
    let request = ada.http.post(format!("{}/v1/sessions", ada.url));
    let request = request.header("meridian-home", "eu-central").json(&body);
    let session = crate::asker::Answer::of(request).await.is(201).data();
    let again = Person { token: session["token"].as_str().unwrap().to_owned(), ..ada };
    again.get("/v1/travellers/me").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_are_run_again_and_the_patience_ends() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let store = lab.running("eu-central").api.store.clone();
    let offer = an_offer(&lab).await;
    store.faults().abort_next(5);
    ada.book(&new_key(), &hold(&offer)).await.is(202);
    store.faults().abort_next(u32::MAX);
    let refused = ada.book(&new_key(), &hold(&offer)).await.refuses(503, "unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["retryable"], true);
    store.faults().abort_next(0);
    assert_eq!(lab.seats().await, (1, 0));
}

async fn store() -> (Store, meridian::store::DatabaseUrl) {
    let url = server().database().await;
    let config = StoreConfig { connections_max: 3, ..StoreConfig::new(url.clone()) };
    (Store::open(&config).await.unwrap(), url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_runs_again_until_it_commits() {
    let (store, _) = store().await;
    let runs = Arc::new(AtomicU32::new(0));
    store.faults().abort_next(3);
    let outcome = store
        .transact("test", Deadline::after(Duration::from_secs(5)), |_tx| {
            let runs = Arc::clone(&runs);
            async move { Ok(runs.fetch_add(1, Ordering::SeqCst)) }
        })
        .await;
    assert_eq!(outcome.unwrap(), 3);
    assert_eq!(runs.load(Ordering::SeqCst), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_rolled_back_and_not_run_again() {
    let (store, url) = store().await;
    let home = meridian_regions::Registry::embedded().unwrap().primary();
    let outcome = store
        .tx("test", Deadline::after(Duration::from_secs(5)), |tx| async move {
            assert!(tx.directory_insert(&[1], home).await?);
            Err::<(), _>(Abort::Refused("no"))
        })
        .await;
    assert!(matches!(outcome, Err(Abort::Refused("no"))));
    assert_eq!(count(&url, "SELECT count(*) FROM login_directory").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_dropped_leaves_no_session_behind() {
    let (store, url) = store().await;
    let home = meridian_regions::Registry::embedded().unwrap().primary();
    for _ in 0..10 {
        let stuck =
            store.transact("test", Deadline::after(Duration::from_secs(30)), |tx| async move {
                tx.directory_insert(&[2], home).await?;
                std::future::pending::<Result<(), Error>>().await
            });
        // Cancelled in the middle, as axum does when a client hangs up.
        assert!(tokio::time::timeout(Duration::from_millis(50), stuck).await.is_err());
    }
    until("no session is idle in a transaction", || async {
        let idle = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'
             AND state LIKE 'idle in transaction%'",
            url.database_name()
        );
        count(&url, &idle).await == 0
    })
    .await;
    store.ping().await.unwrap();
    assert_eq!(count(&url, "SELECT count(*) FROM login_directory").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_transaction_that_waits_for_a_lock() {
    let (store, url) = store().await;
    let holder = crate::lab::connect(&url).await;
    #[expect(clippy::disallowed_methods, reason = "a test holds a lock beside the store")]
    holder.batch_execute("BEGIN; LOCK TABLE login_directory").await.unwrap();
    let home = meridian_regions::Registry::embedded().unwrap().primary();
    let outcome = store
        .transact("test", Deadline::after(Duration::from_millis(400)), |tx| async move {
            tx.directory_insert(&[3], home).await?;
            Ok(())
        })
        .await;
    let error: Error = outcome.unwrap_err();
    assert_eq!(error.fate(), Fate::Later, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_09_a_client_that_hangs_up_cuts_nothing_in_two() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let offer = an_offer(&lab).await;
    let body = hold(&offer).to_string();
    for cut in 0..20 {
        let head = format!(
            "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Idempotency-Key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            ada.token,
            new_key(),
            body.len()
        );
        let address = lab.running("eu-central").address;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_micros(cut * 300)).await;
        drop(stream);
    }
    let whole = "SELECT count(*) FROM orders o WHERE 1 =
        (SELECT count(*) FROM order_event e WHERE e.order_id = o.id) AND 1 =
        (SELECT count(*) FROM order_passenger p WHERE p.order_id = o.id) AND 1 =
        (SELECT count(*) FROM seat_hold s WHERE s.order_id = o.id)";
    until("every order is whole and holds its seat", || async {
        let orders = count(&lab.database, "SELECT count(*) FROM orders").await;
        let idle = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND state LIKE 'idle in%'",
            lab.database.database_name()
        );
        count(&lab.database, &idle).await == 0
            && orders == count(&lab.database, whole).await
            && lab.seats().await == (orders, 0)
    })
    .await;
}
