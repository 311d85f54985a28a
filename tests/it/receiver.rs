//! A traveller's own program that is told what happens: it writes down every byte, and answers as a
//! story wants.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;

/// What arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// The event's id.
    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// The event's name.
    pub(crate) fn name(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// Whether somebody who knows the secret, and nobody else, sent these bytes: the standard's own
    /// library says so.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let theirs = Webhook::new(secret).unwrap();
        let proven = theirs.verify(&self.bytes, &self.headers).is_ok();
        let mut forged = self.bytes.clone();
        forged[0] ^= 1;
        assert!(theirs.verify(&forged, &self.headers).is_err());
        proven
    }
}

/// How to answer: a status, after a while, with a header.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    pub(crate) status: u16,
    pub(crate) after: Duration,
    pub(crate) header: Option<(&'static str, String)>,
}

impl Manner {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, after: Duration::ZERO, header: None }
    }
}

/// The program. Clones share what arrived.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Received>>>,
    manner: Arc<Mutex<Manner>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let manner = Arc::new(Mutex::new(Manner::status(204)));
        let receiver = Self { url, seen: Arc::default(), manner };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// Answers so from now on.
    pub(crate) fn answers(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// Everything that arrived, in order.
    pub(crate) fn seen(&self) -> Vec<Received> {
        self.seen.lock().unwrap().clone()
    }

    /// The names of the events that arrived, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.seen().iter().map(Received::name).collect()
    }

    /// The ids of the events that arrived, each where it came first.
    pub(crate) fn firsts(&self) -> Vec<String> {
        let mut firsts: Vec<String> = Vec::new();
        for received in self.seen() {
            if !firsts.iter().any(|id| id == received.id()) {
                firsts.push(received.id().to_owned());
            }
        }
        firsts
    }

    /// Waits until so many events have arrived, and returns them all.
    pub(crate) async fn wait(&self, how_many: usize) -> Vec<Received> {
        let what = format!("{how_many} events arrive");
        crate::lab::until(&what, || async { self.seen().len() >= how_many }).await;
        self.seen()
    }
}

async fn take(
    State(receiver): State<Receiver>,
    uri: Uri,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let received = Received { path: uri.to_string(), headers, bytes: bytes.to_vec() };
    receiver.seen.lock().unwrap().push(received);
    let manner = receiver.manner.lock().unwrap().clone();
    tokio::time::sleep(manner.after).await;
    let mut response = StatusCode::from_u16(manner.status).unwrap().into_response();
    if let Some((name, value)) = manner.header {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}
