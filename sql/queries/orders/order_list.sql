-- order_list: one's own orders, newest first.
SELECT
    id, kind, state, version, itinerary, total_minor, currency, booking_reference, documents,
    payment_required_by, failure, created_at, updated_at,
    (payment_token IS NOT NULL) AS paying
FROM orders
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2
ORDER BY created_at DESC, id
LIMIT $3
