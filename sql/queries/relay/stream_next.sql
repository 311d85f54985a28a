-- stream_next: what the event stream has not taken yet; an order's own stand in their order.
SELECT order_id, seq, kind, order_state, occurred_at
FROM stream_queue
WHERE region = $1::text::crdb_internal_region AND (order_id, seq) > ($2::uuid, $3::int8)
ORDER BY order_id, seq
LIMIT $4
