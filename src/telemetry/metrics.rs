//! The metric catalogue: every metric there is, once, with its unit and its words.
//!
//! No label ever carries an id, an address or a name of a person, and every label's values come
//! from a short list.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// A metric: its name and what it says.
pub struct Metric {
    /// As it is scraped.
    pub name: &'static str,
    /// Which kind.
    pub kind: Kind,
    /// In a sentence.
    pub help: &'static str,
}

/// Kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// A distribution of seconds.
    Seconds,
}

const fn metric(name: &'static str, kind: Kind, help: &'static str) -> Metric {
    Metric { name, kind, help }
}

/// Every metric there is.
pub static CATALOGUE: &[Metric] = &[
    metric(
        "http_server_request_duration_seconds",
        Kind::Seconds,
        "Time from a request's head to its answer, by route, method and status",
    ),
    metric(
        "meridian_db_txn_duration_seconds",
        Kind::Seconds,
        "Time of a transaction with all its retries, by name",
    ),
    metric(
        "meridian_db_txn_outcomes_total",
        Kind::Counter,
        "Transactions by name and outcome: committed, refused, failed, unknown, bug",
    ),
    metric(
        "meridian_db_txn_retries_total",
        Kind::Counter,
        "Repeated transaction bodies by name and reason",
    ),
    metric(
        "meridian_supplier_call_duration_seconds",
        Kind::Seconds,
        "Time of a call to another company, by supplier, operation and outcome",
    ),
    metric(
        "meridian_supplier_breaker_state",
        Kind::Gauge,
        "Breaker of a company's operation: 0 closed, 1 half open, 2 open",
    ),
    metric(
        "meridian_supplier_not_tried_total",
        Kind::Counter,
        "Calls not made, by supplier, operation and reason: breaker_open, asked_to_wait, full",
    ),
    metric(
        "meridian_supplier_callbacks_total",
        Kind::Counter,
        "Callbacks by supplier and outcome: useful, useless, malformed, unproven",
    ),
    metric(
        "meridian_booking_transitions_total",
        Kind::Counter,
        "Steps of orders, by the state before and after",
    ),
    metric(
        "meridian_saga_fenced_total",
        Kind::Counter,
        "Steps that changed nothing because another node had taken the order over",
    ),
    metric(
        "meridian_saga_gave_up_total",
        Kind::Counter,
        "Orders that wait for a person from now on, by the state they were in",
    ),
    metric(
        "meridian_saga_postponed_total",
        Kind::Counter,
        "Steps whose outcome is not known yet, by state",
    ),
    metric(
        "meridian_idempotency_replays_total",
        Kind::Counter,
        "Requests that were answered with stored bytes",
    ),
    metric(
        "meridian_residence_misdirected_total",
        Kind::Counter,
        "Requests for personal data that reached another region and were sent home, by home",
    ),
    metric(
        "meridian_locality_violations",
        Kind::Gauge,
        "Things of this region that are where they must not be, at the last look; anything but 0 \
         is looked into at once",
    ),
    metric(
        "meridian_residence_forwarded_total",
        Kind::Counter,
        "Requests passed on to their home, by home and outcome: answered, untouched, unknown, \
         too_large",
    ),
    metric(
        "meridian_peers_refused_total",
        Kind::Counter,
        "Connections of nodes of other regions that were refused, by reason: handshake, name",
    ),
    metric("meridian_orders", Kind::Gauge, "Orders at home in this region, by state"),
    metric(
        "meridian_queue_oldest_seconds",
        Kind::Gauge,
        "How long the oldest of a region's outbox, stream or deliveries has been waiting, by queue",
    ),
    metric(
        "meridian_relayed_events_total",
        Kind::Counter,
        "Events out of the outbox, by where to: webhooks (one for each endpoint), stream",
    ),
    metric(
        "meridian_stream_published_total",
        Kind::Counter,
        "Events that the Kafka cluster has acknowledged, by topic",
    ),
    metric(
        "meridian_stream_failed_total",
        Kind::Counter,
        "Events that were not acknowledged and will be published again, by topic and reason",
    ),
    metric(
        "meridian_stream_delivery_duration_seconds",
        Kind::Seconds,
        "Time from publishing an event to its acknowledgement, by topic",
    ),
    metric(
        "meridian_stream_producers_replaced_total",
        Kind::Counter,
        "Kafka producers that got no answers any more and were replaced",
    ),
    metric(
        "meridian_stream_publish_duration_seconds",
        Kind::Seconds,
        "Time until the event stream has taken a batch, or has not",
    ),
    metric(
        "meridian_webhook_deliveries_total",
        Kind::Counter,
        "Tries to deliver to endpoints, by outcome: delivered, failed, dead, gone, fenced",
    ),
    metric(
        "meridian_webhook_dead_total",
        Kind::Counter,
        "Deliveries that were given up after their last try",
    ),
    metric(
        "meridian_search_itineraries_total",
        Kind::Counter,
        "Itineraries that were offered by searches",
    ),
    metric("meridian_region_ready", Kind::Gauge, "1 when this node may take traffic"),
];

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// The process's metrics; registers them on first use.
pub fn handle() -> &'static PrometheusHandle {
    HANDLE.get_or_init(|| {
        let buckets =
            [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &buckets)
            .expect("the buckets are not empty")
            .install_recorder()
            .expect("nothing else in this process records metrics");
        for metric in CATALOGUE {
            match metric.kind {
                Kind::Counter => ::metrics::describe_counter!(metric.name, metric.help),
                Kind::Gauge => ::metrics::describe_gauge!(metric.name, metric.help),
                Kind::Seconds => ::metrics::describe_histogram!(metric.name, metric.help),
            }
        }
        handle
    })
}
