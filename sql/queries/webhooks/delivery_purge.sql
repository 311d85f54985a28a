-- delivery_purge: forget what was settled long ago, a batch at a time.
DELETE FROM webhook_delivery
WHERE region = $1::text::crdb_internal_region
    AND (region, endpoint_id, about, seq) IN (
        SELECT region, endpoint_id, about, seq
        FROM webhook_delivery
        WHERE region = $1::text::crdb_internal_region AND due_at < now() AND state <> 'pending'
        ORDER BY due_at
        LIMIT 500
    )
