//! The suppliers' descriptions against the running sandbox and the running client: every call goes
//! through a recorder, every call and every answer must be as described, and everything described
//! must have been seen.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use jsonschema::Validator;
use meridian::clock::Clock;
use meridian::domain::money::Money;
use meridian::suppliers::sandbox::HOLD;
use meridian::suppliers::sandbox::faults::{Fault, OPERATIONS};
use meridian::suppliers::{Airline, CallbackSecrets, Outcome, PaymentProvider};
use reqwest::Client;
use serde_json::{Value, json};

use crate::lab::{sandbox, until};
use crate::recorder::{Exchange, Recorder};
use crate::suppliers::{Companies, euros, itinerary};

/// A description, and what of it was seen.
struct Description {
    name: &'static str,
    document: Value,
    seen: BTreeSet<String>,
}

impl Description {
    fn read(name: &'static str) -> Self {
        let path = format!("{}/docs/suppliers/{name}.openapi.json", env!("CARGO_MANIFEST_DIR"));
        let document = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        Self { name, document, seen: BTreeSet::new() }
    }

    /// The operation that a call is about: a path without parameters comes before one with.
    fn operation(&self, exchange: &Exchange) -> Option<Value> {
        let method = exchange.method.as_str().to_lowercase();
        let fits = |template: &str| {
            let (parts, theirs): (Vec<_>, Vec<_>) =
                (template.split('/').collect(), exchange.path.split('/').collect());
            let same = |(a, b): (&&str, &&str)| a.starts_with('{') || a == b;
            parts.len() == theirs.len() && parts.iter().zip(&theirs).all(same)
        };
        let paths = self.document["paths"].as_object().unwrap();
        let mut found: Vec<_> = paths.iter().filter(|(path, _)| fits(path)).collect();
        found.sort_by_key(|(path, _)| path.contains('{'));
        found.iter().find_map(|(_, item)| item.get(&method)).cloned()
    }

    /// What a reference leads to.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.document.pointer(&reference[1..]).expect(reference),
            None => value,
        }
    }

    fn validator(&self, schema: &Value) -> Validator {
        let mut whole = schema.clone();
        whole["components"] = self.document["components"].clone();
        jsonschema::options().should_validate_formats(true).build(&whole).unwrap()
    }

    /// Holds one exchange against the description.
    fn hold(&mut self, exchange: &Exchange) {
        let Some(operation) = self.operation(exchange) else { return };
        let id = operation["operationId"].as_str().unwrap();
        let about = format!("{} {id} {}", self.name, exchange.status);
        let described = operation["responses"][exchange.status.to_string()].clone();
        assert!(!described.is_null(), "{about} is not described");
        let described = self.resolve(&described).clone();
        self.seen.insert(format!("{id} {}", exchange.status));
        assert_eq!(exchange.retry_after, described["headers"]["Retry-After"].is_object());
        if let Some(schema) = described.pointer("/content/application~1json/schema") {
            let answered = exchange.answered.as_ref().expect("an answer");
            self.fits(&about, schema, answered);
            self.walk(&format!("{id} {}", exchange.status), schema, answered);
        }
        // What was refused as wrong need not be as described.
        if !exchange.ours || exchange.status == 422 {
            return;
        }
        let keyed = operation["parameters"].as_array().is_some_and(|it| !it.is_empty());
        assert_eq!(exchange.key, keyed, "{about}: an Idempotency-Key");
        match operation.pointer("/requestBody/content/application~1json/schema") {
            Some(schema) => {
                let sent = exchange.sent.as_ref().expect("a body");
                self.fits(&about, schema, sent);
                self.walk(&format!("{id} sent"), schema, sent);
            }
            None => assert_eq!(exchange.sent, None, "{about}: no body"),
        }
    }

    fn fits(&self, about: &str, schema: &Value, instance: &Value) {
        let wrong: Vec<String> =
            self.validator(schema).iter_errors(instance).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{about}: {instance}: {wrong:?}");
    }

    /// Notes every field and every value of a list that an instance shows.
    fn walk(&mut self, place: &str, schema: &Value, instance: &Value) {
        let place = schema["$ref"].as_str().unwrap_or(place).to_owned();
        let schema = self.resolve(schema).clone();
        for one in schema["oneOf"].as_array().into_iter().flatten() {
            if one["type"] != "null" && !instance.is_null() {
                self.walk(&place, one, instance);
            } else if one["type"] == "null" && instance.is_null() {
                self.seen.insert(format!("{place} null"));
            }
        }
        if schema["enum"].is_array() {
            self.seen.insert(format!("{place} {instance}"));
        }
        for (field, inner) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(value) = instance.get(field) {
                self.seen.insert(format!("{place} .{field}"));
                self.walk(&format!("{place} .{field}"), inner, value);
            }
        }
        for value in instance.as_array().into_iter().flatten() {
            self.walk(&format!("{place} []"), &schema["items"], value);
        }
    }

    /// Everything that ought to be seen under a schema.
    fn expect(&self, place: &str, schema: &Value, all: &mut BTreeSet<String>) {
        let place = schema["$ref"].as_str().unwrap_or(place).to_owned();
        let schema = self.resolve(schema);
        for one in schema["oneOf"].as_array().into_iter().flatten() {
            if one["type"] == "null" {
                all.insert(format!("{place} null"));
            } else {
                self.expect(&place, one, all);
            }
        }
        for value in schema["enum"].as_array().into_iter().flatten() {
            all.insert(format!("{place} {value}"));
        }
        for (field, inner) in schema["properties"].as_object().into_iter().flatten() {
            all.insert(format!("{place} .{field}"));
            self.expect(&format!("{place} .{field}"), inner, all);
        }
        if schema["items"].is_object() {
            self.expect(&format!("{place} []"), &schema["items"], all);
        }
    }

    /// What is described and was not seen.
    fn unseen(&self) -> Vec<String> {
        let mut all = BTreeSet::new();
        let paths = self.document["paths"].as_object().unwrap();
        let operations = paths.values().flat_map(|item| item.as_object().unwrap().iter());
        for (_, operation) in operations.filter(|(name, _)| *name != "parameters") {
            let id = operation["operationId"].as_str().unwrap();
            for (status, response) in operation["responses"].as_object().unwrap() {
                all.insert(format!("{id} {status}"));
                let response = self.resolve(response);
                if let Some(schema) = response.pointer("/content/application~1json/schema") {
                    self.expect(&format!("{id} {status}"), schema, &mut all);
                }
            }
            let body = operation.pointer("/requestBody/content/application~1json/schema");
            if let Some(schema) = body {
                self.expect(&format!("{id} sent"), schema, &mut all);
            }
        }
        all.difference(&self.seen).cloned().collect()
    }
}

