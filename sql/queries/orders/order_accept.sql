-- order_accept: the whole acceptance in one statement; no row: the key was used, or the account is closed.
WITH key AS (
    INSERT INTO idempotency_key
        (region, traveller_id, key_hash, request_hash, status, location, body, order_id,
         body_until, expires_at)
    SELECT
        $1::text::crdb_internal_region, t.id, $3::bytea, $4::bytea, 202, $5::text, $6::bytea, $7::uuid,
        now() + interval '24 hours', now() + interval '30 days'
    FROM traveller AS t
    WHERE t.region = $1::text::crdb_internal_region AND t.id = $2::uuid AND t.closed_at IS NULL
    ON CONFLICT (region, traveller_id, key_hash) DO NOTHING
    RETURNING region
), accepted AS (
    INSERT INTO orders
        (region, id, traveller_id, kind, state, version, epoch, owner, lease_until, due_at, attempts,
         itinerary, total_minor, currency, payment_token, created_at, updated_at,
         flown_at)
    SELECT
        key.region, $7::uuid, $2::uuid, $8::text, 'pending', 0, 1, $9::text,
        now() + $10::int8 * interval '1 millisecond', now(), 0,
        $11::jsonb, $12::int8, $13::text, $14::bytea, $15::timestamptz, now(),
        $26::timestamptz
    FROM key
    RETURNING region, id
), passenger AS (
    INSERT INTO order_passenger (region, order_id, position, given_name, family_name, born_on)
    SELECT
        accepted.region, accepted.id, unnest($16::int8[]), unnest($17::bytea[]),
        unnest($18::bytea[]), unnest($19::bytea[])
    FROM accepted
    RETURNING position
), seat AS (
    INSERT INTO seat_hold
        (region, order_id, position, departs_from, flight, departs_on, cabin, seats, state)
    SELECT
        accepted.region, accepted.id, unnest($20::int8[]), unnest($21::text[]), unnest($22::text[]),
        unnest($23::date[]), $24::text, $25::int8, 'held'
    FROM accepted
    RETURNING position
), event AS (
    INSERT INTO order_event (region, order_id, seq, kind, state, body, created_at)
    SELECT accepted.region, accepted.id, 0, 'order.requested', 'pending', '{}'::jsonb, $15::timestamptz
    FROM accepted
    RETURNING seq
), told AS (
    INSERT INTO outbox (region, order_id, seq, topic, payload)
    SELECT accepted.region, accepted.id, 0, 'order.requested', '{}'::jsonb FROM accepted
    RETURNING seq
)
SELECT
    (SELECT count(*) FROM passenger) AS passengers,
    (SELECT count(*) FROM seat) AS seats,
    (SELECT count(*) FROM event) AS events,
    (SELECT count(*) FROM told) AS told
FROM accepted
