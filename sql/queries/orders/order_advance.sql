-- order_advance: one step of the saga; no row means that somebody else has taken over.
WITH moved AS (
    UPDATE orders
    SET state = $5::text, version = version + 1, attempts = 0, updated_at = now(),
        due_at = CASE
            WHEN $6::bool THEN coalesce($7::timestamptz, now() + $8::int8 * interval '1 millisecond')
        END,
        lease_until = CASE WHEN $9::bool THEN now() + $10::int8 * interval '1 millisecond' END,
        refusals = CASE WHEN $11::bool THEN refusals + 1 ELSE 0 END,
        owed_minor = $12::int8,
        payment_token = CASE WHEN $13::bool THEN NULL ELSE payment_token END,
        failure = CASE WHEN $13::bool THEN $14::text ELSE coalesce($14::text, failure) END,
        booking_reference = coalesce($15::text, booking_reference),
        payment_required_by = coalesce($16::timestamptz, payment_required_by),
        documents = coalesce($17::jsonb, documents),
        price_change_minor = coalesce($18::int8, price_change_minor),
        action_url = $19::text,
        change = CASE WHEN $20::bool THEN NULL ELSE change END,
        disruption = CASE WHEN $21::bool THEN $22::jsonb ELSE disruption END,
        itinerary = coalesce($23::jsonb, itinerary),
        total_minor = coalesce($24::int8, total_minor),
        flown_at = coalesce($25::timestamptz, flown_at),
        fees_minor = coalesce($35::int8, fees_minor)
    WHERE region = $1::text::crdb_internal_region AND id = $2 AND epoch = $3 AND version = $4
    RETURNING region, id, version
), paid AS (
    INSERT INTO order_payment
        (region, order_id, position, asked_as, reference, state, amount_minor, captured_minor,
         refunded_minor, capture_before)
    SELECT moved.region, moved.id, $27::int8, $28::text, $29::text, $30::text, $31::int8, $32::int8,
        $33::int8, $34::timestamptz
    FROM moved
    WHERE $27::int8 IS NOT NULL
    ON CONFLICT (region, order_id, position) DO UPDATE
    SET reference = excluded.reference, state = excluded.state,
        captured_minor = excluded.captured_minor, refunded_minor = excluded.refunded_minor,
        capture_before = excluded.capture_before
    RETURNING position
), event AS (
    INSERT INTO order_event (region, order_id, seq, kind, state, body)
    SELECT moved.region, moved.id, moved.version, $26::text, $5::text,
        jsonb_build_object('failure', $14::text)
    FROM moved
    RETURNING seq
), told AS (
    INSERT INTO outbox (region, order_id, seq, topic, payload)
    SELECT moved.region, moved.id, moved.version, $26::text, '{}'::jsonb FROM moved
    RETURNING seq
)
SELECT
    moved.version,
    (SELECT count(*) FROM event) + (SELECT count(*) FROM told) + (SELECT count(*) FROM paid) AS written
FROM moved
