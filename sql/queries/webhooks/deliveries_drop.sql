-- deliveries_drop: nothing more goes to an endpoint that is gone; one try has found that out.
UPDATE webhook_delivery
SET state = 'dead', epoch = epoch + 1, owner = NULL, lease_until = NULL, settled_at = now(),
    last_failure = $6::text, due_at = now() + $7::int8 * interval '1 second',
    last_status = CASE WHEN about = $3 AND seq = $4 THEN $5::int8 ELSE last_status END,
    attempts = CASE WHEN about = $3 AND seq = $4 THEN attempts + 1 ELSE attempts END,
    attempted_at = CASE WHEN about = $3 AND seq = $4 THEN now() ELSE attempted_at END
WHERE region = $1::text::crdb_internal_region AND endpoint_id = $2 AND state = 'pending'
