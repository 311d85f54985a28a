//! Looking at one's orders: page by page, and only what has changed.

use reqwest::header::IF_NONE_MATCH;
use serde_json::Value;

use crate::asker::{Answer, Person, an_offer, hold, id, new_key};
use crate::lab::{Lab, sql};

/// The path behind a Link header's `next`.
fn next(answer: &Answer) -> Option<String> {
    let (path, rel) = answer.header("link")?.split_once('>')?;
    assert_eq!(rel, "; rel=\"next\"");
    Some(path.strip_prefix('<').unwrap().to_owned())
}

fn ids(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let orders = json["data"].as_array().unwrap();
    orders.iter().map(|order| order["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_walked_page_by_page_and_nothing_comes_twice_or_is_missed() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let offer = an_offer(&lab).await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(id(&ada.book(&new_key(), &hold(&offer)).await.is(202)));
    }
    // Two of one instant: then the id decides.
    sql(
        &lab.database,
        "UPDATE orders SET created_at = (SELECT max(created_at) FROM orders)
         WHERE created_at >=
             (SELECT created_at FROM orders ORDER BY created_at DESC OFFSET 3 LIMIT 1)",
    )
    .await;
    let whole = ada.get("/v1/orders").await.is(200);
    assert_eq!((whole.json()["meta"]["limit"].as_u64(), next(&whole)), (Some(50), None));
    let mut path = Some("/v1/orders?limit=2".to_owned());
    let mut walked = Vec::new();
    while let Some(here) = path {
        let page = ada.get(&here).await.is(200);
        walked.extend(ids(&page));
        path = next(&page);
        assert_eq!(path.is_some(), page.json()["meta"]["after"].is_string());
        // What is booked meanwhile comes first, so it moves nothing.
        made.push(id(&ada.book(&new_key(), &hold(&offer)).await.is(202)));
    }
    assert_eq!(walked, ids(&whole));

    sql(&lab.database, "UPDATE orders SET state = 'held' WHERE id::text < '8'").await;
    let held = ada.get("/v1/orders?state=held&limit=200").await.is(200).json();
    let states = held["data"].as_array().unwrap().iter().map(|order| &order["state"]);
    assert!(states.into_iter().all(|state| state == "held"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_list_leads_nowhere() {
    let lab = Lab::without_worker().await;
    let (ada, eve) = (Person::berliner(&lab).await, Person::berliner(&lab).await);
    let offer = an_offer(&lab).await;
    for _ in 0..2 {
        ada.book(&new_key(), &hold(&offer)).await.is(202);
    }
    let page = ada.get("/v1/orders?limit=1").await.is(200);
    let path = next(&page).unwrap();
    ada.get(&path).await.is(200);
    let pointer = |answer: Answer| {
        let answer = answer.refuses(422, "validation_failed");
        answer.json()["errors"][0]["pointer"].as_str().unwrap().to_owned()
    };
    assert_eq!(pointer(eve.get(&path).await), "after");
    assert_eq!(pointer(ada.get(&format!("{path}&state=held")).await), "after");
    assert_eq!(pointer(ada.get(&path[..path.len() - 1]).await), "after");
    assert_eq!(pointer(ada.get("/v1/orders?after=!").await), "after");
    for limit in ["0", "201", "65535"] {
        assert_eq!(pointer(ada.get(&format!("/v1/orders?limit={limit}")).await), "limit");
    }
    assert_eq!(pointer(ada.get("/v1/orders?state=lost").await), "state");
    ada.get("/v1/orders?limit=many").await.refuses(400, "malformed");
    ada.get("/v1/orders?page=2").await.refuses(400, "malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_has_not_changed_is_not_sent_again() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let order = id(&ada.book(&new_key(), &hold(&an_offer(&lab).await)).await.is(202));
    let path = format!("/v1/orders/{order}");
    let first = ada.get(&path).await.is(200);
    let tag = first.header("etag").unwrap().to_owned();
    assert_eq!(tag, "\"order-0\"");
    let look = async |seen: &str| {
        let request = ada.http.get(format!("{}{path}", ada.url)).bearer_auth(&ada.token);
        Answer::of(request.header(IF_NONE_MATCH, seen)).await
    };
    for seen in [tag.clone(), format!("W/{tag}"), format!("\"order-9\", {tag}"), "*".into()] {
        let answer = look(&seen).await.is(304);
        assert_eq!((answer.bytes.len(), answer.header("etag")), (0, Some(tag.as_str())));
    }
    look("\"order-1\"").await.is(200);
    sql(&lab.database, "UPDATE orders SET version = 1").await;
    let changed = look(&tag).await.is(200);
    assert_eq!(changed.data()["version"], Value::from(1));
}
