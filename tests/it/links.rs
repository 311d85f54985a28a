//! What a network does to a node's way to its database: rows of the fault matrix, each in a house
//! of its own. `tests/chaos/` breaks the same things at random and all at once.

use std::time::Duration;

use meridian::clock::{Clock, Deadline};
use tokio::time::timeout;

use crate::asker::{Answer, Person, an_offer, hold, id, new_key};
use crate::lab::{Lab, PATIENCE, Plan, count, server};
use crate::proxy::{Link, Server, Toxics, Weather};
use crate::wire::{self, Sender};

/// Longest that a request may stay without an answer, whatever the network does.
const ANSWER_PATIENCE: Duration = Duration::from_secs(11);

/// A house whose only region reaches the database over a link.
async fn house() -> (Lab, Link) {
    let (socket, _, port) = server().url().host_user_port();
    let socket = std::path::Path::new(&socket).join(format!(".s.PGSQL.{port}"));
    let link = Link::open(Server::Postgres(socket), 1).await.unwrap();
    let (regions, database_at) = (vec!["eu-central"], Some(link.address));
    let plan = Plan { regions, work: false, database_at, ..Plan::default() };
    (Lab::plan(plan).await, link)
}

async fn orders(lab: &Lab) -> i64 {
    count(&lab.database, "SELECT count(*) FROM orders").await
}

/// Books until it is accepted; every answer on the way says that one should try again.
async fn book_at_last(ada: &Person, key: &str, body: &serde_json::Value) -> Answer {
    let deadline = Deadline::after(PATIENCE);
    loop {
        let answer = timeout(ANSWER_PATIENCE, ada.book(key, body)).await.expect("an answer");
        if answer.status == 202 {
            return answer;
        }
        assert!([503, 504].contains(&answer.status.as_u16()), "{:?}", answer.json());
        assert!(!deadline.passed(), "nobody books any more: {:?}", answer.json());
    }
}

#[test]
fn the_proxy_tells_a_commit_from_everything_else() {
    wire::check();
}

#[tokio::test(flavor = "multi_thread")]
async fn row_06_the_answer_to_a_commit_is_lost_and_the_key_decides() {
    let (lab, link) = house().await;
    let ada = Person::berliner(&lab).await;
    let (body, key) = (hold(&an_offer(&lab).await), new_key());
    link.lose_commit_replies(2);
    let first = ada.book(&key, &body).await.is(202);
    assert_eq!(link.commits_lost(), (0, 2), "the run that found its own key was not heard, too");
    let again = ada.book(&key, &body).await.is(202);
    assert_eq!((&again.bytes, id(&again)), (&first.bytes, id(&first)));
    assert_eq!(orders(&lab).await, 1);
    assert_eq!(lab.seats().await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_07_a_commit_that_never_arrives_is_run_again_once() {
    let (lab, link) = house().await;
    let ada = Person::berliner(&lab).await;
    let (body, key) = (hold(&an_offer(&lab).await), new_key());
    link.lose_commit_requests(2);
    ada.book(&key, &body).await.is(202);
    assert_eq!(link.commits_lost(), (2, 0));
    ada.book(&key, &body).await.is(202);
    assert_eq!(orders(&lab).await, 1);
    assert_eq!(lab.seats().await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_torn_anywhere_leaves_no_half_order() {
    let (lab, link) = house().await;
    let ada = Person::berliner(&lab).await;
    let offer = an_offer(&lab).await;
    for bytes in [0, 1, 4, 5, 6, 40, 300] {
        for sender in [Sender::Client, Sender::Server] {
            link.tear(sender, bytes);
            book_at_last(&ada, &new_key(), &hold(&offer)).await;
        }
    }
    assert_eq!(orders(&lab).await, 14);
    assert_eq!(lab.seats().await, (14, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_link_only_takes_longer() {
    let (lab, link) = house().await;
    let ada = Person::berliner(&lab).await;
    let offer = an_offer(&lab).await;
    let fair = Toxics::default();
    let late = Toxics::late(Duration::from_millis(60), Duration::from_millis(20));
    for (toxics, least) in [
        (fair, Duration::ZERO),
        (late, Duration::from_millis(240)),
        (Toxics { bytes_per_second: Some(8000), ..fair }, Duration::from_millis(240)),
        (Toxics { slice: Some(40), ..fair }, Duration::from_millis(60)),
        (Toxics { slow_close: Duration::from_secs(1), ..fair }, Duration::ZERO),
    ] {
        link.set(Weather { to_server: toxics, to_client: toxics, down: false });
        let began = Clock::instant();
        book_at_last(&ada, &new_key(), &hold(&offer)).await;
        assert!(began.elapsed() >= least, "{toxics:?} took {:?}", began.elapsed());
    }
    link.set(Weather { down: true, ..Weather::default() });
    let refused = ada.book(&new_key(), &hold(&offer)).await.refuses(503, "unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    link.clear();
    book_at_last(&ada, &new_key(), &hold(&offer)).await;
    assert_eq!(orders(&lab).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_25_half_open_connections_are_given_up() {
    let (lab, link) = house().await;
    let ada = Person::berliner(&lab).await;
    let offer = an_offer(&lab).await;
    // Both readers and some of the pool are connected by now.
    for _ in 0..4 {
        ada.book(&new_key(), &hold(&offer)).await.is(202);
    }
    link.forget();
    let began = Clock::instant();
    book_at_last(&ada, &new_key(), &hold(&offer)).await;
    for _ in 0..8 {
        book_at_last(&ada, &new_key(), &hold(&offer)).await;
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert_eq!(orders(&lab).await, 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_25_a_silent_database_keeps_no_reader_for_ever() {
    let (lab, link) = house().await;
    let store = &lab.running("eu-central").api.store;
    // New connections are made and never answered; old ones are as silent.
    link.set(Weather { to_server: Toxics::FROZEN, to_client: Toxics::FROZEN, down: false });
    for _ in 0..2 {
        let both = async { tokio::join!(store.ping(), store.ping()) };
        let (one, other) = timeout(ANSWER_PATIENCE, both).await.expect("a reader hangs");
        assert!(one.is_err() && other.is_err());
    }
    link.clear();
    let deadline = Deadline::after(PATIENCE);
    while store.ping().await.is_err() {
        assert!(!deadline.passed(), "nobody reads any more");
    }
}
