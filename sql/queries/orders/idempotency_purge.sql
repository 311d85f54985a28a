-- idempotency_purge: forget old keys, a batch at a time; not while an answer's bytes are still kept.
DELETE FROM idempotency_key
WHERE region = $1::text::crdb_internal_region
    AND (region, traveller_id, key_hash) IN (
        SELECT region, traveller_id, key_hash
        FROM idempotency_key
        WHERE region = $1::text::crdb_internal_region AND expires_at < now()
            AND body_until IS NULL
        ORDER BY expires_at
        LIMIT 500
    )
