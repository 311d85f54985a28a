-- order_passengers: who flies, for the airline's request.
SELECT given_name, family_name, born_on
FROM order_passenger
WHERE region = $1::text::crdb_internal_region AND order_id = $2
ORDER BY position
