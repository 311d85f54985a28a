-- order_work: what the driver needs to know, under the epoch it holds; times as milliseconds from now.
SELECT
    o.kind, o.state, o.version, o.attempts, o.refusals, o.itinerary, o.total_minor, o.currency,
    o.payment_token, o.booking_reference, o.owed_minor, o.change, o.disruption, o.failure,
    (extract(epoch FROM now() - o.updated_at) * 1000)::int8 AS waited,
    (extract(epoch FROM o.payment_required_by - now()) * 1000)::int8 AS until_lapse,
    (extract(epoch FROM coalesce(o.flown_at, o.created_at + interval '400 days') - now()) * 1000)::int8
        AS until_flown,
    t.data_key, t.id AS traveller_id, t.erased_at IS NOT NULL AS erased, (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'position', p.position, 'asked_as', p.asked_as, 'reference', p.reference,
            'state', p.state, 'amount_minor', p.amount_minor,
            'captured_minor', p.captured_minor, 'refunded_minor', p.refunded_minor,
            'capture_before', p.capture_before
        ) ORDER BY p.position), '[]'::jsonb)
        FROM order_payment AS p
        WHERE p.region = $1::text::crdb_internal_region AND p.order_id = o.id
    ) AS payments
FROM orders AS o
JOIN traveller AS t ON t.region = o.region AND t.id = o.traveller_id
WHERE o.region = $1::text::crdb_internal_region AND o.id = $2 AND o.epoch = $3
