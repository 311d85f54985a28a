-- order_act: a traveller's own step; the risen epoch fences whoever was working on the order.
WITH key AS (
    INSERT INTO idempotency_key
        (region, traveller_id, key_hash, request_hash, status, location, body, order_id,
         body_until, expires_at)
    VALUES
        ($1::text::crdb_internal_region, $2, $3, $4, 202, $5, $6, $7::uuid,
         now() + interval '24 hours', now() + interval '30 days')
    ON CONFLICT (region, traveller_id, key_hash) DO NOTHING
    RETURNING region
), acted AS (
    UPDATE orders
    SET state = $9::text, version = orders.version + 1, epoch = orders.epoch + 1,
        owner = $10::text, lease_until = now() + $11::int8 * interval '1 millisecond',
        due_at = now(), attempts = 0, refusals = 0, updated_at = now(), failure = NULL,
        owed_minor = $15::int8, change = coalesce($17::jsonb, orders.change),
        payment_token = coalesce($13::bytea, orders.payment_token)
    FROM key
    WHERE orders.region = $1::text::crdb_internal_region AND orders.region = key.region
        AND orders.id = $7::uuid AND orders.traveller_id = $2 AND orders.version = $8::int8
    RETURNING orders.region, orders.id, orders.version, orders.epoch
), confirmed AS (
    UPDATE order_quote
    SET confirmed_at = now()
    FROM acted
    WHERE order_quote.region = $1::text::crdb_internal_region AND order_quote.region = acted.region
        AND order_quote.order_id = acted.id AND order_quote.id = $16::uuid
    RETURNING order_quote.id
), event AS (
    INSERT INTO order_event (region, order_id, seq, kind, state, body, created_at)
    SELECT acted.region, acted.id, acted.version, $14::text, $9::text, '{}'::jsonb, $12::timestamptz
    FROM acted
    RETURNING seq
), told AS (
    INSERT INTO outbox (region, order_id, seq, topic, payload)
    SELECT acted.region, acted.id, acted.version, $14::text, '{}'::jsonb FROM acted
    RETURNING seq
)
SELECT
    (SELECT count(*) FROM key) AS keys,
    (SELECT count(*) FROM event) AS events,
    (SELECT count(*) FROM told) AS told,
    (SELECT count(*) FROM confirmed) AS confirmed,
    (SELECT epoch FROM acted) AS epoch
