-- misplaced_order_rows: rows of a table whose order is not at home in the same region.
SELECT r.region::text AS region, count(*) AS rows
FROM {table} AS r
LEFT JOIN orders AS o ON o.region = r.region AND o.id = r.order_id
WHERE o.id IS NULL
GROUP BY r.region
ORDER BY r.region
