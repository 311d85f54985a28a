-- outbox_next: the next messages with what they tell of; an order's own stand in their order.
SELECT m.order_id, m.seq, o.traveller_id, e.kind, e.state, e.created_at AS occurred_at
FROM (
    SELECT region, order_id, seq
    FROM outbox
    WHERE region = $1::text::crdb_internal_region AND (order_id, seq) > ($2::uuid, $3::int8)
    ORDER BY order_id, seq
    LIMIT $4
) AS m
JOIN order_event AS e
    ON e.region = $1::text::crdb_internal_region AND e.order_id = m.order_id AND e.seq = m.seq
JOIN orders AS o ON o.region = $1::text::crdb_internal_region AND o.id = m.order_id
ORDER BY m.order_id, m.seq
