//! Whatever other companies and nodes do, an accepted order is finished, and nothing is done twice.

use std::time::Duration;

use meridian::orders::driver::LetGo;

use crate::asker::{Person, an_offer, id, instant, new_key};
use crate::lab::{Lab, Plan, count, driver, parse, sql};

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_are_asked_again_under_the_same_key() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let body = instant(&an_offer(&lab).await, "LOST", "tok_lost");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    ada.wait(&order, "ticketed").await;
    for operation in ["authorize", "book", "capture", "tickets"] {
        assert_eq!(lab.journal(operation).await, 1, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_survives_an_outage_and_a_lost_answer() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    for operation in ["authorize", "book", "capture", "tickets"] {
        for mode in ["unavailable", "lost_reply", "in_flight"] {
            lab.fault(operation, mode, 1).await;
            let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
            let order = id(&ada.book(&new_key(), &body).await.is(202));
            ada.wait(&order, "ticketed").await;
            // Not to know whether it is booked is a state of its own, and the traveller reads it.
            let events = 5 + usize::from(operation == "book");
            assert_eq!(ada.events(&order).await.len(), events, "{operation} {mode}");
        }
    }
    for operation in ["authorize", "book", "capture", "tickets"] {
        assert_eq!(lab.journal(operation).await, 12, "{operation}");
    }
    assert_eq!(lab.seats().await, (0, 12));
}

#[tokio::test(flavor = "multi_thread")]
async fn voids_and_refunds_survive_an_outage() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    lab.fault("void", "lost_reply", 2).await;
    let body = instant(&an_offer(&lab).await, "SOLDOUT", "tok_visa");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    ada.wait(&order, "failed").await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    ada.wait(&order, "ticketed").await;
    lab.fault("refund", "unavailable", 2).await;
    lab.fault("cancel", "lost_reply", 1).await;
    ada.cancel(&order).await.is(202);
    ada.wait(&order, "refunded").await;
    assert_eq!((lab.journal("void").await, lab.journal("refund").await), (1, 1));
    assert_eq!(lab.seats().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_with_an_old_epoch_changes_nothing() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    // Another node takes over while the first sleeps in the middle of its step.
    sql(&lab.database, "UPDATE orders SET epoch = epoch + 1, owner = 'another'").await;
    assert_eq!(driver(&lab).drive(parse(&lab, &order), 1).await.unwrap(), LetGo::Fenced);
    assert_eq!(lab.journal("authorize").await, 0);
    assert_eq!(driver(&lab).drive(parse(&lab, &order), 2).await.unwrap(), LetGo::Rested);
    ada.wait(&order, "ticketed").await;
    assert_eq!(lab.seats().await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_drivers_at_once_make_one_history() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    let (one, other) = (driver(&lab), driver(&lab));
    let parsed = parse(&lab, &order);
    let (first, second) = tokio::join!(one.drive(parsed, 1), other.drive(parsed, 1));
    assert!([first.unwrap(), second.unwrap()].contains(&LetGo::Rested));
    ada.wait(&order, "ticketed").await;
    assert_eq!(ada.events(&order).await.len(), 5);
    for operation in ["authorize", "book", "capture", "tickets"] {
        assert_eq!(lab.journal(operation).await, 1, "{operation}");
    }
    assert_eq!(lab.seats().await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_node_never_came_back_is_taken_over() {
    let lab = Lab::plan(Plan { lease: Duration::from_millis(300), ..Plan::default() }).await;
    let ada = Person::berliner(&lab).await;
    lab.fault("authorize", "unavailable", 1000).await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    // As if its node had died in the middle: leased to nobody who lives.
    sql(
        &lab.database,
        "UPDATE orders SET epoch = epoch + 1, owner = 'dead', due_at = now(),
         lease_until = now() + interval '500 milliseconds'",
    )
    .await;
    lab.fault("authorize", "unavailable", 1).await;
    ada.wait(&order, "ticketed").await;
    assert!(count(&lab.database, "SELECT epoch FROM orders").await > 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_unknown_for_too_long_is_shown_to_a_person() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    lab.fault("authorize", "lost_reply", 1000).await;
    // Nor can the question be closed.
    lab.fault("close_authorization", "lost_reply", 1000).await;
    let parsed = parse(&lab, &order);
    assert_eq!(driver(&lab).drive(parsed, 1).await.unwrap(), LetGo::Postponed);
    sql(&lab.database, "UPDATE orders SET updated_at = now() - interval '1 hour'").await;
    assert_eq!(driver(&lab).drive(parsed, 1).await.unwrap(), LetGo::Rested);
    let seen = ada.wait(&order, "manual_review").await;
    assert_eq!(seen["charged"], "no", "nobody asked to take it");
    assert_eq!(seen["failure"], "outcome_unknown");
    assert_eq!(lab.seats().await, (1, 0), "the seats stay until a person has looked");
}
