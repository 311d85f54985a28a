//! What is counted, and under which names. Labels come from short lists: topics and reasons.

/// Counter: events that the log has acknowledged, by topic.
pub const PUBLISHED: &str = "meridian_stream_published_total";
/// Counter: events that were not acknowledged, by topic and reason; each is published again.
pub const FAILED: &str = "meridian_stream_failed_total";
/// Seconds from handing an event to the client library to its acknowledgement, by topic.
pub const DELIVERY_DURATION: &str = "meridian_stream_delivery_duration_seconds";
/// Counter: producers that got no answer and were replaced.
pub const PRODUCERS_REPLACED: &str = "meridian_stream_producers_replaced_total";
