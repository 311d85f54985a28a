//! How the sandbox's companies tell that something happened: signed, repeated until heard, and on
//! demand twice or in another order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::books::Company;
use super::delay;
use super::faults::{Mode, Struck};
use crate::clock::Clock;
use crate::domain::signed_message::{ID, SIGNATURE, Secret, TIMESTAMP};
use crate::suppliers::CallbackSecrets;

/// Pauses before a callback that was not heard is sent again.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5)];
/// Longest that a callback waits for the one that overtakes it.
const OVERTAKEN: Duration = Duration::from_secs(1);
/// Longest that one callback may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The way to whoever wants to be told.
#[derive(Clone)]
pub(super) struct Messenger {
    clock: Clock,
    secrets: CallbackSecrets,
    client: reqwest::Client,
    overtaken: Arc<Mutex<Vec<Message>>>,
}

/// A callback.
#[derive(Clone)]
struct Message {
    url: String,
    id: String,
    secret: Secret,
    body: String,
}

impl Messenger {
    pub(super) fn new(clock: Clock, secrets: CallbackSecrets) -> Self {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("the TLS provider was installed at start");
        Self { clock, secrets, client, overtaken: Arc::default() }
    }

    /// Tells that something happened under a key. Nobody waits for it.
    pub(super) fn tell(
        &self,
        company: Company,
        url: String,
        kind: &'static str,
        key: &str,
        struck: Option<Struck>,
    ) {
        let secret = match company {
            Company::Payments => &self.secrets.payments,
            Company::Airline => &self.secrets.airline,
        };
        let Some(secret) = secret.clone() else { return };
        let id = format!("evt_{}", uuid::Uuid::new_v4().simple());
        let body = json!({ "id": id, "type": kind, "key": key }).to_string();
        let message = Message { url, id, secret, body };
        tokio::spawn(self.clone().carry(message, struck));
    }

    async fn carry(self, message: Message, struck: Option<Struck>) {
        match struck.map(|struck| struck.mode) {
            Some(Mode::LostRequest) => return,
            Some(Mode::Slow) => delay(Duration::from_millis(struck.map_or(0, |it| it.ms))).await,
            Some(Mode::Duplicate) => self.send(&message).await,
            Some(Mode::Reordered) => {
                self.waiting().push(message);
                delay(OVERTAKEN).await;
                return self.send_overtaken().await;
            }
            Some(_) | None => {}
        }
        self.send(&message).await;
        self.send_overtaken().await;
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Message>> {
        self.overtaken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send_overtaken(&self) {
        let waiting = std::mem::take(&mut *self.waiting());
        for message in waiting {
            self.send(&message).await;
        }
    }

    async fn send(&self, message: &Message) {
        for pause in PAUSES {
            if self.try_to_send(message).await {
                return;
            }
            delay(pause).await;
        }
        tracing::warn!("a callback was not heard; given up");
    }

    async fn try_to_send(&self, message: &Message) -> bool {
        let at = self.clock.now();
        let signature = message.secret.sign(&message.id, at, message.body.as_bytes());
        let request = self
            .client
            .post(&message.url)
            .header("content-type", "application/json")
            .header(ID, &message.id)
            .header(TIMESTAMP, at.as_second().to_string())
            .header(SIGNATURE, signature)
            .body(message.body.clone());
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }
}
