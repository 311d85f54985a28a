//! The client library's producer, and another one in its place when it is of no use any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::ArcSwap;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::FutureProducer;
use rdkafka::util::TokioRuntime;
use rdkafka::{ClientConfig, ClientContext};

/// Calls without an acknowledgement after which another producer is tried.
const SILENT_CALLS_MAX: u32 = 3;

/// A producer that says what it logs in the house's words.
pub(crate) type Client = FutureProducer<Logged, TokioRuntime>;

/// What the client library logs. A broker that is away is nobody's bug, and what an event met is
/// the caller's to tell.
#[derive(Clone)]
pub(crate) struct Logged;

impl ClientContext for Logged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(facility, "kafka client: {message}"),
            RDKafkaLogLevel::Notice => tracing::info!(facility, "kafka client: {message}"),
            _ => tracing::debug!(facility, "kafka client: {message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}

/// A producer, and for how many calls it has said nothing.
pub(crate) struct Producer {
    pub(crate) client: Client,
    silent_calls: AtomicU32,
}

/// What a call learned about its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    /// Something was acknowledged, or nothing was asked.
    Fine,
    /// Something was asked and nothing acknowledged.
    Silent,
    /// It will never publish again.
    Broken,
}

/// Where calls get their producer from.
pub(crate) struct Producers {
    config: ClientConfig,
    current: ArcSwap<Producer>,
}

impl Producers {
    pub(crate) fn new(config: ClientConfig) -> Result<Self, KafkaError> {
        let current = ArcSwap::from_pointee(make(&config)?);
        Ok(Self { config, current })
    }

    pub(crate) fn one(&self) -> Arc<Producer> {
        self.current.load_full()
    }

    /// Takes a producer back from a call. Another takes the place of one that is broken, and of one
    /// that has been silent for some calls: a broker that lost what it knew of a producer may
    /// refuse it for ever, and the library try for ever. That costs no duplicates, since what a
    /// caller publishes again is new to brokers anyhow. Other calls keep theirs until they end.
    pub(crate) fn give_back(&self, producer: Arc<Producer>, learned: Learned) {
        let silent = match learned {
            Learned::Fine => {
                producer.silent_calls.store(0, Ordering::Relaxed);
                return;
            }
            Learned::Silent => producer.silent_calls.fetch_add(1, Ordering::Relaxed) + 1,
            Learned::Broken => SILENT_CALLS_MAX,
        };
        if silent < SILENT_CALLS_MAX {
            return;
        }
        match make(&self.config) {
            Ok(fresh) => {
                let before = self.current.compare_and_swap(&producer, Arc::new(fresh));
                if Arc::ptr_eq(&before, &producer) {
                    metrics::counter!("meridian_stream_producers_replaced_total").increment(1);
                }
            }
            // The next call fails and tries again.
            Err(error) => tracing::warn!(%error, "no producer could be made"),
        }
        // It waits for its threads to end.
        tokio::task::spawn_blocking(move || drop(producer));
    }
}

fn make(config: &ClientConfig) -> Result<Producer, KafkaError> {
    let client = config.create_with_context(Logged)?;
    Ok(Producer { client, silent_calls: AtomicU32::new(0) })
}