/// What came of a call is the recorder's to keep.
fn recorded<T>(_: Outcome<T>) {}

/// One call of an operation, whatever comes of it.
async fn call(they: &Companies, operation: &str, key: &str, reference: &str, locator: &str) {
    let (pay, air) = (&they.payments, &they.airline);
    let (flights, total, now) = (itinerary(), euros(10_000), Timestamp::UNIX_EPOCH);
    match operation {
        "authorize" => recorded(pay.authorize(key, total, "tok_visa").await),
        "authorization" => recorded(pay.authorization(reference).await),
        "close_authorization" => recorded(pay.close(key).await),
        "capture" => recorded(pay.capture(key, reference, total).await),
        "void" => recorded(pay.void(key, reference).await),
        "refund" => recorded(pay.refund(key, reference, total).await),
        "price" => recorded(air.price(&flights, total).await),
        "book" => recorded(they.ask(key, "Lovelace", false).await),
        "close_booking" => recorded(air.close(key, false, now).await),
        "confirm" => recorded(air.confirm(key, locator).await),
        "tickets" => recorded(air.issue_tickets(key, locator).await),
        "cancellation_terms" => recorded(air.cancellation_terms(locator, total).await),
        "cancel" => recorded(air.cancel(key, locator).await),
        "change_terms" => recorded(air.change_terms(locator, &flights, total).await),
        "change" => recorded(air.change(key, locator, &flights, total).await),
        "airline_change" => recorded(air.airline_change(locator, &flights).await),
        "accept_change" => recorded(air.accept_change(key, locator, "chg_0").await),
        other => panic!("{other}"),
    }
}

/// Operations with a key.
const DOING: [&str; 12] = [
    "authorize",
    "close_authorization",
    "capture",
    "void",
    "refund",
    "book",
    "close_booking",
    "confirm",
    "tickets",
    "cancel",
    "change",
    "accept_change",
];
/// Operations without.
const ASKING: [&str; 5] =
    ["authorization", "price", "cancellation_terms", "change_terms", "airline_change"];

