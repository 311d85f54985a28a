-- idempotency_blank: the bytes of an old answer go once its order has rested for a day; its key stays.
WITH old AS (
    SELECT k.region, k.traveller_id, k.key_hash,
        (o.id IS NOT NULL
            AND (o.state = ANY($2::text[]) OR o.updated_at > now() - interval '24 hours')) AS moves
    FROM idempotency_key AS k
    LEFT JOIN orders AS o ON o.region = $1::text::crdb_internal_region AND o.id = k.order_id
    WHERE k.region = $1::text::crdb_internal_region AND k.body_until < now()
    ORDER BY k.body_until
    LIMIT 500
)
UPDATE idempotency_key
SET body = CASE WHEN old.moves THEN idempotency_key.body ELSE ''::bytea END,
    body_until = CASE WHEN old.moves THEN now() + interval '24 hours' END
FROM old
WHERE idempotency_key.region = $1::text::crdb_internal_region
    AND idempotency_key.region = old.region
    AND idempotency_key.traveller_id = old.traveller_id
    AND idempotency_key.key_hash = old.key_hash
