-- orders_unfinished: how many orders of a traveller are still under way, whose names are needed.
SELECT count(*) AS orders
FROM orders
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2 AND state = ANY($3::text[])
