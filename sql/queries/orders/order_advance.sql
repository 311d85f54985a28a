-- order_advance: one step of the saga; no row means that somebody else has taken over.
WITH moved AS (
    UPDATE orders
    SET state = $5::text, version = version + 1, attempts = 0, updated_at = now(),
        due_at = CASE WHEN $6::bool THEN coalesce($7::timestamptz, now()) END,
        lease_until = CASE
            WHEN $6::bool AND $7::timestamptz IS NULL
                THEN now() + $8::int8 * interval '1 millisecond'
        END,
        payment_token = CASE WHEN $14::bool THEN NULL ELSE payment_token END,
        payment_reference = coalesce($9::text, payment_reference),
        booking_reference = coalesce($10::text, booking_reference),
        documents = coalesce($11::jsonb, documents),
        payment_required_by = coalesce($7::timestamptz, payment_required_by),
        failure = CASE WHEN $14::bool THEN $12::text ELSE coalesce($12::text, failure) END
    WHERE region = $1::text::crdb_internal_region AND id = $2 AND epoch = $3 AND version = $4
    RETURNING region, id, version
), event AS (
    INSERT INTO order_event (region, order_id, seq, kind, state, body)
    SELECT moved.region, moved.id, moved.version, $13::text, $5::text,
        jsonb_build_object('failure', $12::text)
    FROM moved
    RETURNING seq
), told AS (
    INSERT INTO outbox (region, order_id, seq, topic, payload)
    SELECT moved.region, moved.id, moved.version, $13::text, '{}'::jsonb FROM moved
    RETURNING seq
)
SELECT moved.version, (SELECT count(*) FROM event) + (SELECT count(*) FROM told) AS written FROM moved
