//! Brokers that speak TLS and want a password; only in builds that can.

use std::path::PathBuf;
use std::time::Duration;

use meridian_event_stream::{EventStream, Login, Security, StreamConfig};

use crate::broker::{self, Broker, Kind, free_port, new_dir};
use crate::errors::{config, event, publish_at_last};
use crate::log;
use crate::place::{TOPICS, make_topics};

const USER: &str = "meridian";
/// Longest that a call may take.
const WITHIN: Duration = Duration::from_secs(6);

/// Apache Kafka with a second port, where it speaks TLS with this certificate and its key in PEM,
/// and lets nobody in but one user.
fn guarded(pem: &str, password: &str) -> (Broker, u16) {
    let jars = std::env::var_os("MERIDIAN_KAFKA_JARS");
    let jars = PathBuf::from(jars.expect("MERIDIAN_KAFKA_JARS, see scripts/fetch-kafka"));
    let (port, guarded, dir) = (free_port(), free_port(), new_dir());
    let keys = dir.join("keys.pem");
    std::fs::write(&keys, pem).unwrap();
    let lines = [
        "ssl.keystore.type=PEM".to_owned(),
        format!("ssl.keystore.location={}", keys.display()),
        "sasl.enabled.mechanisms=SCRAM-SHA-512".to_owned(),
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
         org.apache.kafka.common.security.scram.ScramLoginModule required;"
            .to_owned(),
    ];
    let scram = format!("SCRAM-SHA-512=[name={USER},password={password}]");
    let listeners = [("PLAINTEXT", port, port), ("SASL_SSL", guarded, guarded)];
    broker::format(&jars, &dir, &listeners, &lines, &["--add-scram", &scram]);
    (Broker::started(Kind::Apache { jars, dir }, port, port), guarded)
}

/// A stream to a port of this machine, for who trusts an authority and knows a password.
fn stream(port: u16, ca: Option<PathBuf>, password: &str) -> EventStream {
    let login = Login { user: USER.to_owned(), password: password.to_owned() };
    let security = Security::Tls { ca, login: Some(login) };
    let config =
        StreamConfig { security, publish_within: WITHIN, ..config(&format!("127.0.0.1:{port}")) };
    EventStream::open(&config).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_trusted_and_knows_the_password_publishes_and_nobody_else() {
    let names = vec!["127.0.0.1".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(names).unwrap();
    let pem = format!("{}{}", signing_key.serialize_pem(), cert.pem());
    let (broker, guarded) = guarded(&pem, "swordfish");
    let plain = format!("127.0.0.1:{}", broker.port());
    make_topics(&plain).await;
    let ca = std::env::temp_dir().join(format!("meridian-kafka-ca-{guarded}.pem"));
    std::fs::write(&ca, cert.pem()).unwrap();

    let events = [event("a", 0, "order.created"), event("a", 1, "payment.captured")];
    for (who, ca, password) in [
        ("who knows no password", Some(ca.clone()), "trout"),
        ("who trusts others", None, "swordfish"),
    ] {
        let refused = stream(guarded, ca, password).publish(&events).await;
        assert_eq!(refused.map_err(|error| error.acknowledged), Err(Vec::new()), "{who}");
    }
    publish_at_last(&stream(guarded, Some(ca.clone()), "swordfish"), &events).await;
    std::fs::remove_file(ca).unwrap();
    assert_eq!(log::read(&plain, TOPICS, &log::ids(&events)).len(), 2);
}
