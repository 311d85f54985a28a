//! What an operator says, and what the client library is told.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::error::{ConfigError, WITHIN_MIN};
use crate::event::is_topic;

/// Messages that may wait for brokers, all calls together.
const QUEUED_MESSAGES_MAX: usize = 10_000;
/// Memory that they may take, in KiB.
const QUEUED_KIB_MAX: usize = 64 * 1024;
/// Longest pause between two tries to reach a broker.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long a message waits for others to share its request.
const LINGER: Duration = Duration::from_millis(1);
/// Shortest patience for a connection that the client library takes.
const CONNECT_PATIENCE_MIN: Duration = Duration::from_secs(1);

/// A stream to publish to.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Where to find the cluster: host:port, several with commas between them.
    pub brokers: String,
    /// What topics begin with.
    pub topic_prefix: String,
    /// How the brokers' logs and quotas name us.
    pub client_id: String,
    /// Longest that a call may take. Shorter than the caller's lease.
    pub publish_within: Duration,
    /// How to speak to brokers.
    pub security: Security,
}

/// How to speak to brokers.
#[derive(Clone, Debug)]
pub enum Security {
    /// In the clear, without a name: a network of one's own, or a proxy that adds TLS.
    Plain,
    /// TLS, in builds that have it.
    Tls {
        /// Whom to trust; the machine's roots if nothing is said.
        ca: Option<PathBuf>,
        /// Who we are, SASL/SCRAM-SHA-512.
        login: Option<Login>,
    },
}

/// A name and a password.
#[derive(Clone)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl StreamConfig {
    /// How long an event is given. A call that sends none in its second half ends in time.
    pub(crate) fn event_within(&self) -> Duration {
        self.publish_within / 2
    }

    /// Where events come from, as CloudEvents has it. No region in it: an event that is published
    /// again after its order moved is the same event.
    pub(crate) fn source(&self) -> String {
        format!("/{}", self.topic_prefix)
    }

    /// The client library's settings; see librdkafka's `CONFIGURATION.md`.
    pub(crate) fn client(&self) -> Result<ClientConfig, ConfigError> {
        if self.brokers.trim().is_empty() {
            return Err(ConfigError::NoBrokers);
        }
        if !is_topic(&self.topic_prefix) {
            return Err(ConfigError::Prefix(self.topic_prefix.clone()));
        }
        if self.publish_within < WITHIN_MIN {
            return Err(ConfigError::TooShort(self.publish_within));
        }
        let event_within = self.event_within();
        let millis = |time: Duration| time.as_millis().to_string();
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            // What the library sends again because an answer was lost, the brokers drop.
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", millis(event_within))
            .set("linger.ms", millis(LINGER))
            .set("queue.buffering.max.messages", QUEUED_MESSAGES_MAX.to_string())
            .set("queue.buffering.max.kbytes", QUEUED_KIB_MAX.to_string())
            // Java's clients choose partitions so: whoever joins topics relies on it.
            .set("partitioner", "murmur2_random")
            // Before the message times out, so that a missing topic is called by its name.
            .set("topic.metadata.propagation.max.ms", millis(event_within / 2))
            .set("socket.keepalive.enable", "true")
            .set(
                "socket.connection.setup.timeout.ms",
                millis(event_within.max(CONNECT_PATIENCE_MIN)),
            )
            .set("reconnect.backoff.max.ms", millis(RECONNECT_PAUSE_MAX))
            // Brokers close what is idle; nobody needs to hear of it.
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Notice);
        if let Security::Tls { ca, login } = &self.security {
            secure(&mut client, ca.as_ref(), login.as_ref())?;
        }
        Ok(client)
    }
}

fn secure(
    client: &mut ClientConfig,
    ca: Option<&PathBuf>,
    login: Option<&Login>,
) -> Result<(), ConfigError> {
    if !cfg!(feature = "tls") {
        return Err(ConfigError::NoTls);
    }
    client.set("security.protocol", if login.is_some() { "sasl_ssl" } else { "ssl" });
    if let Some(ca) = ca {
        client.set("ssl.ca.location", ca.to_string_lossy());
    }
    if let Some(Login { user, password }) = login {
        client.set("sasl.mechanisms", "SCRAM-SHA-512");
        client.set("sasl.username", user).set("sasl.password", password);
    }
    Ok(())
}
