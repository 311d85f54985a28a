//! What the other companies are asked, and how their answers are read: every call of both traits,
//! against the sandbox over real HTTP.

use std::time::Duration;

use jiff::Timestamp;
use meridian::clock::Clock;
use meridian::domain::money::Money;
use meridian::domain::traveller::{Name, Passenger};
use meridian::suppliers::airline::HttpAirline;
use meridian::suppliers::payments::HttpPayments;
use meridian::suppliers::sandbox::HOLD;
use meridian::suppliers::{
    Airline, AuthorizationStatus, Booked, Booking, BookingRequest, CallbackSecrets, Outcome,
    PaymentProvider, Reason,
};
use reqwest::Client;
use serde_json::{Value, json};

use crate::lab::{install_tls, sandbox, until};
use crate::processes::{Killed, meridian, run, words};

/// Where to call back; without a secret the sandbox never does.
const NOWHERE: &str = "http://127.0.0.1:9/v1/callbacks";

/// Both companies, as a node sees them.
pub(crate) struct Companies {
    pub(crate) url: String,
    pub(crate) payments: HttpPayments,
    pub(crate) airline: HttpAirline,
}

impl Companies {
    pub(crate) async fn open() -> Self {
        let url = sandbox(&Clock::default(), HOLD, CallbackSecrets::default()).await;
        Self::at(&url, &url)
    }

    /// The companies behind an address; the sandbox itself may be behind another.
    pub(crate) fn at(url: &str, sandbox: &str) -> Self {
        Self {
            url: sandbox.to_owned(),
            payments: HttpPayments::new(url, Some(NOWHERE.to_owned())),
            airline: HttpAirline::new(url, Some(NOWHERE.to_owned())),
        }
    }

    pub(crate) async fn fault(&self, fault: Value) {
        let url = format!("{}/sandbox/faults", self.url);
        let answer = Client::new().post(url).json(&fault).send().await.unwrap();
        assert!(answer.status().is_success(), "{fault}");
    }

