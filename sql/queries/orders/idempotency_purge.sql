-- idempotency_purge: forget old answers, a batch at a time.
DELETE FROM idempotency_key
WHERE region = $1::text::crdb_internal_region
    AND (region, traveller_id, key_hash) IN (
        SELECT region, traveller_id, key_hash
        FROM idempotency_key
        WHERE region = $1::text::crdb_internal_region AND expires_at < now()
        ORDER BY expires_at
        LIMIT 500
    )
