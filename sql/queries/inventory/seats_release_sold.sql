-- seats_release_sold: the seats of flights that are flown otherwise now are free again, once.
WITH freed AS (
    UPDATE seat_hold
    SET state = 'released'
    WHERE region = $1::text::crdb_internal_region AND order_id = $2 AND state = 'sold'
    RETURNING inventory_region, departs_from, flight, departs_on, cabin, seats
), kept AS (
    SELECT coalesce(keeper.region, freed.inventory_region::crdb_internal_region) AS region,
        freed.flight, freed.departs_on, freed.cabin, freed.seats
    FROM freed
    LEFT JOIN seat_keeper AS keeper ON keeper.country = freed.departs_from
)
UPDATE inventory
SET sold = inventory.sold - kept.seats
FROM kept
WHERE inventory.region = kept.region
    AND inventory.flight = kept.flight
    AND inventory.departs_on = kept.departs_on
    AND inventory.cabin = kept.cabin
