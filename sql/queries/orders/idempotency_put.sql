-- idempotency_put: an answer that comes with no order's event; no row where the key was used before.
INSERT INTO idempotency_key
    (region, traveller_id, key_hash, request_hash, status, location, body, order_id, body_until,
     expires_at)
VALUES
    ($1::text::crdb_internal_region, $2, $3, $4, $5, $6, $7, $8, now() + interval '24 hours',
     now() + interval '30 days')
ON CONFLICT (region, traveller_id, key_hash) DO NOTHING
