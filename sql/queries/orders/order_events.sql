-- order_events: the history of one's own order.
SELECT e.seq, e.kind, e.state, e.body, e.created_at
FROM orders AS o
JOIN order_event AS e ON e.region = o.region AND e.order_id = o.id
WHERE o.region = $1::text::crdb_internal_region AND o.id = $2 AND o.traveller_id = $3
ORDER BY e.seq
