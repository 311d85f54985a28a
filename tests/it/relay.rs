//! The relay: every event reaches its consumers at least once and each order's in their order,
//! whichever node is killed between telling and writing down that it has told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use meridian::domain::event::{Event, EventId};
use meridian::domain::ids::OrderId;
use meridian::orders::driver::LetGo;
use meridian::privacy::keys::Keys;
use meridian::relay::{Batch, EventSink, NotPublished, Relay, Turn};
use meridian::store::relay::Relayed;
use meridian::webhooks::deliverer::{Deliverer, Ended};
use meridian::webhooks::guard::Reach;

use crate::asker::{Person, an_offer, hold, id, instant, new_key};
use crate::lab::{Lab, Plan, count, driver, parse, sql, until};
use crate::receiver::{Manner, Receiver};
use crate::webhooks::{TICKETED, reaching};

/// How a stream behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// It takes everything.
    Takes,
    /// It is away.
    Fails,
    /// It takes everything, and whoever published never hears of it.
    TakesInSilence,
    /// It takes no event of the first order it sees.
    Refuses,
}

/// A stream that writes down what it took.
struct Tape {
    taken: Mutex<Vec<Event>>,
    mood: Mutex<Mood>,
}

impl Tape {
    fn new(mood: Mood) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), mood: Mutex::new(mood) })
    }

    fn is_now(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn ids(&self) -> Vec<EventId> {
        self.taken.lock().unwrap().iter().map(|event| event.id).collect()
    }

    fn names(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().map(|event| event.name.clone()).collect()
    }

    /// What a consumer that drops ids it has seen has of each order: numbers in the order in which
    /// they came first.
    fn effects(&self) -> BTreeMap<uuid::Uuid, Vec<i64>> {
        let mut seen = BTreeSet::new();
        let mut effects: BTreeMap<uuid::Uuid, Vec<i64>> = BTreeMap::new();
        for EventId { about, seq } in self.ids() {
            if seen.insert((about, seq)) {
                effects.entry(about).or_default().push(seq);
            }
        }
        effects
    }
}

#[async_trait]
impl EventSink for Tape {
    async fn publish(&self, events: &[Event]) -> Result<(), NotPublished> {
        let mood = *self.mood.lock().unwrap();
        let refused = events[0].id.about;
        let takes = |event: &&Event| match mood {
            Mood::Takes | Mood::TakesInSilence => true,
            Mood::Fails => false,
            Mood::Refuses => event.id.about != refused,
        };
        let taken: Vec<Event> = events.iter().filter(takes).cloned().collect();
        let ids = taken.iter().map(|event| event.id).collect();
        self.taken.lock().unwrap().extend(taken);
        match mood {
            Mood::Takes => Ok(()),
            Mood::TakesInSilence => std::future::pending().await,
            Mood::Fails | Mood::Refuses => {
                Err(NotPublished { why: "a test wants it".into(), taken: ids })
            }
        }
    }
}

/// A node's relay, without the node.
fn relay(lab: &Lab, node: &str, sink: Option<Arc<Tape>>) -> Relay {
    let api = &lab.running("eu-central").api;
    Relay {
        store: api.store.clone(),
        home: api.region,
        node: node.to_owned(),
        lease: Duration::from_secs(10),
        sink: sink.map(|tape| tape as Arc<dyn EventSink>),
    }
}

/// A node's deliverer, without the node.
fn deliverer(lab: &Lab, node: &str) -> Deliverer {
    let api = &lab.running("eu-central").api;
    let keys = Keys::load(&lab.keys.0, lab.registry, api.region).unwrap();
    let (store, clock) = (api.store.clone(), lab.world.clock.clone());
    Deliverer::new(store, keys, clock, api.region, node.to_owned(), Reach::Anywhere)
}

/// As if the node that holds them had been dead for a while.
async fn leases_run_out(lab: &Lab) {
    let past = "UPDATE relay_lease SET lease_until = now() - interval '1 second'";
    sql(&lab.database, past).await;
    let past = "UPDATE webhook_delivery SET lease_until = now() - interval '1 second'
                WHERE lease_until IS NOT NULL";
    sql(&lab.database, past).await;
}

async fn begun(relay: &Relay, relayed: Relayed) -> Turn {
    relay.begin(relayed).await.unwrap().expect("nobody else has the turn")
}

async fn waiting(lab: &Lab, table: &str) -> i64 {
    count(&lab.database, &format!("SELECT count(*) FROM {table}")).await
}