    pub(crate) async fn journal(&self, key: &str) -> Value {
        let url = format!("{}/sandbox/journal?key={key}", self.url);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    /// Plays the cardholder.
    pub(crate) async fn prove(&self, reference: &str, outcome: &str) -> u16 {
        let url = format!("{}/sandbox/authorizations/{reference}/complete", self.url);
        let request = Client::new().post(url).json(&json!({ "outcome": outcome }));
        request.send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn reserve(&self, key: &str, token: &str) -> String {
        match self.payments.authorize(key, euros(10_000), token).await {
            Outcome::Done(authorization) => authorization.reference,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn ask(&self, key: &str, name: &str, hold: bool) -> Outcome<Booking> {
        self.ask_for(key, &[name], hold).await
    }

    async fn ask_for(&self, key: &str, names: &[&str], hold: bool) -> Outcome<Booking> {
        let passengers: Vec<Passenger> = names.iter().map(|name| passenger(name)).collect();
        let itinerary = itinerary();
        let request = BookingRequest {
            hold,
            itinerary: &itinerary,
            total: euros(10_000),
            passengers: &passengers,
            now: Clock::default().now(),
        };
        self.airline.book(key, &request).await
    }

    pub(crate) async fn book(&self, key: &str, name: &str) -> String {
        made(self.ask(key, name, false).await).record_locator
    }

    /// A ticketed booking.
    pub(crate) async fn ticket(&self, key: &str, name: &str) -> String {
        let locator = self.book(&format!("{key}:book"), name).await;
        let issued = self.airline.issue_tickets(&format!("{key}:tickets"), &locator).await;
        assert!(matches!(issued, Outcome::Done(_)), "{issued:?}");
        locator
    }
}

pub(crate) fn euros(amount_minor: i64) -> Money {
    Money { amount_minor, currency: "EUR".parse().unwrap() }
}

fn passenger(family_name: &str) -> Passenger {
    Passenger {
        given_name: Name::parse("Ada").unwrap(),
        family_name: Name::parse(family_name).unwrap(),
        born_on: "1987-03-21".parse().unwrap(),
    }
}

/// As orders store it.
pub(crate) fn itinerary() -> Value {
    json!({
        "cabin": "economy", "passengers": 1,
        "slices": [{
            "origin": "FRA", "destination": "JFK", "duration_minutes": 560,
            "segments": [{
                "flight": "N2417", "carrier": "Nordvind", "origin": "FRA", "destination": "JFK",
                "origin_time_zone": "Europe/Berlin", "destination_time_zone": "America/New_York",
                "departing_at": "2027-12-01T09:30:00", "arriving_at": "2027-12-01T12:50:00",
                "departs": "2027-12-01T08:30:00Z", "arrives": "2027-12-01T17:50:00Z",
                "miles": 3851,
            }],
        }],
    })
}

#[track_caller]
pub(crate) fn made(outcome: Outcome<Booking>) -> Booked {
    match outcome {
        Outcome::Done(Booking::Made(booked)) => booked,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn money_is_reserved_taken_and_given_back_in_parts() {
    let they = Companies::open().await;
    let reference = they.reserve("o:authorize", "tok_visa").await;
    assert_eq!(they.reserve("o:authorize", "tok_visa").await, reference, "the same key, once");
    let pay = &they.payments;
    assert_eq!(pay.refund("o:early", &reference, euros(1)).await, Outcome::Unknown);
    assert_eq!(pay.capture("o:much", &reference, euros(10_001)).await, Outcome::Unknown);
    for _ in 0..2 {
        assert_eq!(pay.capture("o:capture", &reference, euros(10_000)).await, Outcome::Done(()));
        assert_eq!(pay.refund("o:part", &reference, euros(2_500)).await, Outcome::Done(()));
    }
    assert_eq!(pay.refund("o:much", &reference, euros(7_501)).await, Outcome::Unknown);
    assert_eq!(pay.refund("o:rest", &reference, euros(7_500)).await, Outcome::Done(()));
    let taken = Outcome::Refused(Reason::AlreadyCaptured);
    assert_eq!(pay.void("o:void", &reference).await, taken, "taken is not reserved");
    let journal = they.journal("o:").await;
    let money = &journal["money"][&reference];
    assert_eq!(
        (&money["reserved"], &money["captured"], &money["refunded"], &money["voided"]),
        (&json!(10_000), &json!(10_000), &json!(10_000), &json!(0))
    );
    assert_eq!(journal["done"]["refund"], 2);
    assert_eq!(journal["keys"]["payments"]["o:part"]["asked"], 2);
}

#[tokio::test]
async fn reserved_money_is_let_go_once_or_cannot_be_taken() {
    let they = Companies::open().await;
    let reference = they.reserve("o:authorize", "tok_visa").await;
    for key in ["o:void", "o:void", "o:again"] {
        assert_eq!(they.payments.void(key, &reference).await, Outcome::Done(()));
    }
    assert_eq!(they.journal("").await["money"][&reference]["voided"], 10_000);
    for (token, second) in [
        ("tok_capture_fail", Outcome::Refused(Reason::CaptureFailed)),
        ("tok_capture_fail_once", Outcome::Done(())),
    ] {
        let reference = they.reserve(&format!("{token}:authorize"), token).await;
        let first = they.payments.capture(&format!("{token}:0"), &reference, euros(10_000)).await;
        assert_eq!(first, Outcome::Refused(Reason::CaptureFailed));
        let next = they.payments.capture(&format!("{token}:1"), &reference, euros(10_000)).await;
        assert_eq!(next, second, "{token}");
    }
    let declined = they.payments.authorize("p:authorize", euros(1), "tok_decline").await;
    assert_eq!(declined, Outcome::Refused(Reason::Declined));
}

#[tokio::test]
async fn the_cardholder_proves_who_they_are_or_does_not() {
    let they = Companies::open().await;
    let pay = &they.payments;
    for (token, proof, ends) in [
        ("tok_3ds", "ok", None),
        ("tok_3ds", "failed", Some(Reason::AuthenticationFailed)),
        ("tok_3ds_fail", "ok", Some(Reason::AuthenticationFailed)),
    ] {
        let key = format!("{token}:{proof}");
        let asked = pay.authorize(&key, euros(10_000), token).await;
        let Outcome::Done(asked) = asked else { panic!("{asked:?}") };
        let AuthorizationStatus::ActionRequired { url } = &asked.status else {
            panic!("{asked:?}")
        };
        let page = reqwest::get(url).await.unwrap().text().await.unwrap();
        assert!(page.contains(&format!("/sandbox/authorizations/{}/complete", asked.reference)));
        assert_eq!(pay.authorization(&asked.reference).await, Outcome::Done(asked.clone()));
        assert_eq!(they.prove(&asked.reference, proof).await, 200);
        assert_eq!(they.prove(&asked.reference, proof).await, 409, "once");
        let (told, again) = (
            pay.authorization(&asked.reference).await,
            pay.authorize(&key, euros(10_000), token).await,
        );
        match ends {
            Some(reason) => {
                assert_eq!((told, again), (Outcome::Refused(reason), Outcome::Refused(reason)));
            }
            None => {
                let Outcome::Done(told) = told else { panic!("{told:?}") };
                assert!(matches!(
                    told.status,
                    AuthorizationStatus::Reserved { capture_before: Some(_) }
                ));
                assert_eq!(again, Outcome::Done(told));
            }
        }
    }
}

#[tokio::test]
async fn a_closed_key_reserves_and_books_nothing_any_more() {
    let they = Companies::open().await;
    let (pay, now) = (&they.payments, Timestamp::UNIX_EPOCH);
    for _ in 0..2 {
        assert_eq!(pay.close("o:authorize").await, Outcome::Done(None));
        assert_eq!(they.airline.close("o:book", false, now).await, Outcome::Done(None));
    }
    let late = pay.authorize("o:authorize", euros(10_000), "tok_visa").await;
    assert_eq!(late, Outcome::Refused(Reason::Declined));
    let late = they.ask("o:book", "Lovelace", false).await;
    assert_eq!(late, Outcome::Refused(Reason::SoldOut));
    let journal = they.journal("").await;
    assert_eq!((&journal["money"], &journal["bookings"]), (&json!({}), &json!({})));
    // What stands already stands on, and its key stays open.
    let reference = they.reserve("p:authorize", "tok_visa").await;
    let Outcome::Done(Some(found)) = pay.close("p:authorize").await else { panic!() };
    assert_eq!(found.reference, reference);
    assert_eq!(they.reserve("p:authorize", "tok_visa").await, reference);
    let booked = they.book("p:book", "Lovelace").await;
    let found = they.airline.close("p:book", false, now).await;
    assert_eq!(
        found,
        Outcome::Done(Some(Booked { record_locator: booked, payment_required_by: None }))
    );
    // A cardholder who comes after that comes too late.
    let asked = pay.authorize("q:authorize", euros(10_000), "tok_3ds").await;
    let Outcome::Done(asked) = asked else { panic!("{asked:?}") };
    assert_eq!(pay.close("q:authorize").await, Outcome::Done(None));
    assert_eq!(they.prove(&asked.reference, "ok").await, 409);
    let told = pay.authorization(&asked.reference).await;
    assert_eq!(told, Outcome::Refused(Reason::AuthenticationFailed));
}

#[tokio::test]
async fn an_airline_books_ticketed_and_cancelled_once_each() {
    let they = Companies::open().await;
    let air = &they.airline;
    assert_eq!(air.price(&itinerary(), euros(10_000)).await, Outcome::Done(()));
    let held = made(they.ask("o:book", "Lovelace", true).await);
    assert!(held.payment_required_by.is_some());
    let locator = &held.record_locator;
    assert_eq!(air.issue_tickets("o:early", locator).await, Outcome::Unknown, "not confirmed");
    assert_eq!(air.confirm("o:confirm", locator).await, Outcome::Done(()));
    let first = air.issue_tickets("o:tickets", locator).await;
    assert_eq!(air.issue_tickets("o:more", locator).await, first, "nobody gets two tickets");
    for key in ["o:cancel", "o:cancel", "o:again"] {
        assert_eq!(air.cancel(key, locator).await, Outcome::Done(()));
    }
    assert_eq!(they.journal("o:").await["bookings"][locator]["state"], "cancelled");
    assert_eq!(air.cancel("o:other", "NOSUCH").await, Outcome::Unknown);
    for (name, reason) in [
        ("SOLDOUT", Reason::SoldOut),
        ("PRICECHANGE", Reason::PriceChanged(Some(euros(11_000)))),
        ("DOCUMENTS", Reason::DocumentsInvalid),
    ] {
        let refused = they.ask(&format!("{name}:book"), name, false).await;
        assert_eq!(refused, Outcome::Refused(reason), "{name}");
    }
}

#[tokio::test]
async fn a_slow_airline_tells_later_how_it_went() {
    let they = Companies::open().await;
    let under_way = Outcome::Done(Booking::UnderWay);
    assert_eq!(they.ask("o:book", "SLOWAIRLINE", true).await, under_way);
    assert_eq!(they.ask("p:book", "SLOWSOLDOUT", false).await, under_way);
    assert_eq!(they.ask("q:book", "SLOWAIRLINE", false).await, under_way);
    let closed = they.airline.close("q:book", false, Timestamp::UNIX_EPOCH).await;
    assert_eq!(closed, Outcome::Done(None), "what is not made yet is not made at all");
    until("both have decided", || async {
        they.ask("o:book", "SLOWAIRLINE", true).await != under_way
            && they.ask("p:book", "SLOWSOLDOUT", false).await != under_way
    })
    .await;
    assert!(made(they.ask("o:book", "SLOWAIRLINE", true).await).payment_required_by.is_some());
    let refused = Outcome::Refused(Reason::SoldOut);
    assert_eq!(they.ask("p:book", "SLOWSOLDOUT", false).await, refused);
    assert_eq!(they.ask("q:book", "SLOWAIRLINE", false).await, refused);
    assert_eq!(they.journal("").await["done"]["book"], 1);
}

#[tokio::test]
async fn no_two_tickets_have_the_same_number() {
    let they = Companies::open().await;
    let mut locators = Vec::new();
    for key in ["a:book", "b:book"] {
        let family = ["Lovelace", "Byron", "King"];
        locators.push(made(they.ask_for(key, &family, false).await).record_locator);
    }
    let mut numbers = std::collections::BTreeSet::new();
    for locator in locators {
        let issued = they.airline.issue_tickets(&format!("{locator}:tickets"), &locator).await;
        let Outcome::Done(documents) = issued else { panic!("{issued:?}") };
        numbers.extend(documents.as_array().unwrap().iter().map(Value::to_string));
    }
    assert_eq!(numbers.len(), 6);
}

#[tokio::test]
async fn tickets_terms_and_changes_follow_the_fare() {
    let they = Companies::open().await;
    let air = &they.airline;
    for (name, second) in [("TICKETFAIL", false), ("TICKETFAILONCE", true)] {
        let locator = they.book(&format!("{name}:book"), name).await;
        let first = air.issue_tickets(&format!("{name}:0"), &locator).await;
        assert_eq!(first, Outcome::Refused(Reason::TicketingFailed));
        let next = air.issue_tickets(&format!("{name}:1"), &locator).await;
        assert_eq!(matches!(next, Outcome::Done(_)), second, "{name}: {next:?}");
    }
    for (name, refund, fee) in [
        ("Lovelace", 10_000, Some(0)),
        ("NOREFUND", 0, Some(0)),
        ("FEE", 7_500, Some(2_500)),
        ("NOCHANGE", 10_000, None),
    ] {
        let locator = they.ticket(name, name).await;
        let terms = air.cancellation_terms(&locator, euros(10_000)).await;
        assert_eq!(terms, Outcome::Done(euros(refund)), "{name}");
        let terms = air.change_terms(&locator, &itinerary(), euros(10_000)).await;
        let no = Outcome::Refused(Reason::NotChangeable);
        assert_eq!(terms, fee.map_or(no, |fee| Outcome::Done(euros(fee))), "{name}");
        let key = format!("{name}:change");
        let changed = air.change(&key, &locator, &itinerary(), euros(12_000)).await;
        let no = Outcome::Refused(Reason::NotChangeable);
        assert_eq!(changed, fee.map_or(no, |_| Outcome::Done(())), "{name}");
    }
}

#[tokio::test]
async fn an_airline_moves_a_flight_and_is_told_yes() {
    let they = Companies::open().await;
    let air = &they.airline;
    let locator = they.ticket("o", "SCHEDULECHANGE").await;
    let booked = itinerary();
    until("the airline has moved it", || async {
        air.airline_change(&locator, &booked).await != Outcome::Done(None)
    })
    .await;
    let told = air.airline_change(&locator, &booked).await;
    let Outcome::Done(Some(change)) = told else { panic!("{told:?}") };
    let first = change.itinerary.pointer("/slices/0/segments/0/departing_at").unwrap();
    assert_eq!(first, "2027-12-01T12:30:00", "three hours later on the same day");
    assert_eq!(air.accept_change("o:accept:x", &locator, "chg_0").await, Outcome::Unknown);
    for _ in 0..2 {
        let accepted = air.accept_change("o:accept", &locator, &change.id).await;
        assert_eq!(accepted, Outcome::Done(()));
    }
    assert_eq!(air.airline_change(&locator, &change.itinerary).await, Outcome::Done(None));
    assert_eq!(they.journal("o:").await["bookings"][&locator]["airline_change"], "accepted");
}

#[tokio::test]
async fn every_kind_of_trouble_is_unknown_and_done_once_at_most() {
    let they = Companies::open().await;
    let modes = ["lost_reply", "lost_request", "error", "unavailable", "too_many", "in_flight"];
    for (nth, mode) in modes.iter().chain(&modes).enumerate() {
        let they = Companies::at(&they.url, &they.url);
        let key = format!("{nth}:book");
        they.fault(json!({ "operation": "book", "mode": mode })).await;
        assert_eq!(they.ask(&key, "Lovelace", false).await, Outcome::Unknown, "{mode}");
        // Somebody else, who does not know that the airline asked for time.
        made(Companies::at(&they.url, &they.url).ask(&key, "Lovelace", false).await);
    }
    assert_eq!(they.journal("").await["done"]["book"], modes.len() * 2);
    they.fault(json!({ "operation": "book", "mode": "refuse" })).await;
    for _ in 0..2 {
        let refused = they.ask("r:book", "Lovelace", false).await;
        assert_eq!(refused, Outcome::Refused(Reason::SoldOut), "a no is kept under its key");
    }
    they.fault(json!({ "operation": "price", "mode": "price_change" })).await;
    let changed = they.airline.price(&itinerary(), euros(10_000)).await;
    assert_eq!(changed, Outcome::Refused(Reason::PriceChanged(Some(euros(11_000)))));
    they.fault(json!({ "operation": "price", "mode": "slow", "ms": 300 })).await;
    let asked = Clock::instant();
    assert_eq!(they.airline.price(&itinerary(), euros(10_000)).await, Outcome::Done(()));
    assert!(asked.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_booking_that_timed_out_was_made_once() {
    let they = Companies::open().await;
    for _ in 0..2 {
        assert_eq!(they.ask("o:book", "TIMEOUT", false).await, Outcome::Unknown);
    }
    made(they.ask("o:book", "TIMEOUT", false).await);
    assert_eq!(they.journal("").await["done"]["book"], 1);
}

#[tokio::test]
async fn a_sandbox_goes_wrong_as_its_command_line_says() {
    let mut command = meridian();
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--fault-seed", "7"]);
    command.args(["--fault", "book:refuse=1", "--fault", "error=0.2"]);
    let (_sandbox, line) = Killed::start_until(&mut command, "listening on ");
    install_tls();
    let url = line.trim_start_matches("listening on ");
    let mut outcomes = Vec::new();
    for nth in 0..40 {
        let they = Companies::at(url, url);
        outcomes.push(they.ask(&format!("{nth}:book"), "Lovelace", false).await);
    }
    let refused = Outcome::Refused(Reason::SoldOut);
    let count = |wanted: &Outcome<Booking>| outcomes.iter().filter(|it| *it == wanted).count();
    let (no, unknown) = (count(&refused), count(&Outcome::Unknown));
    assert_eq!(no + unknown, 40);
    assert!((1..20).contains(&unknown), "{unknown} of 40 went wrong");
    for wrong in ["book:fly=1", "refuse", "book:refuse=2", "void:refuse=0.1"] {
        let usage = run(meridian().args(["sandbox", "--fault", wrong]));
        assert_eq!(usage.status.code(), Some(64), "{wrong}");
        assert!(words(&usage).contains("lost_reply=0.05"), "{}", words(&usage));
    }
}
