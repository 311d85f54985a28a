-- delivery_list: what went to one's own endpoint and what became of it, newest first.
SELECT
    w.id AS endpoint, d.about, d.seq, d.kind, d.order_state, d.occurred_at, d.state, d.attempts,
    d.last_status, d.last_failure, d.created_at, d.attempted_at, d.settled_at, d.due_at
FROM webhook_endpoint AS w
LEFT JOIN webhook_delivery AS d ON d.region = w.region AND d.endpoint_id = w.id
WHERE w.region = $1::text::crdb_internal_region AND w.traveller_id = $2 AND w.id = $3
ORDER BY d.created_at DESC NULLS LAST, d.about, d.seq DESC
LIMIT $4
