-- orders_leased: orders of a region that a node is working on now.
SELECT count(*) AS orders
FROM orders
WHERE region = $1::text::crdb_internal_region AND lease_until > now()
