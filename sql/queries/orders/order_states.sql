-- order_states: how many orders are where, for the metrics.
SELECT state, count(*) AS orders
FROM orders
WHERE region = $1::text::crdb_internal_region
GROUP BY state
ORDER BY state
