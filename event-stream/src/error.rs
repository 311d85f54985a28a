//! What can go wrong, and what to do about it. No message names an order.

use std::fmt;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// Shortest time for a call: the client library looks for what is too late once a second.
pub(crate) const WITHIN_MIN: Duration = Duration::from_secs(2);

/// Why a stream was not opened.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No broker is named.
    #[error("no broker is named; write host:port, several with commas between them")]
    NoBrokers,
    /// Topics cannot begin so.
    #[error(
        "no topic can begin with {0:?}; write letters, digits, _ and -, with dots between them"
    )]
    Prefix(String),
    /// A call would have no time.
    #[error("publishing within {0:?} is too short; give it {min:?} at least", min = WITHIN_MIN)]
    TooShort(Duration),
    /// TLS is asked for and was not built in.
    #[error("this build speaks no TLS to brokers; build it with the feature kafka-tls")]
    NoTls,
    /// The client library says no.
    #[error("the client library refuses its configuration: {0}")]
    Refused(KafkaError),
}

/// Why not everything is acknowledged. What [`acknowledged`](Self::acknowledged) does not name has
/// to be published again, in its order.
#[derive(Debug)]
pub struct PublishError {
    /// The ids of events that the log has, for whoever wants to remember them: for each order all
    /// that come before the one that failed.
    pub acknowledged: Vec<String>,
    /// The first event of each order that was not acknowledged; those after it were not sent.
    pub failures: Vec<Failure>,
}

/// An event that was not acknowledged. It may be in the log all the same.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its id.
    pub id: String,
    /// Its name.
    pub kind: String,
    /// Where it was to go, if its name says so.
    pub topic: Option<String>,
    /// Why.
    pub why: Why,
}

/// Why an event was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its name has no family.
    NoFamily,
    /// Nobody acknowledged it in time.
    NoAnswer,
    /// The call's time was over before it was its turn.
    NotSent,
    /// There is no such topic, and brokers make none.
    NoTopic,
    /// The brokers do not let us.
    Forbidden,
    /// It is longer than the brokers take.
    TooLarge,
    /// The producer and the brokers disagree on what was sent; another takes over.
    Broken,
    /// The brokers, or the client library, say something else.
    Refused(Code),
}

impl Why {
    pub(crate) fn of(error: &KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(
                Code::MessageTimedOut
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::QueueFull
                | Code::NotEnoughReplicas
                | Code::NotEnoughReplicasAfterAppend
                | Code::PurgeQueue
                | Code::PurgeInflight,
            ) => Self::NoAnswer,
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
                Self::NoTopic
            }
            Some(
                Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication,
            ) => Self::Forbidden,
            Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => Self::TooLarge,
            Some(
                Code::Fatal
                | Code::Fenced
                | Code::ProducerFenced
                | Code::InvalidProducerEpoch
                | Code::InvalidProducerIdMapping
                | Code::UnknownProducerId
                | Code::OutOfOrderSequenceNumber,
            ) => Self::Broken,
            Some(code) => Self::Refused(code),
            None => Self::Refused(Code::Unknown),
        }
    }

    /// In a word, for a metric.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NoFamily => "no_family",
            Self::NoAnswer => "no_answer",
            Self::NotSent => "not_sent",
            Self::NoTopic => "no_topic",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "too_large",
            Self::Broken => "broken",
            Self::Refused(_) => "refused",
        }
    }

    /// Whether publishing the same again can end otherwise without anybody doing anything.
    pub fn may_pass(self) -> bool {
        !matches!(self, Self::NoFamily | Self::TooLarge)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFamily => f.write_str("its name has no family; name it as order.confirmed"),
            Self::NoAnswer => f.write_str(
                "no acknowledgement in time; look whether the brokers are up and reachable from \
                 here, also under the addresses that they advertise, whether enough replicas are \
                 in sync, and what the client logged",
            ),
            Self::NotSent => f.write_str(
                "the time of the call was over before its turn; the brokers are slow, or a call \
                 has too many events of one order",
            ),
            Self::NoTopic => f.write_str(
                "there is no such topic; make it, with as many partitions as the others have",
            ),
            Self::Forbidden => f.write_str(
                "the brokers do not let us; allow this user IdempotentWrite on the cluster and \
                 Write and Describe on the topic",
            ),
            Self::TooLarge => f.write_str("it is larger than the brokers take; it holds ids only"),
            Self::Broken => f.write_str(
                "the producer and the brokers no longer agree on what was sent, as after brokers \
                 lost their log; a new producer takes over with the next call",
            ),
            Self::Refused(code) => write!(f, "refused: {code}"),
        }
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (orders, acknowledged) = (self.failures.len(), self.acknowledged.len());
        write!(f, "{acknowledged} events are acknowledged, {orders} orders wait")?;
        if let Some(Failure { kind, topic, why, .. }) = self.failures.first() {
            let topic = topic.as_deref().unwrap_or("no topic");
            write!(f, "; {kind} to {topic}: {why}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PublishError {}
