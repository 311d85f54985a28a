//! Stands between a client and a server, passes everything on, and writes it down.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::net::TcpListener;

/// A call and its answer.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) key: bool,
    /// Sent by our client, not by hand.
    pub(crate) ours: bool,
    pub(crate) sent: Option<Value>,
    pub(crate) status: u16,
    pub(crate) retry_after: bool,
    pub(crate) answered: Option<Value>,
}

/// Stands between the client and the sandbox, and writes everything down.
#[derive(Clone)]
pub(crate) struct Recorder {
    to: String,
    client: Client,
    heard: Arc<Mutex<Vec<Exchange>>>,
}

impl Recorder {
    pub(crate) async fn open(to: &str) -> (String, Self) {
        let recorder = Self { to: to.to_owned(), client: Client::new(), heard: Arc::default() };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass_on).with_state(recorder.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (url, recorder)
    }

    pub(crate) fn heard(&self) -> Vec<Exchange> {
        self.heard.lock().unwrap().clone()
    }
}

async fn pass_on(State(recorder): State<Recorder>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let sent = to_bytes(body, usize::MAX).await.unwrap();
    let path = head.uri.path().to_owned();
    let url = format!("{}{path}", recorder.to);
    let mut passed = recorder.client.request(head.method.clone(), url).body(sent.clone());
    for name in ["idempotency-key", "content-type", "host"] {
        if let Some(value) = head.headers.get(name) {
            passed = passed.header(name, value);
        }
    }
    let bad_gateway = || Response::builder().status(502).body(Body::empty()).unwrap();
    let Ok(answer) = passed.send().await else { return bad_gateway() };
    let (status, retry_after) = (answer.status(), answer.headers().contains_key("retry-after"));
    let bytes: Bytes = answer.bytes().await.unwrap();
    recorder.heard.lock().unwrap().push(Exchange {
        method: head.method,
        path,
        key: head.headers.contains_key("idempotency-key"),
        ours: head.headers.contains_key("traceparent"),
        sent: serde_json::from_slice(&sent).ok(),
        status: status.as_u16(),
        retry_after,
        answered: serde_json::from_slice(&bytes).ok(),
    });
    Response::builder().status(status).body(Body::from(bytes)).unwrap()
}