/// Every operation, well, badly, and about what is not there.
async fn everything_goes_wrong(url: &str, inner: &str) {
    for operation in DOING.iter().chain(&ASKING) {
        // New companies every time: nobody remembers the trouble.
        let they = || Companies::at(url, inner);
        call(&they(), operation, &format!("{operation}:none"), "auth_none", "NOSUCH").await;
        for mode in ["error", "unavailable", "too_many", "lost_reply", "lost_reply"] {
            they().fault(json!({ "operation": operation, "mode": mode })).await;
            let key = format!("{operation}:{mode}");
            call(&they(), operation, &key, "auth_none", "NOSUCH").await;
        }
        let refusable = [
            "authorize",
            "capture",
            "price",
            "book",
            "confirm",
            "tickets",
            "change_terms",
            "change",
        ];
        let priced = ["price", "book", "confirm", "change_terms", "change"];
        let in_flight = if DOING.contains(operation) { DOING.as_slice() } else { &[] };
        for (mode, fits) in [
            ("in_flight", in_flight),
            ("refuse", refusable.as_slice()),
            ("price_change", priced.as_slice()),
        ] {
            if fits.contains(operation) {
                they().fault(json!({ "operation": operation, "mode": mode })).await;
                let key = format!("{operation}:{mode}");
                call(&they(), operation, &key, "auth_none", "NOSUCH").await;
            }
        }
    }
}

/// What no client of ours sends.
async fn rude_calls(url: &str, description: &Description) {
    let client = Client::new();
    let paths = description.document["paths"].as_object().unwrap();
    for (path, item) in paths {
        let path = path.replace("{id}", "auth_none").replace("{locator}", "NOSUCH");
        let Some(operation) = item.get("post") else { continue };
        let post = || client.post(format!("{url}{path}"));
        post().header("idempotency-key", "\"rude\"").body("{").send().await.unwrap();
        if !operation["parameters"].is_array() {
            continue;
        }
        // The same key first for one thing and then for another; and no key at all.
        let key = format!("\"twice:{path}\"");
        let bodies = bodies(operation["operationId"].as_str().unwrap());
        for body in &bodies {
            post().header("idempotency-key", &key).json(body).send().await.unwrap();
        }
        post().json(&bodies[0]).send().await.unwrap();
    }
}

/// Two different bodies of an operation.
fn bodies(operation: &str) -> [Value; 2] {
    let with = |amount: i64| match operation {
        "authorize" => json!({ "amount_minor": amount, "currency": "EUR", "token": "tok_visa" }),
        "capture" | "refund" => json!({ "amount_minor": amount, "currency": "EUR" }),
        "close_authorization" | "close_booking" => json!({ "key": amount.to_string() }),
        "book" => json!({
            "hold": false, "itinerary": itinerary(), "total": euros(amount),
            "passengers": [{
                "given_name": "Ada", "family_name": "Lovelace", "born_on": "1987-03-21",
            }],
        }),
        "change" => json!({ "itinerary": itinerary(), "total": euros(amount) }),
        "accept_change" => json!({ "id": format!("chg_{amount}") }),
        _ => json!({ "anything": amount }),
    };
    [with(1), with(2)]
}

/// The life of money, as far as the other stories do not show it.
async fn money(they: &Companies, clock: &Clock) {
    let pay = &they.payments;
    let _ = pay.authorize("m:0", euros(0), "tok_visa").await;
    let _ = pay.authorize("m:declined", euros(1), "tok_decline").await;
    let _ = pay.close("m:never").await;
    let _ = pay.authorize("m:never", euros(1), "tok_visa").await;
    for (key, proof) in [("m:ok", "ok"), ("m:failed", "failed")] {
        let asked = pay.authorize(key, euros(10_000), "tok_3ds").await;
        let Outcome::Done(asked) = asked else { panic!("{asked:?}") };
        let _ = pay.authorization(&asked.reference).await;
        they.prove(&asked.reference, proof).await;
        let _ = pay.authorization(&asked.reference).await;
        let _ = pay.authorize(key, euros(10_000), "tok_3ds").await;
        let _ = pay.close(key).await;
    }
    let reference = they.reserve("m:taken", "tok_visa").await;
    let other = Money { amount_minor: 1, currency: "JPY".parse().unwrap() };
    let _ = pay.refund("m:early", &reference, euros(1)).await;
    let _ = pay.capture("m:yen", &reference, other).await;
    let _ = pay.capture("m:capture", &reference, euros(10_000)).await;
    let _ = pay.capture("m:twice", &reference, euros(10_000)).await;
    let _ = pay.void("m:void", &reference).await;
    let _ = pay.refund("m:refund", &reference, euros(1)).await;
    let _ = pay.refund("m:much", &reference, euros(10_000)).await;
    let reference = they.reserve("m:let_go", "tok_visa").await;
    let _ = pay.void("m:let_go:void", &reference).await;
    let reference = they.reserve("m:old", "tok_visa").await;
    let locator = they.book("m:book", "Lovelace").await;
    same_key_other_body(they, &reference, &locator).await;
    clock.advance(Duration::from_secs(8 * 24 * 3600));
    let _ = pay.authorization(&reference).await;
}

