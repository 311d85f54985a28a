//! Which Kafka cluster is told what happens to orders.

use std::path::PathBuf;

use clap::Args;

/// A Kafka cluster of this region, told what happens to its orders.
#[derive(Clone, Debug, Args)]
pub struct KafkaArgs {
    /// Kafka brokers of this region, host:port, commas between them: what happens to its orders is
    /// published there. All nodes of a region need the same [default: nothing is published].
    #[arg(long = "kafka-brokers", env = "MERIDIAN_KAFKA_BROKERS")]
    pub brokers: Option<String>,
    /// What topics begin with: PREFIX.order, PREFIX.payment.
    #[arg(
        long = "kafka-topic-prefix",
        env = "MERIDIAN_KAFKA_TOPIC_PREFIX",
        default_value = "meridian"
    )]
    pub topic_prefix: String,
    /// Speak TLS to the brokers; only a build with the feature kafka-tls can.
    #[arg(long = "kafka-tls", env = "MERIDIAN_KAFKA_TLS")]
    pub tls: bool,
    /// File of the authority to trust with TLS [default: those of the machine].
    #[arg(long = "kafka-ca", env = "MERIDIAN_KAFKA_CA", requires = "tls")]
    pub ca: Option<PathBuf>,
    /// Log in to the brokers under this name (SASL/SCRAM-SHA-512).
    #[arg(long = "kafka-user", env = "MERIDIAN_KAFKA_USER", requires_all = ["tls", "password"])]
    pub user: Option<String>,
    /// The password for it; better said in the environment.
    #[arg(
        long = "kafka-password",
        env = "MERIDIAN_KAFKA_PASSWORD",
        hide_env_values = true,
        requires = "user"
    )]
    pub password: Option<Password>,
}

/// A password that is never printed.
#[derive(Clone)]
pub struct Password(pub String);

impl std::str::FromStr for Password {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}
