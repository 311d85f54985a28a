//! The schema: prepared statements, migrations, the data map, and what CockroachDB would be told.

use std::collections::BTreeSet;

use meridian::store::{Store, StoreConfig, datamap, migrate, regions, sql};
use meridian_regions::Registry;

use crate::lab::{connect, count, server, sql as run, until};

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_of_the_catalogue_is_prepared() {
    let client = connect(&server().database().await).await;
    for query in sql::ALL {
        let prepared = client.prepare(query.text).await;
        assert!(prepared.is_ok(), "{}: {:?}", query.name, prepared.err());
    }
    for query in [&sql::LOCALITIES.postgres, &sql::PLACEMENTS_POSTGRES] {
        assert!(client.prepare(query.text).await.is_ok(), "{}", query.name);
    }
    for (table, about) in datamap::tables() {
        let personal = about.class == datamap::Class::Personal;
        let columns = &about.columns;
        let mut texts = vec![sql::ROWS_ALL.of(table)];
        if about.class != datamap::Class::Global {
            texts.push(sql::ROWS_PER_REGION.of(table));
        }
        if personal && columns.contains_key("traveller_id") {
            texts.push(sql::MISPLACED_ROWS.of(table));
        }
        if personal && columns.contains_key("order_id") {
            texts.push(sql::MISPLACED_ORDER_ROWS.of(table));
        }
        for text in texts {
            assert!(client.prepare(&text).await.is_ok(), "{text}");
        }
    }
    assert!(sql::ALL.len() > 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_map_and_the_database_say_the_same() {
    let url = server().database().await;
    let store = Store::open(&StoreConfig::new(url)).await.unwrap();
    let partitions: BTreeSet<String> = {
        let mut all = BTreeSet::new();
        for table in datamap::tables().keys() {
            all.extend(store.placements(table).await.unwrap().into_iter().map(|(_, place)| place));
        }
        all
    };
    let found: BTreeSet<(String, String)> = store
        .fresh()
        .columns()
        .await
        .unwrap()
        .into_iter()
        .filter(|(table, _)| !partitions.contains(table) && table != "refinery_schema_history")
        .collect();
    let mapped: BTreeSet<(String, String)> = datamap::tables()
        .iter()
        .flat_map(|(table, about)| {
            about.columns.keys().map(|column| (table.clone(), column.clone()))
        })
        .collect();
    assert_eq!(found, mapped);
    assert_eq!(partitions.len(), 4 * 17, "a partition for each region of each personal table");
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_twice_changes_nothing_and_at_once_waits() {
    let url = server().empty_database().await;
    let registry = Registry::embedded().unwrap();
    let (one, other) =
        tokio::join!(migrate::migrate(&url, &registry), migrate::migrate(&url, &registry));
    let (one, other) = (one.unwrap(), other.unwrap());
    let expected = migrate::rendered(false).len();
    assert_eq!(one.applied.len() + other.applied.len(), expected);
    let again = migrate::migrate(&url, &registry).await.unwrap();
    assert!(again.applied.is_empty() && again.regions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_migration_is_refused_and_a_new_region_gets_its_partitions() {
    let url = server().database().await;
    let more = Registry::embedded().unwrap().with_endpoints(|file| {
        // The same files, one of them under another name: for the database a region it lacks.
        if file.name == "ap-southeast" {
            "ap-south".clone_into(&mut file.locality);
        }
    });
    let report = migrate::migrate(&url, &more).await.unwrap();
    assert_eq!(report.regions.len(), 17);
    assert!(report.regions.iter().all(|statement| statement.contains("ap-south")));

    run(&url, "UPDATE refinery_schema_history SET checksum = '1' WHERE version = 2").await;
    let refused = migrate::migrate(&url, &more).await.unwrap_err().to_string();
    assert!(refused.contains("migration failed"), "{refused}");
}

#[test]
fn cockroachdb_is_told_what_the_snapshot_says() {
    let rendered: Vec<String> =
        migrate::rendered(true).into_iter().map(|m| format!("{}\n{}", m.name, m.text)).collect();
    insta::assert_snapshot!("cockroach_schema", rendered.join("\n"));
    let registry = Registry::embedded().unwrap();
    let statements = regions::cockroach(&registry, "meridian", &BTreeSet::new());
    insta::assert_snapshot!("cockroach_regions", statements.join("\n"));
    let some: BTreeSet<String> = ["eu-central", "us-east"].map(str::to_owned).into();
    let statements = regions::cockroach(&registry, "meridian", &some);
    insta::assert_snapshot!("cockroach_regions_added", statements.join("\n"));
}

#[test]
fn both_engines_have_the_same_migrations() {
    let names = |cockroach| -> Vec<String> {
        migrate::rendered(cockroach).into_iter().map(|migration| migration.name).collect()
    };
    assert_eq!(names(true), names(false));
    for migration in migrate::rendered(true).iter().chain(&migrate::rendered(false)) {
        assert!(!migration.text.contains('{'), "{} is not rendered", migration.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_the_schema_is_refused_with_the_cure() {
    let url = server().empty_database().await;
    let store = Store::open(&StoreConfig::new(url)).await.unwrap();
    let refused = migrate::check(&store).await.unwrap_err().to_string();
    assert!(refused.contains("meridian migrate"), "{refused}");
}

/// The same statements on a real cluster, for whoever has one.
#[tokio::test(flavor = "multi_thread")]
async fn everything_is_prepared_on_cockroachdb_where_there_is_one() {
    let Ok(url) = std::env::var("MERIDIAN_COCKROACH_URL") else { return };
    let url: meridian::store::DatabaseUrl = url.parse().unwrap();
    migrate::migrate(&url, &Registry::embedded().unwrap()).await.unwrap();
    let store = Store::open(&StoreConfig::new(url)).await.unwrap();
    assert!(store.engine().is_cockroach());
    migrate::check(&store).await.unwrap();
    let registry = Registry::embedded().unwrap();
    let report = meridian::privacy::audit::locality(&store, &registry).await.unwrap();
    assert_eq!(report.violations, []);
    let found = store.primary_region().await.unwrap();
    assert_eq!(found.as_ref(), Some(&registry.primary().locality));
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a test holds locks beside the store")]
async fn a_schema_statement_that_meets_a_deadlock_runs_again() {
    let url = server().database().await;
    let store = Store::open(&StoreConfig::new(url.clone())).await.unwrap();
    let reader = connect(&url).await;
    let hold = |table: &'static str| format!("LOCK TABLE {table} IN ACCESS SHARE MODE");
    reader.batch_execute(&format!("BEGIN; {}", hold("traveller"))).await.unwrap();

    // It has the orders and waits for the travellers, whose holder will want the orders. Who waits
    // longest looks for a deadlock first, and gives way.
    let lock = migrate::Lock::take(&url, store.engine()).await.unwrap();
    let both = "DO $$ BEGIN LOCK TABLE orders; LOCK TABLE traveller; END $$";
    let changing = tokio::spawn(async move {
        lock.run(both).await.unwrap();
        lock.release().await.unwrap();
    });
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation =
                 'traveller'::regclass AND database =
                 (SELECT oid FROM pg_database WHERE datname = current_database())";
    until("it waits", || async { count(&url, waits).await == 1 }).await;
    reader.batch_execute(&hold("orders")).await.unwrap();
    assert!(!changing.is_finished(), "it gave way and tries again");
    reader.batch_execute("COMMIT").await.unwrap();
    changing.await.unwrap();
}
