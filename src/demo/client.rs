//! A traveller's program: finds its region by DNS, sends personal data home only, and trusts
//! nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use meridian_geo_routing::{Subnet, ask};
use meridian_regions::{RegionId, Registry};
use reqwest::header::IF_MATCH;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::house::Failed;
use crate::clock::{Clock, Deadline};

/// Longest wait for an order to rest.
const REST_PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two looks at an order.
const LOOK_PAUSE: Duration = Duration::from_millis(40);

/// A traveller with a program.
pub struct Traveller {
    http: Client,
    /// Where she is: the region that DNS gave her.
    pub gateway: RegionId,
    /// Where her data is.
    pub home: RegionId,
    token: String,
    /// How often a region sent her home.
    pub misdirected: u32,
}

/// What DNS says to somebody in a network.
pub async fn nearest(
    dns: SocketAddr,
    registry: Registry,
    host: &str,
    subnet: Subnet,
) -> Result<RegionId, Failed> {
    let name = format!("{host}.meridian.example.");
    let addresses = ask(dns, &name, subnet).await.map_err(|error| Failed(error.to_string()))?;
    let of = |address: &IpAddr| {
        registry.all().find(|region| match address {
            IpAddr::V4(v4) => region.endpoints.ipv4.contains(v4),
            IpAddr::V6(v6) => region.endpoints.ipv6.contains(v6),
        })
    };
    addresses.iter().find_map(of).ok_or_else(|| Failed(format!("{name} leads to no region")))
}

impl Traveller {
    /// Signs up from a gateway: asks for the home first, and also shows what happens without
    /// asking.
    pub async fn sign_up(
        registry: Registry,
        gateway: RegionId,
        country: &str,
    ) -> Result<Self, Failed> {
        let http = Client::new();
        let mut traveller =
            Self { http, gateway, home: gateway, token: String::new(), misdirected: 0 };
        let path = format!("/v1/residence?country={country}");
        let residence = traveller.get(gateway, &path).await?;
        let home = residence["data"]["home"]["region"].as_str().unwrap_or_default();
        traveller.home = registry
            .by_name(home)
            .ok_or_else(|| Failed(format!("residents of {country} are at home nowhere")))?;
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let body = json!({"email": format!("{unique}@tour.example"), "password": unique});
        // At the gateway first, as a careless program would: it must not take the body.
        for region in [gateway, traveller.home] {
            let request = traveller
                .http
                .post(format!("{}/v1/travellers", region.endpoints.api))
                .header("residence-country", country)
                .json(&body);
            let response = request.send().await.map_err(down)?;
            if response.status() == StatusCode::MISDIRECTED_REQUEST {
                traveller.misdirected += 1;
                continue;
            }
            let session = expect(response, StatusCode::CREATED).await?;
            session["data"]["token"].as_str().unwrap_or_default().clone_into(&mut traveller.token);
            break;
        }
        Ok(traveller)
    }

    /// Searches at the gateway, nearest to her; nothing personal is in a search.
    pub async fn search(&self, from: &str, to: &str, day: &str) -> Result<Value, Failed> {
        let body = json!({
            "slices": [{"origin": from, "destination": to, "departure_date": day}],
            "passengers": 1, "max_connections": 1, "currency": "EUR",
        });
        let url = format!("{}/v1/offer-requests", self.gateway.endpoints.api);
        let response = self.http.post(url).json(&body).send().await.map_err(down)?;
        Ok(expect(response, StatusCode::CREATED).await?["data"].take())
    }

    /// Books at home; the same key every time it is asked again.
    pub async fn book(
        &self,
        key: &str,
        kind: &str,
        offer: &str,
        family_name: &str,
        token: Option<&str>,
    ) -> Result<Value, Failed> {
        let mut body = json!({
            "type": kind, "offer_id": offer,
            "passengers": [
                {"given_name": "Ada", "family_name": family_name, "born_on": "1990-12-10"}
            ],
        });
        if let Some(token) = token {
            body["payment"] = json!({ "token": token });
        }
        let response = self.personal(Method::POST, "/v1/orders", Some(key), &body).await?;
        Ok(expect(response, StatusCode::ACCEPTED).await?["data"].take())
    }

    /// Pays for a held order.
    pub async fn pay(&self, key: &str, order: &str, token: &str) -> Result<Value, Failed> {
        let body = json!({"order_id": order, "payment": {"token": token}});
        let response = self.personal(Method::POST, "/v1/payments", Some(key), &body).await?;
        Ok(expect(response, StatusCode::ACCEPTED).await?["data"].take())
    }

    /// Asks what cancelling an order gives back, and cancels it.
    pub async fn cancel(&self, key: &str, order: &str) -> Result<Value, Failed> {
        let (path, body) = ("/v1/order-cancellations", json!({ "order_id": order }));
        let asked = self.personal(Method::POST, path, None, &body).await?;
        let quote = expect(asked, StatusCode::CREATED).await?["data"].take();
        let text = |field: &str| quote[field].as_str().unwrap_or_default();
        let url = format!("{}{path}/{}/confirm", self.home.endpoints.api, text("id"));
        let request = self.http.post(url).bearer_auth(&self.token);
        let request = request.header(IF_MATCH, text("order_etag")).header("idempotency-key", key);
        let confirmed = request.send().await.map_err(down)?;
        Ok(expect(confirmed, StatusCode::ACCEPTED).await?["data"].take())
    }

    /// Waits until an order is in one of some states, or in one that it will not leave.
    pub async fn wait(&self, order: &str, states: &[&str]) -> Result<Value, Failed> {
        let deadline = Deadline::after(REST_PATIENCE);
        loop {
            let path = format!("/v1/orders/{order}");
            let response = self.personal(Method::GET, &path, None, &Value::Null).await?;
            let seen = expect(response, StatusCode::OK).await?["data"].take();
            let state = seen["state"].as_str().unwrap_or_default();
            if states.contains(&state) {
                return Ok(seen);
            }
            if deadline.passed() {
                return Err(Failed(format!("{order} is {state}, not {}", states.join(" or "))));
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// What another region says to a request for her order.
    pub async fn ask_elsewhere(&self, region: RegionId, order: &str) -> Result<StatusCode, Failed> {
        let url = format!("{}/v1/orders/{order}", region.endpoints.api);
        let request = self.http.get(url).bearer_auth(&self.token);
        Ok(request.send().await.map_err(down)?.status())
    }

    async fn get(&self, region: RegionId, path: &str) -> Result<Value, Failed> {
        let url = format!("{}{path}", region.endpoints.api);
        expect(self.http.get(url).send().await.map_err(down)?, StatusCode::OK).await
    }

    async fn personal(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Result<Response, Failed> {
        let url = format!("{}{path}", self.home.endpoints.api);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        request.send().await.map_err(down)
    }
}

/// A day so many days from now, in UTC.
pub fn day_from_now(clock: &Clock, days: i64) -> String {
    let today = clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = today.checked_add(jiff::Span::new().days(days)).unwrap_or(today);
    day.to_string()
}

fn down(error: reqwest::Error) -> Failed {
    Failed(format!("a region did not answer: {error}"))
}

/// The body, if the status is the one that was promised.
async fn expect(response: Response, status: StatusCode) -> Result<Value, Failed> {
    let got = response.status();
    let body: Value = response.json().await.unwrap_or_default();
    if got == status {
        return Ok(body);
    }
    let detail = body["detail"].as_str().unwrap_or("no detail");
    Err(Failed(format!("expected {status}, got {got}: {detail}")))
}
