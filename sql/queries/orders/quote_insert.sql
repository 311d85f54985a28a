-- quote_insert: a quote for one version of an order; where asking is an event, for the version it makes.
WITH noted AS (
    UPDATE orders
    SET version = orders.version + 1, updated_at = now()
    WHERE region = $1::text::crdb_internal_region AND id = $2 AND traveller_id = $3
        AND version = $4::int8 AND $5::text IS NOT NULL
    RETURNING region, id, version, state
), event AS (
    INSERT INTO order_event (region, order_id, seq, kind, state, body)
    SELECT noted.region, noted.id, noted.version, $5::text, noted.state, '{}'::jsonb FROM noted
    RETURNING seq
), told AS (
    INSERT INTO outbox (region, order_id, seq, topic, payload)
    SELECT noted.region, noted.id, noted.version, $5::text, '{}'::jsonb FROM noted
    RETURNING seq
), unmoved AS (
    SELECT region, id, version
    FROM orders
    WHERE region = $1::text::crdb_internal_region AND id = $2 AND traveller_id = $3
        AND version = $4::int8 AND $5::text IS NULL
), quoted AS (
    INSERT INTO order_quote
        (region, id, order_id, kind, order_version, refund_minor, charge_minor, fee_minor, offer,
         created_at, expires_at)
    SELECT $1::text::crdb_internal_region, $6::uuid, about.id, $7::text, about.version, $8::int8,
        $9::int8, $10::int8, $11::text, $12::timestamptz, $13::timestamptz
    FROM (
        SELECT id, version FROM noted UNION ALL SELECT id, version FROM unmoved
    ) AS about
    RETURNING order_version
)
SELECT
    quoted.order_version,
    (SELECT count(*) FROM event) + (SELECT count(*) FROM told) AS written
FROM quoted
