//! A program of travellers that is told by webhook what happens to their orders. It hears, and now
//! and then does not say so; it drops what it has heard before, as it was told to.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use meridian::domain::event::EventId;
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;

use crate::chance::Chance;
use crate::figures::locked;

/// How often in a hundred it hears and answers that it did not, and how often it does not hear.
const MUTE_PERCENT: u64 = 5;
const DEAF_PERCENT: u64 = 3;

/// An event that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name.
    pub(crate) name: String,
    /// The order's state after it.
    pub(crate) state: String,
    /// How often it came.
    pub(crate) times: u64,
}

/// Everything that was heard: events by order and number, and what must not have been.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) events: BTreeMap<(String, i64), Event>,
    pub(crate) wrong: Vec<String>,
}

impl Heard {
    /// How often something came that had come before.
    pub(crate) fn again(&self) -> u64 {
        self.events.values().map(|event| event.times - 1).sum()
    }

    /// An event, in the order of its coming: after it, and not before, comes the next one.
    fn hear(&mut self, id: EventId, body: &Value) {
        let text = |pointer: &str| {
            body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (name, state) = (text("/type"), text("/data/state"));
        let order = id.about.to_string();
        if let Some(event) = self.events.get_mut(&(order.clone(), id.seq)) {
            event.times += 1;
            if (&event.name, &event.state) != (&name, &state) {
                self.wrong.push(format!("{id} came as {event:?} and as {name} {state}"));
            }
            return;
        }
        if id.seq > 0 && !self.events.contains_key(&(order.clone(), id.seq - 1)) {
            self.wrong.push(format!("{id} came before the one ahead of it"));
        }
        self.events.insert((order, id.seq), Event { name, state, times: 1 });
    }
}

/// The program. Clones share what it heard.
#[derive(Clone)]
pub(crate) struct Consumer {
    url: String,
    behaves: Arc<AtomicBool>,
    secrets: Arc<Mutex<BTreeMap<usize, String>>>,
    heard: Arc<Mutex<Heard>>,
    chance: Arc<Mutex<Chance>>,
}

impl Consumer {
    pub(crate) async fn start(seed: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let consumer = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            behaves: Arc::default(),
            secrets: Arc::default(),
            heard: Arc::default(),
            chance: Arc::new(Mutex::new(Chance::of(seed, 4))),
        };
        let router = Router::new().route("/{traveller}", post(take)).with_state(consumer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        consumer
    }

    /// Where it is told what happens to a traveller's orders.
    pub(crate) fn url(&self, traveller: usize) -> String {
        format!("{}/{traveller}", self.url)
    }

    pub(crate) fn trust(&self, traveller: usize, secret: String) {
        locked(&self.secrets).insert(traveller, secret);
    }

    /// It hears everything and says so from now on.
    pub(crate) fn behave(&self) {
        self.behaves.store(true, Ordering::Relaxed);
    }

    pub(crate) fn heard(&self) -> Heard {
        locked(&self.heard).clone()
    }

    fn percent(&self, of: u64) -> bool {
        !self.behaves.load(Ordering::Relaxed) && locked(&self.chance).percent(of)
    }
}

async fn take(
    State(consumer): State<Consumer>,
    Path(traveller): Path<usize>,
    headers: HeaderMap,
    bytes: Bytes,
) -> StatusCode {
    if consumer.percent(DEAF_PERCENT) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let secret = locked(&consumer.secrets).get(&traveller).cloned().unwrap_or_default();
    let genuine = Webhook::new(&secret).is_ok_and(|it| it.verify(&bytes, &headers).is_ok());
    let id = headers.get("webhook-id").and_then(|it| it.to_str().ok()).unwrap_or_default();
    {
        let mut heard = locked(&consumer.heard);
        match (genuine, EventId::parse(id), serde_json::from_slice(&bytes)) {
            (true, Some(event), Ok(body)) => heard.hear(event, &body),
            _ => heard.wrong.push(format!("{id} of {traveller} is not from us")),
        }
    }
    if consumer.percent(MUTE_PERCENT) { StatusCode::BAD_GATEWAY } else { StatusCode::NO_CONTENT }
}
