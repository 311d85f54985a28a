//! Companies that answer nonsense: too much, too little, of another order, of another shape. None
//! of it is believed, and none of it is taken for a yes or a no.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use meridian::suppliers::{
    Airline, AuthorizationStatus, Booking, Outcome, PaymentProvider, Reason,
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::lab::install_tls;
use crate::suppliers::{Companies, euros, itinerary};

/// A company that says what it is told to say.
#[derive(Clone, Default)]
struct Puppet(Arc<Mutex<(u16, String)>>);

impl Puppet {
    async fn open() -> (Self, String) {
        install_tls();
        let puppet = Self::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(say).with_state(puppet.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (puppet, url)
    }

    fn says(&self, status: u16, body: impl ToString) {
        *self.0.lock().unwrap() = (status, body.to_string());
    }
}

async fn say(State(puppet): State<Puppet>) -> Response {
    let (status, body) = puppet.0.lock().unwrap().clone();
    let redirect = [("location", "/elsewhere")];
    (StatusCode::from_u16(status).unwrap(), redirect, body).into_response()
}

/// A value with one field that is another.
fn with(value: &Value, pointer: &str, field: Value) -> Value {
    let mut value = value.clone();
    *value.pointer_mut(pointer).unwrap() = field;
    value
}

#[tokio::test]
async fn nothing_is_concluded_from_what_cannot_be_read() {
    let (puppet, url) = Puppet::open().await;
    let huge = format!("{{\"id\": \"{}\"}}", "a".repeat(70_000));
    for (status, body) in [
        (200, String::new()),
        (200, "<html>".to_owned()),
        (201, "{}".to_owned()),
        (201, "[]".to_owned()),
        (201, huge),
        (302, "{}".to_owned()),
        (402, "{}".to_owned()),
        (402, "<html>".to_owned()),
        (402, json!({ "code": "sold_out" }).to_string()),
        (409, json!({ "code": "declined" }).to_string()),
        (409, json!({ "code": "sold_out" }).to_string()),
        (404, json!({ "code": "declined" }).to_string()),
        (500, json!({ "code": "declined" }).to_string()),
        (418, "{}".to_owned()),
    ] {
        puppet.says(status, &body);
        let they = Companies::at(&url, &url);
        let authorized = they.payments.authorize("o:authorize", euros(1), "tok_visa").await;
        assert_eq!(authorized, Outcome::Unknown, "{status} {body:.40}");
        let booked = they.ask("o:book", "Lovelace", false).await;
        // Only an airline has seats, and says so with this status only.
        let no = status == 409 && body.contains("sold_out");
        assert_eq!(booked == Outcome::Unknown, !no, "{status} {body:.40}");
        assert_eq!(they.payments.close("o:authorize").await, Outcome::Unknown);
        assert_eq!(they.airline.cancel("o:cancel", "ABCDEF").await, Outcome::Unknown);
        assert_eq!(they.payments.void("o:void", "auth_1").await, Outcome::Unknown);
    }
}

#[tokio::test]
async fn money_is_the_money_that_was_asked_for() {
    let (puppet, url) = Puppet::open().await;
    let they = || Companies::at(&url, &url).payments;
    let good = json!({
        "id": "auth_1", "status": "reserved", "amount_minor": 10_000, "currency": "EUR",
        "captured_minor": 0, "refunded_minor": 0, "capture_before": "2027-01-01T00:00:00Z",
        "action_url": null,
    });
    puppet.says(201, &good);
    let asked = they().authorize("o:authorize", euros(10_000), "tok_visa").await;
    assert!(matches!(asked, Outcome::Done(_)), "{asked:?}");
    for (pointer, value) in [
        ("/id", json!("../../sandbox")),
        ("/id", json!("a".repeat(65))),
        ("/id", json!(17)),
        ("/status", json!("captured")),
        ("/status", json!("fine")),
        ("/amount_minor", json!(10_001)),
        ("/amount_minor", json!("10000")),
        ("/currency", json!("USD")),
        ("/capture_before", json!("soon")),
    ] {
        puppet.says(201, with(&good, pointer, value.clone()));
        let asked = they().authorize("o:authorize", euros(10_000), "tok_visa").await;
        assert_eq!(asked, Outcome::Unknown, "{pointer} {value}");
    }
    puppet.says(200, with(&good, "/id", json!("auth_2")));
    assert_eq!(they().authorization("auth_1").await, Outcome::Unknown, "of another order");
    puppet.says(200, with(&good, "/status", json!("captured")));
    assert_eq!(they().capture("o:capture", "auth_1", euros(10_000)).await, Outcome::Unknown);
    for (captured, refunded, done) in
        [(10_000, 2_500, true), (10_000, 2_499, false), (1, 2_500, false)]
    {
        let taken = with(&good, "/status", json!("captured"));
        let taken = with(&taken, "/captured_minor", json!(captured));
        puppet.says(200, with(&taken, "/refunded_minor", json!(refunded)));
        let back = they().refund("o:refund", "auth_1", euros(2_500)).await;
        assert_eq!(back == Outcome::Done(()), done, "{captured} {refunded}");
    }
}

#[tokio::test]
async fn a_page_for_the_cardholder_is_a_page() {
    let (puppet, url) = Puppet::open().await;
    for (page, taken) in [
        ("https://bank.example/3ds?id=1", true),
        ("javascript:alert(1)", false),
        ("data:text/html,x", false),
        ("/relative", false),
        ("", false),
    ] {
        puppet.says(
            202,
            json!({
                "id": "auth_1", "status": "requires_action", "amount_minor": 1, "currency": "EUR",
                "action_url": page,
            }),
        );
        let they = Companies::at(&url, &url);
        let asked = they.payments.authorize("o:authorize", euros(1), "tok_3ds").await;
        let shown = matches!(
            &asked,
            Outcome::Done(it) if matches!(it.status, AuthorizationStatus::ActionRequired { .. })
        );
        assert_eq!((shown, asked == Outcome::Unknown), (taken, !taken), "{page}");
    }
}

#[tokio::test]
async fn bookings_tickets_and_terms_are_sane() {
    let (puppet, url) = Puppet::open().await;
    let they = || Companies::at(&url, &url);
    let soon = Timestamp::from_second(this_second() + 3_600).unwrap().to_string();
    let far = Timestamp::from_second(this_second() + 60 * 86_400).unwrap().to_string();
    for (hold, answer, taken) in [
        (true, made("ABCDEF", json!(soon)), true),
        (true, made("ABCDEF", Value::Null), false),
        (true, made("ABCDEF", json!(far)), false),
        (true, made("ABCDEF", json!("tomorrow")), false),
        (false, made("ABCDEF", Value::Null), true),
        (false, made("ABC/DEF", Value::Null), false),
        (false, made("", Value::Null), false),
    ] {
        puppet.says(201, &answer);
        let booked = they().ask("o:book", "Lovelace", hold).await;
        assert_eq!(matches!(booked, Outcome::Done(Booking::Made(_))), taken, "{answer}");
    }
    for (documents, taken) in [
        (json!(["9990000000001"]), true),
        (json!([]), false),
        (json!(["999"]), false),
        (json!(["999000000000a"]), false),
        (json!(vec!["9990000000001"; 10]), false),
        (json!("9990000000001"), false),
    ] {
        puppet.says(200, json!({ "record_locator": "ABCDEF", "documents": documents }));
        let issued = they().airline.issue_tickets("o:tickets", "ABCDEF").await;
        assert_eq!(matches!(issued, Outcome::Done(_)), taken, "{documents}");
        let other = they().airline.issue_tickets("o:tickets", "GHIJKL").await;
        assert_eq!(other, Outcome::Unknown, "of another booking");
    }
    let amounts = [
        (10_000, "EUR", true),
        (0, "EUR", true),
        (10_001, "EUR", false),
        (-1, "EUR", false),
        (1, "USD", false),
    ];
    for (amount, currency, taken) in amounts {
        let money = json!({ "amount_minor": amount, "currency": currency });
        puppet.says(200, json!({ "refund": money, "fee": money, "total": money }));
        let (air, total) = (they().airline, euros(10_000));
        let back = air.cancellation_terms("ABCDEF", total).await;
        let fee = air.change_terms("ABCDEF", &itinerary(), total).await;
        assert_eq!((back != Outcome::Unknown, fee != Outcome::Unknown), (taken, taken), "{money}");
        let stands = air.price(&itinerary(), total).await;
        assert_eq!(stands == Outcome::Done(()), amount == 10_000, "{money}");
    }
    // A no remains a no, but not with a price that is none.
    for (total, price) in [
        (json!({ "amount_minor": 1, "currency": "EUR" }), Some(euros(1))),
        (json!({ "amount_minor": 0, "currency": "EUR" }), None),
        (json!({ "amount_minor": 1, "currency": "USD" }), None),
        (json!("cheap"), None),
    ] {
        puppet.says(409, json!({ "code": "price_changed", "total": total }));
        let changed = they().airline.price(&itinerary(), euros(10_000)).await;
        assert_eq!(changed, Outcome::Refused(Reason::PriceChanged(price)), "{total}");
    }
}

fn made(locator: &str, until: Value) -> Value {
    json!({ "status": "made", "record_locator": locator, "payment_required_by": until })
}

fn this_second() -> i64 {
    meridian::clock::Clock::default().now().as_second()
}

#[tokio::test]
async fn an_airline_changes_times_and_nothing_else() {
    let (puppet, url) = Puppet::open().await;
    let told = |change: Value| {
        puppet.says(200, json!({ "change": change }));
        let they = Companies::at(&url, &url);
        async move { they.airline.airline_change("ABCDEF", &itinerary()).await }
    };
    assert_eq!(told(Value::Null).await, Outcome::Done(None));
    let same = json!({ "id": "chg_1", "itinerary": itinerary() });
    assert_eq!(told(same.clone()).await, Outcome::Unknown, "that changes nothing");
    let first = "/itinerary/slices/0/segments/0";
    let mut moved = same;
    for (field, value) in [
        ("departs", "2027-12-01T11:30:00Z"),
        ("departing_at", "2027-12-01T12:30:00"),
        ("arrives", "2027-12-01T20:50:00Z"),
        ("arriving_at", "2027-12-01T15:50:00"),
    ] {
        moved = with(&moved, &format!("{first}/{field}"), json!(value));
    }
    assert!(matches!(told(moved.clone()).await, Outcome::Done(Some(_))));
    for (pointer, value) in [
        ("/id", json!("../1")),
        ("/itinerary/slices/0/segments/0/flight", json!("N2418")),
        ("/itinerary/slices/0/segments/0/origin", json!("MUC")),
        ("/itinerary/cabin", json!("first")),
        ("/itinerary/slices", json!([])),
    ] {
        assert_eq!(told(with(&moved, pointer, value)).await, Outcome::Unknown, "{pointer}");
    }
    puppet.says(200, "{}");
    let they = Companies::at(&url, &url);
    assert_eq!(they.airline.airline_change("ABCDEF", &itinerary()).await, Outcome::Unknown);
}

#[tokio::test]
async fn where_to_call_back_is_no_part_of_what_a_key_stands_for() {
    let they = Companies::open().await;
    let mut ids = Vec::new();
    for url in ["https://one.example/callbacks", "https://other.example/callbacks"] {
        let request = Client::new()
            .post(format!("{}/payments/v1/authorizations", they.url))
            .header("idempotency-key", "\"o:authorize\"")
            .json(&json!({
                "amount_minor": 1, "currency": "EUR", "token": "tok_visa", "callback_url": url,
            }));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 201, "an order that moved home asks for the same thing");
        ids.push(answer.json::<Value>().await.unwrap()["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
}
