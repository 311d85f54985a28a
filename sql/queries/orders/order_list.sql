-- order_list: one's own orders, newest first, those behind a place in that order.
SELECT
    id, kind, state, version, itinerary, total_minor, currency, booking_reference, documents,
    payment_required_by, failure, created_at, updated_at,
    (payment_token IS NOT NULL) AS paying, price_change_minor, action_url, disruption,
    fees_minor,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'position', p.position, 'asked_as', p.asked_as, 'reference', p.reference,
            'state', p.state, 'amount_minor', p.amount_minor,
            'captured_minor', p.captured_minor, 'refunded_minor', p.refunded_minor,
            'capture_before', p.capture_before
        ) ORDER BY p.position), '[]'::jsonb)
        FROM order_payment AS p
        WHERE p.region = $1::text::crdb_internal_region AND p.order_id = orders.id
    ) AS payments
FROM orders
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2
    AND created_at <= $4::timestamptz AND (created_at < $4::timestamptz OR id > $5::uuid)
    AND ($6::text IS NULL OR state = $6::text)
ORDER BY created_at DESC, id
LIMIT $3
