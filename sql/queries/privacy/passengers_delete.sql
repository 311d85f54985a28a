-- passengers_delete: who flew in a traveller's orders.
DELETE FROM order_passenger
WHERE region = $1::text::crdb_internal_region
    AND order_id IN (
        SELECT o.id
        FROM orders AS o
        WHERE o.region = $1::text::crdb_internal_region AND o.traveller_id = $2
    )
