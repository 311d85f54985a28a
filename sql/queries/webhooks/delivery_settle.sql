-- delivery_settle: it arrived, or it will not be tried again; kept for a while, then forgotten.
UPDATE webhook_delivery
SET state = $6, attempts = attempts + 1, owner = NULL, lease_until = NULL,
    last_status = $7::int8, last_failure = $8::text, attempted_at = now(), settled_at = now(),
    due_at = now() + $9::int8 * interval '1 second'
WHERE region = $1::text::crdb_internal_region AND endpoint_id = $2 AND about = $3 AND seq = $4
    AND epoch = $5 AND state = 'pending'
