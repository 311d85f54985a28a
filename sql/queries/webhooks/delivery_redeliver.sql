-- delivery_redeliver: once more from the start, whatever became of it before.
UPDATE webhook_delivery
SET state = 'pending', attempts = 0, epoch = webhook_delivery.epoch + 1, owner = NULL,
    lease_until = NULL, settled_at = NULL, due_at = now()
FROM webhook_endpoint AS w
WHERE webhook_delivery.region = $1::text::crdb_internal_region
    AND webhook_delivery.endpoint_id = $3 AND webhook_delivery.about = $4
    AND webhook_delivery.seq = $5
    AND w.region = $1::text::crdb_internal_region AND w.id = $3 AND w.traveller_id = $2
    AND w.disabled_at IS NULL
RETURNING
    webhook_delivery.about, webhook_delivery.seq, webhook_delivery.kind,
    webhook_delivery.order_state, webhook_delivery.occurred_at, webhook_delivery.state,
    webhook_delivery.attempts, webhook_delivery.last_status, webhook_delivery.last_failure,
    webhook_delivery.created_at, webhook_delivery.attempted_at, webhook_delivery.settled_at,
    webhook_delivery.due_at
