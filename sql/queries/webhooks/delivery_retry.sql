-- delivery_retry: not this time; later events of the same order wait as long as this one.
UPDATE webhook_delivery
SET due_at = now() + $8::int8 * interval '1 millisecond',
    attempts = CASE WHEN seq = $4 THEN attempts + 1 ELSE attempts END,
    owner = CASE WHEN seq = $4 THEN NULL ELSE owner END,
    lease_until = CASE WHEN seq = $4 THEN NULL ELSE lease_until END,
    last_status = CASE WHEN seq = $4 THEN $6::int8 ELSE last_status END,
    last_failure = CASE WHEN seq = $4 THEN $7::text ELSE last_failure END,
    attempted_at = CASE WHEN seq = $4 THEN now() ELSE attempted_at END
WHERE region = $1::text::crdb_internal_region AND endpoint_id = $2 AND about = $3 AND seq >= $4
    AND state = 'pending'
    AND EXISTS (
        SELECT 1
        FROM webhook_delivery AS mine
        WHERE mine.region = $1::text::crdb_internal_region AND mine.endpoint_id = $2
            AND mine.about = $3 AND mine.seq = $4 AND mine.epoch = $5 AND mine.state = 'pending'
    )
