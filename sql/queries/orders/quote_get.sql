-- quote_get: a quote of one's own order.
SELECT
    q.order_id, q.order_version, q.refund_minor, q.charge_minor, q.fee_minor, q.offer, q.created_at,
    q.expires_at, q.confirmed_at, o.currency
FROM order_quote AS q
JOIN orders AS o ON o.region = $1::text::crdb_internal_region AND o.id = q.order_id
WHERE q.region = $1::text::crdb_internal_region AND q.id = $2 AND q.kind = $3
    AND o.traveller_id = $4
