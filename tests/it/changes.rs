//! What travellers do to what they booked: cancel it, fly otherwise, take what the airline changed.
//! First a quote, then the deed, for the very version of the order that was seen.

use serde_json::{Value, json};

use crate::asker::{
    Answer, Person, an_offer, day, direct_offers, hold, id, instant, new_key, post,
};
use crate::lab::{Lab, sql};

fn minor(money: &Value) -> i64 {
    money["amount_minor"].as_i64().unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

/// Offers from Frankfurt to New York, the cheapest first.
pub(crate) async fn by_price(lab: &Lab) -> Vec<Value> {
    let mut offers = direct_offers(lab, "FRA", "JFK", 1).await;
    offers.sort_by_key(|offer| minor(&offer["total"]));
    offers
}

async fn ticketed(ada: &Person, offer: &str, name: &str) -> String {
    let body = instant(offer, name, "tok_visa");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    ada.wait(&order, "ticketed").await;
    order
}

/// What the provider has kept in the end, and whether anything is still reserved.
async fn kept(lab: &Lab) -> (i64, bool) {
    let books = lab.books().await;
    let accounts = books["money"].as_object().unwrap().values();
    accounts.fold((0, false), |(kept, open), it| {
        let left = it["captured"].as_i64().unwrap() - it["refunded"].as_i64().unwrap();
        (kept + left, open || it["status"] == "reserved")
    })
}

fn paid(token: &str) -> Value {
    json!({ "payment": { "token": token } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fare_with_a_fee_gives_back_what_was_quoted_and_nothing_else() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let order = ticketed(&ada, &an_offer(&lab).await, "FEE").await;
    let total = minor(&ada.wait(&order, "ticketed").await["total"]);
    let asked = ada.quote_cancellation(&order).await.is(201);
    let quote = asked.data();
    let (refund, fee) = (minor(&quote["refund"]), minor(&quote["fee"]));
    assert!(fee > 0 && refund > 0 && refund + fee == total, "{quote}");

    let path = asked.header("location").unwrap().to_owned();
    let seen = ada.get(&path).await.is(200);
    assert_eq!((seen.data(), seen.header("etag")), (quote.clone(), Some("\"cancellation-0\"")));
    let events = ada.events(&order).await;
    assert_eq!(events.last().unwrap(), "order.cancellation_quoted");
    ada.confirm(&quote, &new_key(), &Value::Null).await.is(202);
    let seen = ada.wait(&order, "refunded").await;
    assert_eq!(minor(&seen["payments"][0]["refunded"]), refund);
    assert_eq!((kept(&lab).await, lab.seats().await), ((fee, false), (0, 0)));
    let seen = ada.get(&path).await.is(200);
    assert!(seen.data()["confirmed_at"].is_string());
    assert_eq!(seen.header("etag"), Some("\"cancellation-1\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fare_that_gives_nothing_back_is_cancelled_without_a_refund() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let order = ticketed(&ada, &an_offer(&lab).await, "NOREFUND").await;
    let quote = ada.quote_cancellation(&order).await.is(201).data();
    assert_eq!(minor(&quote["refund"]), 0);
    ada.confirm(&quote, &new_key(), &Value::Null).await.is(202);
    let seen = ada.wait(&order, "cancelled").await;
    assert_eq!((&seen["charged"], lab.journal("refund").await), (&json!("yes"), 0));
    assert_eq!(lab.seats().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_holds_for_one_version_and_a_quarter_of_an_hour() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let order = id(&ada.book(&new_key(), &hold(&an_offer(&lab).await)).await.is(202));
    ada.wait(&order, "held").await;
    let first = ada.quote_cancellation(&order).await.is(201).data();
    let path = format!("/v1/order-cancellations/{}/confirm", text(&first, "id"));
    ada.post(&path, &new_key(), &Value::Null).await.refuses(428, "if_match_required");
    for seen in ["\"order-999\"", "W/\"order-2\"", "order-2", "\"other-2\"", ""] {
        let answer = ada.post_seen(&path, &new_key(), seen, &Value::Null).await;
        answer.refuses(412, "etag_mismatch");
    }
    // Whoever asks again is told by the newer quote; the older one is for a version that is gone.
    let second = ada.quote_cancellation(&order).await.is(201).data();
    assert_ne!(first["order_etag"], second["order_etag"]);
    let stale = ada.confirm(&first, &new_key(), &Value::Null).await;
    stale.refuses(412, "etag_mismatch");
    let newest = text(&second, "order_etag");
    let cheat = ada.post_seen(&path, &new_key(), newest, &Value::Null).await;
    cheat.refuses(412, "etag_mismatch");
    sql(&lab.database, "UPDATE order_quote SET expires_at = now() - interval '1 second'").await;
    let late = ada.confirm(&second, &new_key(), &Value::Null).await;
    late.refuses(410, "quote_expired");
    ada.wait(&order, "held").await;
    ada.cancel(&order).await.is(202);
    ada.wait(&order, "cancelled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_with_a_key_is_made_once() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let order = ticketed(&ada, &an_offer(&lab).await, "Lovelace").await;
    let (key, body) = (new_key(), json!({ "order_id": order }));
    let first = ada.post("/v1/order-cancellations", &key, &body).await.is(201);
    let again = ada.post("/v1/order-cancellations", &key, &body).await.is(201);
    assert_eq!((&again.bytes, again.header("location")), (&first.bytes, first.header("location")));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let quoted = |it: &&String| *it == "order.cancellation_quoted";
    assert_eq!(ada.events(&order).await.iter().filter(quoted).count(), 1);
    // The same when the order has gone its way since.
    ada.cancel(&order).await.is(202);
    ada.wait(&order, "refunded").await;
    let late = ada.post("/v1/order-cancellations", &key, &body).await.is(201);
    assert_eq!(late.bytes, first.bytes);
    let order = ticketed(&ada, &an_offer(&lab).await, "Lovelace").await;
    // A COMMIT whose answer is lost makes no second one, with a key or without.
    lab.running("eu-central").api.store.faults().lose_commit_reply_next(1);
    ada.quote_cancellation(&order).await.is(201);
    assert_eq!(ada.events(&order).await.iter().filter(quoted).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_that_the_airline_does_not_answer_does_nothing() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let order = ticketed(&ada, &an_offer(&lab).await, "Lovelace").await;
    lab.fault("cancellation_terms", "unavailable", 20).await;
    let answer = ada.quote_cancellation(&order).await.refuses(503, "provider_unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(ada.events(&order).await.last().unwrap(), "ticket.issued");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dearer_flight_is_paid_for_and_the_old_seat_goes_last() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let offers = by_price(&lab).await;
    let (cheap, dear) = (&offers[0], offers.last().unwrap());
    let order = ticketed(&ada, text(cheap, "id"), "Lovelace").await;
    let quote = ada.quote_change(&order, text(dear, "id")).await.is(201).data();
    let extra = minor(&dear["total"]) - minor(&cheap["total"]);
    assert_eq!((minor(&quote["charge"]), minor(&quote["refund"])), (extra, 0));

    ada.confirm(&quote, &new_key(), &json!({})).await.refuses(422, "validation_failed");
    let key = new_key();
    let first = ada.confirm(&quote, &key, &paid("tok_visa")).await.is(202);
    assert_eq!(first.data()["state"], "changing");
    let seen = ada.wait(&order, "ticketed").await;
    assert_eq!((&seen["total"], &seen["failure"]), (&dear["total"], &Value::Null));
    assert_eq!(seen["itinerary"]["slices"], dear["slices"]);
    let again = ada.confirm(&quote, &key, &paid("tok_visa")).await.is(202);
    assert_eq!(again.bytes, first.bytes);
    assert_eq!(kept(&lab).await, (minor(&dear["total"]), false));
    assert_eq!((lab.journal("change").await, lab.seats().await), (1, (0, 1)));
    let kinds = ada.events(&order).await;
    let steps = ["payment.authorized", "order.changed", "payment.captured", "ticket.issued"];
    assert_eq!(kinds[kinds.len() - 6..kinds.len() - 4], ["order.change_quoted", "order.changing"]);
    assert_eq!(kinds[kinds.len() - 4..], steps);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cheaper_flight_gives_the_difference_back() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let offers = by_price(&lab).await;
    let (cheap, dear) = (&offers[0], offers.last().unwrap());
    let order = ticketed(&ada, text(dear, "id"), "Lovelace").await;
    let quote = ada.quote_change(&order, text(cheap, "id")).await.is(201).data();
    assert_eq!(minor(&quote["refund"]), minor(&dear["total"]) - minor(&cheap["total"]));
    ada.confirm(&quote, &new_key(), &paid("tok_visa")).await.refuses(422, "validation_failed");
    ada.confirm(&quote, &new_key(), &json!({})).await.is(202);
    let seen = ada.wait(&order, "ticketed").await;
    assert_eq!(seen["total"], cheap["total"]);
    assert_eq!((kept(&lab).await, lab.seats().await), ((minor(&cheap["total"]), false), (0, 1)));

    // The same flight at the same price costs nothing and moves no money.
    let quote = ada.quote_change(&order, text(cheap, "id")).await.is(201).data();
    assert_eq!((minor(&quote["charge"]), minor(&quote["refund"])), (0, 0));
    ada.confirm(&quote, &new_key(), &json!({})).await.is(202);
    ada.wait(&order, "ticketed").await;
    assert_eq!((kept(&lab).await, lab.seats().await), ((minor(&cheap["total"]), false), (0, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fee_for_changing_is_paid_once_and_buys_no_later_flight() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let offers = by_price(&lab).await;
    let (cheap, dear) = (&offers[0], offers.last().unwrap());
    let order = ticketed(&ada, text(cheap, "id"), "FEE").await;
    let quote = ada.quote_change(&order, text(dear, "id")).await.is(201).data();
    let fee = minor(&quote["fee"]);
    assert!(fee > 0);
    let extra = minor(&dear["total"]) + fee - minor(&cheap["total"]);
    assert_eq!(minor(&quote["charge"]), extra);
    ada.confirm(&quote, &new_key(), &paid("tok_visa")).await.is(202);
    ada.wait(&order, "ticketed").await;
    assert_eq!(kept(&lab).await.0, minor(&dear["total"]) + fee);
    let back = ada.quote_change(&order, text(cheap, "id")).await.is(201).data();
    let due = minor(&cheap["total"]) + minor(&back["fee"]) - minor(&dear["total"]);
    assert_eq!(minor(&back["charge"]) - minor(&back["refund"]), due);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_comes_to_nothing_leaves_everything_as_it_was() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let offers = by_price(&lab).await;
    let (cheap, dear) = (&offers[0], offers.last().unwrap());
    let order = ticketed(&ada, text(cheap, "id"), "Lovelace").await;
    let change = async |token: &str| {
        let quote = ada.quote_change(&order, text(dear, "id")).await.is(201).data();
        ada.confirm(&quote, &new_key(), &paid(token)).await.is(202);
        let seen = ada.wait(&order, "ticketed").await;
        assert_eq!((&seen["total"], &seen["itinerary"]["slices"]), {
            (&cheap["total"], &cheap["slices"])
        });
        assert_eq!(kept(&lab).await, (minor(&cheap["total"]), false));
        assert_eq!(lab.seats().await, (0, 1));
        seen["failure"].clone()
    };
    assert_eq!(change("tok_decline").await, "payment_declined");
    lab.fault("change", "refuse", 1).await;
    assert_eq!(change("tok_visa").await, "not_changeable");
    assert_eq!(lab.journal("void").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_changed_so_is_said_before_anything_is_done() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let offers = by_price(&lab).await;
    let offer = text(&offers[0], "id");
    let firm = ticketed(&ada, offer, "NOCHANGE").await;
    ada.quote_change(&firm, offer).await.refuses(409, "not_changeable");
    let order = ticketed(&ada, offer, "Lovelace").await;
    let two = direct_offers(&lab, "FRA", "JFK", 2).await;
    let pointer = |answer: Answer| answer.json()["errors"][0]["pointer"].clone();
    let refused = ada.quote_change(&order, text(&two[0], "id")).await;
    assert_eq!(pointer(refused.refuses(422, "validation_failed")), "/offer_id");
    let dollars = json!({
        "slices": [{"origin": "FRA", "destination": "JFK", "departure_date": day(40)}],
        "currency": "USD",
    });
    let found = post(&lab, "eu-central", "/v1/offer-requests", &dollars).await.is(201).data();
    let refused = ada.quote_change(&order, text(&found["offers"][0], "id")).await;
    assert_eq!(pointer(refused.refuses(422, "validation_failed")), "/offer_id");
    ada.quote_change(&order, "off_nonsense").await.refuses(404, "not_found");
    ada.quote_change("ord_nonsense", offer).await.refuses(404, "not_found");
    let held = id(&ada.book(&new_key(), &hold(offer)).await.is(202));
    ada.wait(&held, "held").await;
    ada.quote_change(&held, offer).await.refuses(409, "order_state_conflict");

    // The last seat of the other flight goes between the quote and its confirmation.
    let quote = ada.quote_change(&order, text(offers.last().unwrap(), "id")).await.is(201).data();
    let segment = &offers.last().unwrap()["slices"][0]["segments"][0];
    let (flight, day) = (text(segment, "flight"), &text(segment, "departing_at")[..10]);
    sql(
        &lab.database,
        &format!(
            "INSERT INTO inventory VALUES
                ('eu-central', '{flight}', '{day}', 'economy', 200, 0, 200)"
        ),
    )
    .await;
    let key = new_key();
    let first = ada.confirm(&quote, &key, &paid("tok_visa")).await.refuses(409, "sold_out");
    let again = ada.confirm(&quote, &key, &paid("tok_visa")).await.refuses(409, "sold_out");
    assert_eq!(
        (first.bytes, again.header("idempotent-replayed")),
        (again.bytes.clone(), Some("true"))
    );
    assert_eq!(ada.wait(&order, "ticketed").await["failure"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_airlines_own_change_is_taken_or_cancelled_for_all_the_money() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    let body = instant(&an_offer(&lab).await, "SCHEDULECHANGE", "tok_visa");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    let seen = ada.wait(&order, "disrupted").await;
    let actions = json!(["cancel", "change", "accept_airline_change"]);
    assert_eq!(seen["available_actions"], actions);
    let path = format!("/v1/orders/{order}/airline-change/accept");
    ada.post(&path, &new_key(), &Value::Null).await.refuses(428, "if_match_required");
    let old = ada.post_seen(&path, &new_key(), "\"order-1\"", &Value::Null).await;
    old.refuses(412, "etag_mismatch");
    let tag = ada.get(&format!("/v1/orders/{order}")).await.is(200);
    let tag = tag.header("etag").unwrap();
    let key = new_key();
    let first = ada.post_seen(&path, &key, tag, &Value::Null).await.is(202);
    let moved = ada.wait(&order, "ticketed").await;
    assert_eq!(moved["itinerary"]["slices"], seen["airline_change"]["slices"]);
    assert_eq!(moved["airline_change"], Value::Null);
    let again = ada.post_seen(&path, &key, tag, &Value::Null).await.is(202);
    assert_eq!((again.bytes, lab.journal("accept_change").await), (first.bytes, 1));
    let other = ada.post_seen(&path, &new_key(), "*", &Value::Null).await;
    other.refuses(409, "order_state_conflict");

    // Whoever does not want the new times gets everything back, whatever the fare says.
    let two = direct_offers(&lab, "FRA", "JFK", 2).await;
    let mut body = instant(text(&two[0], "id"), "SCHEDULECHANGE", "tok_visa");
    let mut other = body["passengers"][0].clone();
    other["family_name"] = json!("FEE");
    body["passengers"].as_array_mut().unwrap().push(other);
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    let seen = ada.wait(&order, "disrupted").await;
    let quote = ada.quote_cancellation(&order).await.is(201).data();
    assert_eq!((&quote["refund"], minor(&quote["fee"])), (&seen["total"], 0));
    ada.confirm(&quote, &new_key(), &Value::Null).await.is(202);
    ada.wait(&order, "refunded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_moved_before_any_money_did_is_offered_again_at_the_new_price() {
    let lab = Lab::start().await;
    let ada = Person::berliner(&lab).await;
    lab.fault("price", "price_change", 1).await;
    let body = instant(&an_offer(&lab).await, "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &body).await.is(202));
    let seen = ada.wait(&order, "rejected").await;
    let change = &seen["price_change"];
    assert_eq!((&seen["failure"], &change["old_total"]), (&json!("price_changed"), &seen["total"]));
    assert!(minor(&change["new_total"]) > minor(&change["old_total"]));
    assert_eq!((lab.journal("authorize").await, lab.seats().await), (0, (0, 0)));
    let again = instant(text(change, "offer_id"), "Lovelace", "tok_visa");
    let order = id(&ada.book(&new_key(), &again).await.is(202));
    let ticketed = ada.wait(&order, "ticketed").await;
    assert_eq!(ticketed["total"], change["new_total"]);
    assert_eq!(ticketed["itinerary"], seen["itinerary"]);
}
