-- order_get: one's own order; a session without the order is a row of nulls, no session no row.
SELECT
    o.id, o.kind, o.state, o.version, o.itinerary, o.total_minor, o.currency, o.booking_reference,
    o.documents, o.payment_required_by, o.failure, o.created_at, o.updated_at,
    (o.payment_token IS NOT NULL) AS paying, o.price_change_minor, o.action_url, o.disruption,
    o.fees_minor,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'position', p.position, 'asked_as', p.asked_as, 'reference', p.reference,
            'state', p.state, 'amount_minor', p.amount_minor,
            'captured_minor', p.captured_minor, 'refunded_minor', p.refunded_minor,
            'capture_before', p.capture_before
        ) ORDER BY p.position), '[]'::jsonb)
        FROM order_payment AS p
        WHERE p.region = $1::text::crdb_internal_region AND p.order_id = o.id
    ) AS payments
FROM session AS s
LEFT JOIN orders AS o
    ON o.region = $1::text::crdb_internal_region AND o.id = $3 AND o.traveller_id = s.traveller_id
WHERE s.region = $1::text::crdb_internal_region AND s.token_hash = $2 AND s.expires_at > now()
