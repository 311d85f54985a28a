-- passengers_sealed: passengers whose fields a traveller's move must open.
SELECT p.order_id, p.position, p.given_name, p.family_name, p.born_on
FROM orders AS o
JOIN order_passenger AS p ON p.region = o.region AND p.order_id = o.id
WHERE o.region = $1::text::crdb_internal_region AND o.traveller_id = $2
ORDER BY p.order_id, p.position
