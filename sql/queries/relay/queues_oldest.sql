-- queues_oldest: how long the oldest of each queue has been waiting, in seconds, for the metrics.
SELECT
    coalesce(extract(EPOCH FROM now() - (
        SELECT min(created_at) FROM outbox WHERE region = $1::text::crdb_internal_region
    )), 0)::float8 AS outbox,
    coalesce(extract(EPOCH FROM now() - (
        SELECT min(created_at) FROM stream_queue WHERE region = $1::text::crdb_internal_region
    )), 0)::float8 AS stream,
    coalesce(extract(EPOCH FROM now() - (
        SELECT min(due_at)
        FROM webhook_delivery
        WHERE region = $1::text::crdb_internal_region AND due_at <= now() AND state = 'pending'
    )), 0)::float8 AS deliveries
