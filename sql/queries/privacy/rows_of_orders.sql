-- rows_of_orders: rows that name an order of a traveller.
SELECT {columns}
FROM {table} AS r
JOIN orders AS o ON o.region = r.region AND o.id = r.order_id
WHERE r.region = $1::text::crdb_internal_region AND o.traveller_id = $2