/// A house without workers, in which nobody drives, relays or delivers but the story.
async fn quiet() -> Lab {
    Lab::plan(Plan { work: false, ..reaching() }).await
}

/// An order with its whole history.
async fn ticketed(lab: &Lab, ada: &Person) -> OrderId {
    let body = instant(&an_offer(lab).await, "Lovelace", "tok_visa");
    let order = parse(lab, &id(&ada.book(&new_key(), &body).await.is(202)));
    assert_eq!(driver(lab).drive(order, 1).await.unwrap(), LetGo::Rested);
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn row_22_relay_killed_between_publish_and_mark_publishes_again_with_the_same_ids() {
    let lab = quiet().await;
    let ada = Person::berliner(&lab).await;
    let tape = Tape::new(Mood::TakesInSilence);
    let first = relay(&lab, "first", Some(Arc::clone(&tape)));
    let mut turn = begun(&first, Relayed::Stream).await;
    let mut outbox = begun(&first, Relayed::Outbox).await;
    for _ in 0..3 {
        ticketed(&lab, &ada).await;
    }
    assert_eq!(first.fan_out(&mut outbox).await.unwrap(), Batch::Relayed(15));

    // Killed when the stream has everything, before anything is written down.
    let killed = tokio::spawn(async move { first.stream(&mut turn).await });
    until("the stream has taken all", || async { tape.ids().len() == 15 }).await;
    killed.abort();
    assert!(killed.await.unwrap_err().is_cancelled());
    assert_eq!(waiting(&lab, "stream_queue").await, 15);

    let second = relay(&lab, "second", Some(Arc::clone(&tape)));
    assert!(second.begin(Relayed::Stream).await.unwrap().is_none(), "the dead one's lease");
    leases_run_out(&lab).await;
    tape.is_now(Mood::Takes);
    let mut turn = begun(&second, Relayed::Stream).await;
    assert_eq!(second.stream(&mut turn).await.unwrap(), Batch::Relayed(15));
    assert_eq!(waiting(&lab, "stream_queue").await, 0);
    assert_eq!(tape.ids().len(), 30, "all of it twice");
    let effects = tape.effects();
    assert_eq!(effects.len(), 3);
    assert!(effects.values().all(|seqs| *seqs == [0, 1, 2, 3, 4]), "once, and in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_22_deliverer_killed_between_post_and_mark_posts_again_with_the_same_id() {
    let lab = quiet().await;
    let ada = Person::berliner(&lab).await;
    let receiver = Receiver::start().await;
    let hook = ada.hook(&receiver.url).await;
    let relay = relay(&lab, "first", None);
    let mut turn = begun(&relay, Relayed::Outbox).await;
    ticketed(&lab, &ada).await;
    relay.fan_out(&mut turn).await.unwrap();

    receiver.answers(Manner { after: Duration::from_secs(3600), ..Manner::status(204) });
    let first = deliverer(&lab, "first");
    let claimed = first.claim(&[], 10).await.unwrap();
    assert_eq!(claimed.len(), 1, "the others wait for the first of their order");
    let endpoints = first.open(&claimed).await.unwrap();
    let zombie = claimed.clone();
    let killed =
        tokio::spawn(
            async move { first.deliver(&claimed[0], &endpoints[&claimed[0].endpoint]).await },
        );
    receiver.wait(1).await;
    killed.abort();
    assert!(killed.await.unwrap_err().is_cancelled());

    receiver.answers(Manner::status(204));
    let (second, asleep) = (deliverer(&lab, "second"), deliverer(&lab, "first"));
    assert!(second.claim(&[], 10).await.unwrap().is_empty(), "the dead one's lease");
    leases_run_out(&lab).await;
    let mut next = second.claim(&[], 10).await.unwrap();
    // It was not killed but asleep: it posts what it posted before, and marks nothing.
    let endpoints = asleep.open(&zombie).await.unwrap();
    let endpoint = &endpoints[&zombie[0].endpoint];
    assert_eq!(asleep.deliver(&zombie[0], endpoint).await.1.unwrap(), Ended::Fenced);
    assert!(ada.deliveries(&hook).await.iter().all(|it| it["state"] == "pending"));
    for _ in 0..5 {
        let claimed = next;
        let endpoints = second.open(&claimed).await.unwrap();
        let endpoint = &endpoints[&claimed[0].endpoint];
        assert_eq!(second.deliver(&claimed[0], endpoint).await.1.unwrap(), Ended::Delivered);
        next = second.claim(&[], 10).await.unwrap();
    }
    assert!(next.is_empty());
    assert_eq!(receiver.names()[2..], TICKETED);
    assert_eq!((receiver.seen().len(), receiver.firsts().len()), (7, 5));

    // Still asleep when all is over: a failure marks nothing either.
    receiver.answers(Manner::status(500));
    assert_eq!(asleep.deliver(&zombie[0], endpoint).await.1.unwrap(), Ended::Fenced);
    assert_eq!((receiver.seen().len(), receiver.firsts().len()), (8, 5));
    let seen = ada.deliveries(&hook).await;
    assert!(seen.iter().all(|it| it["state"] == "delivered" && it["attempts"] == 1), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_publishes_again_but_marks_nothing() {
    let lab = quiet().await;
    let ada = Person::berliner(&lab).await;
    let tape = Tape::new(Mood::Fails);
    let lease = Duration::from_millis(300);
    let old = Relay { lease, ..relay(&lab, "old", Some(Arc::clone(&tape))) };
    let mut old_stream = begun(&old, Relayed::Stream).await;
    let mut old_outbox = begun(&old, Relayed::Outbox).await;
    ticketed(&lab, &ada).await;
    old.fan_out(&mut old_outbox).await.unwrap();
    assert!(old.stream(&mut old_stream).await.is_err());

    let new = relay(&lab, "new", Some(Arc::clone(&tape)));
    let turn = Mutex::new(None);
    until("the lease runs out", || async {
        let begun = new.begin(Relayed::Outbox).await.unwrap();
        let is_begun = begun.is_some();
        *turn.lock().unwrap() = begun;
        is_begun
    })
    .await;
    let mut new_outbox = turn.into_inner().unwrap().unwrap();
    begun(&new, Relayed::Stream).await;
    ada.book(&new_key(), &hold(&an_offer(&lab).await)).await.is(202);
    assert_eq!(old.fan_out(&mut old_outbox).await.unwrap(), Batch::Lost);
    assert_eq!(waiting(&lab, "outbox").await, 1, "an old epoch takes nothing out");
    tape.is_now(Mood::Takes);
    assert_eq!(old.stream(&mut old_stream).await.unwrap(), Batch::Lost);
    assert_eq!(tape.ids().len(), 5);
    assert_eq!(waiting(&lab, "stream_queue").await, 5, "and marks nothing");
    assert!(!old.renew(&mut old_outbox).await.unwrap(), "and renews nothing");
    assert_eq!(new.fan_out(&mut new_outbox).await.unwrap(), Batch::Relayed(1));
    old.end(old_outbox).await.unwrap();
    assert!(old.begin(Relayed::Outbox).await.unwrap().is_none(), "and ends nobody's turn");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_relay_each_orders_events_in_order_while_one_of_them_stops() {
    let tape = Tape::new(Mood::Takes);
    let sink = Some(Arc::clone(&tape) as Arc<dyn EventSink>);
    let plan = Plan { regions: vec!["eu-central"], sink, ..reaching() };
    let mut lab = Lab::plan(plan.clone()).await;
    let another = lab.another("eu-central", &plan).await;
    let ada = Person::berliner(&lab).await;
    let there = Person { url: format!("http://{}", another.address), ..ada.clone() };
    let (receiver, moody) = (Receiver::start().await, Receiver::start().await);
    ada.hook(&receiver.url).await;
    ada.hook(&moody.url.replace("127.0.0.1", "localhost")).await;
    moody.answers(Manner::status(500));
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let mut orders = Vec::new();
    for nth in 0..12 {
        // The first node has the turn, and stops in the middle of everything.
        if nth == 6 {
            lab.nodes.remove(0).stop().await;
            moody.answers(Manner::status(204));
        }
        let node = if nth < 6 { &ada } else { &there };
        orders.push(id(&node.book(&new_key(), &body).await.is(202)));
    }
    for order in &orders {
        there.wait(order, "ticketed").await;
    }
    until("everybody has been told everything", || async {
        crate::webhooks::no_more_waiting(&lab).await;
        let streamed: usize = tape.effects().values().map(Vec::len).sum();
        [receiver.firsts().len(), moody.firsts().len(), streamed] == [60, 60, 60]
    })
    .await;
    assert!(tape.effects().values().all(|seqs| *seqs == [0, 1, 2, 3, 4]));
    for firsts in [receiver.firsts(), moody.firsts()] {
        let mut next: BTreeMap<uuid::Uuid, i64> = BTreeMap::new();
        for first in firsts {
            let EventId { about, seq } = EventId::parse(&first).unwrap();
            let expected = next.entry(about).or_default();
            assert_eq!(seq, *expected, "{about}");
            *expected += 1;
        }
        assert_eq!(next.len(), 12);
    }
    another.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_down_holds_no_webhook_up_and_misses_nothing() {
    let tape = Tape::new(Mood::Fails);
    let sink = Some(Arc::clone(&tape) as Arc<dyn EventSink>);
    let lab = Lab::plan(Plan { sink, ..reaching() }).await;
    let ada = Person::berliner(&lab).await;
    let receiver = Receiver::start().await;
    ada.hook(&receiver.url).await;
    let order = ada.ticket(&lab, "Canaryson").await;
    receiver.wait(5).await;
    assert_eq!(receiver.names(), TICKETED);
    assert!(tape.ids().is_empty());
    assert_eq!((waiting(&lab, "outbox").await, waiting(&lab, "stream_queue").await), (0, 5));

    receiver.answers(Manner::status(500));
    tape.is_now(Mood::Takes);
    until("the stream has everything", || async { tape.ids().len() >= 5 }).await;
    assert_eq!(tape.names(), TICKETED);
    until("its queue is empty", || async { waiting(&lab, "stream_queue").await == 0 }).await;
    let bodies: Vec<Vec<u8>> = tape.taken.lock().unwrap().iter().map(Event::body).collect();
    let sent: Vec<Vec<u8>> = receiver.seen().into_iter().map(|received| received.bytes).collect();
    assert_eq!(bodies, sent, "the stream is told the same, to the byte");
    ada.cancel(&order).await.is(202);
    until("webhooks that fail hold no stream up", || async { tape.ids().len() >= 8 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_the_stream_refuses_holds_no_other_up() {
    let lab = quiet().await;
    let ada = Person::berliner(&lab).await;
    let tape = Tape::new(Mood::Refuses);
    let relay = relay(&lab, "only", Some(Arc::clone(&tape)));
    let mut stream = begun(&relay, Relayed::Stream).await;
    let mut outbox = begun(&relay, Relayed::Outbox).await;
    for _ in 0..3 {
        ticketed(&lab, &ada).await;
    }
    relay.fan_out(&mut outbox).await.unwrap();
    assert!(relay.stream(&mut stream).await.is_err());
    assert_eq!(waiting(&lab, "stream_queue").await, 5, "two orders are through");
    tape.is_now(Mood::Takes);
    assert_eq!(relay.stream(&mut stream).await.unwrap(), Batch::Relayed(5));
    assert_eq!((tape.ids().len(), tape.effects().len()), (15, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_kept_for_a_stream_that_somebody_runs_and_for_no_other() {
    let lab = quiet().await;
    let ada = Person::berliner(&lab).await;
    let without = relay(&lab, "without", None);
    let mut outbox = begun(&without, Relayed::Outbox).await;
    ticketed(&lab, &ada).await;
    without.fan_out(&mut outbox).await.unwrap();
    assert_eq!(waiting(&lab, "stream_queue").await, 0, "nobody runs one");

    // One node runs a stream; that the one whose turn it is runs none does not matter.
    let with = relay(&lab, "with", Some(Tape::new(Mood::Takes)));
    let stream = begun(&with, Relayed::Stream).await;
    with.end(stream).await.unwrap();
    ticketed(&lab, &ada).await;
    without.fan_out(&mut outbox).await.unwrap();
    assert_eq!(waiting(&lab, "stream_queue").await, 5, "it was here a moment ago");

    let week = "UPDATE relay_lease SET lease_until = now() - interval '8 days'
                WHERE relay = 'stream'";
    sql(&lab.database, week).await;
    ticketed(&lab, &ada).await;
    without.fan_out(&mut outbox).await.unwrap();
    assert_eq!(waiting(&lab, "stream_queue").await, 5, "nobody has run it for a week");
    let worker = lab.another("eu-central", &Plan::default()).await;
    worker.stop().await;
    assert_eq!(waiting(&lab, "outbox").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_work_relays_nothing() {
    let lab = quiet().await;
    let ada = Person::berliner(&lab).await;
    let receiver = Receiver::start().await;
    let hook = ada.hook(&receiver.url).await;
    ada.ask(&hook, "/ping").await.is(202);
    ticketed(&lab, &ada).await;
    let worker = lab.another("eu-central", &reaching()).await;
    receiver.wait(6).await;
    worker.stop().await;
    ticketed(&lab, &ada).await;
    let leases = "SELECT count(*) FROM relay_lease WHERE relay = 'outbox'";
    let leases = count(&lab.database, leases).await;
    assert_eq!((waiting(&lab, "outbox").await, leases), (5, 1));
}