/// The same key with another body, where a company keeps an answer only to what is there.
async fn same_key_other_body(they: &Companies, reference: &str, locator: &str) {
    let pay = &they.payments;
    let _ = pay.void("s:void", &they.reserve("s:one", "tok_visa").await).await;
    let _ = pay.void("s:void", reference).await;
    let taken = they.reserve("s:two", "tok_visa").await;
    for amount in [10_000, 9_999] {
        let _ = pay.capture("s:capture", &taken, euros(amount)).await;
        let _ = pay.refund("s:refund", &taken, euros(amount)).await;
    }
    let other = they.ticket("s", "Lovelace").await;
    for locator in [locator, other.as_str()] {
        let _ = they.airline.confirm("s:confirm", locator).await;
        let _ = they.airline.issue_tickets("s:both", locator).await;
        let _ = they.airline.change("s:change", locator, &itinerary(), euros(1)).await;
        let _ = they.airline.cancel("s:cancel", locator).await;
        let _ = they.airline.confirm(&format!("s:late:{locator}"), locator).await;
        let _ = they.airline.issue_tickets(&format!("s:late:t:{locator}"), locator).await;
        let key = format!("s:late:c:{locator}");
        let _ = they.airline.change(&key, locator, &itinerary(), euros(1)).await;
    }
}

/// The life of a booking, as far as the other stories do not show it.
async fn bookings(they: &Companies) {
    let air = &they.airline;
    for cabin in ["economy", "premium_economy", "business", "first"] {
        let mut flights = itinerary();
        flights["cabin"] = json!(cabin);
        let _ = air.price(&flights, euros(10_000)).await;
    }
    let _ = air.close("b:never", false, Timestamp::UNIX_EPOCH).await;
    let _ = they.ask("b:never", "Lovelace", false).await;
    for name in ["SOLDOUT", "PRICECHANGE", "DOCUMENTS", "SLOWAIRLINE"] {
        let _ = they.ask(&format!("b:{name}"), name, false).await;
    }
    let _ = they.ask("b:held", "Lovelace", true).await;
    let _ = air.close("b:held", true, Clock::default().now()).await;
    let failing = they.book("b:failing", "TICKETFAIL").await;
    let _ = air.issue_tickets("b:failing:tickets", &failing).await;
    let locator = they.ticket("b", "SCHEDULECHANGE").await;
    let _ = air.cancellation_terms(&locator, euros(10_000)).await;
    let _ = air.change_terms(&locator, &itinerary(), euros(10_000)).await;
    let _ = air.accept_change("b:none", &locator, "chg_0").await;
    until("the flight has moved", || async {
        air.airline_change(&locator, &itinerary()).await != Outcome::Done(None)
    })
    .await;
    let Outcome::Done(Some(change)) = air.airline_change(&locator, &itinerary()).await else {
        panic!("no change")
    };
    for id in [change.id.as_str(), "chg_other"] {
        let _ = air.accept_change("b:accept", &locator, id).await;
    }
    let fixed = they.ticket("n", "NOCHANGE").await;
    let _ = air.change("n:change", &fixed, &itinerary(), euros(1)).await;
}

#[tokio::test]
async fn what_is_said_is_what_is_described_and_nothing_described_is_left_unsaid() {
    let clock = Clock::default();
    let inner = sandbox(&clock, HOLD, CallbackSecrets::default()).await;
    let (url, recorder) = Recorder::open(&inner).await;
    let mut descriptions = [Description::read("payments"), Description::read("airline")];
    everything_goes_wrong(&url, &inner).await;
    for description in &descriptions {
        rude_calls(&url, description).await;
    }
    let they = Companies::at(&url, &inner);
    bookings(&they).await;
    money(&they, &clock).await;
    for description in &mut descriptions {
        for exchange in recorder.heard() {
            description.hold(&exchange);
        }
        assert_eq!(description.unseen(), Vec::<String>::new(), "{}", description.name);
    }
}

#[test]
fn the_page_about_companies_names_every_operation_and_way_to_misbehave() {
    let page = include_str!("../../docs/suppliers.md");
    let modes = [
        "slow",
        "lost_reply",
        "lost_request",
        "error",
        "unavailable",
        "too_many",
        "in_flight",
        "refuse",
        "price_change",
        "duplicate",
        "reordered",
    ];
    for mode in modes {
        let operation =
            if ["duplicate", "reordered"].contains(&mode) { "callback" } else { "book" };
        let fault = format!("{operation}:{mode}=0.5").parse::<Fault>();
        assert!(fault.is_ok(), "{mode} is none");
    }
    for word in OPERATIONS.into_iter().chain(modes) {
        assert!(page.contains(&format!("`{word}`")), "{word} is not in docs/suppliers.md");
    }
}
