-- order_work: what the driver needs to know, under the epoch it holds.
SELECT
    o.kind, o.state, o.version, o.attempts, o.itinerary, o.total_minor, o.currency, o.payment_token,
    o.payment_reference, o.booking_reference, o.payment_required_by,
    (o.payment_required_by IS NOT NULL AND o.payment_required_by <= now()) AS lapsed,
    (o.updated_at < now() - $4::int8 * interval '1 millisecond') AS overdue,
    t.data_key, t.id AS traveller_id
FROM orders AS o
JOIN traveller AS t ON t.region = o.region AND t.id = o.traveller_id
WHERE o.region = $1::text::crdb_internal_region AND o.id = $2 AND o.epoch = $3
