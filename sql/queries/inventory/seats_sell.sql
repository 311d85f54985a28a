-- seats_sell: the airline confirmed; held seats become sold ones.
WITH sold AS (
    UPDATE seat_hold
    SET state = 'sold'
    WHERE region = $1::text::crdb_internal_region AND order_id = $2 AND state = 'held'
    RETURNING inventory_region, departs_from, flight, departs_on, cabin, seats
), kept AS (
    SELECT coalesce(keeper.region, sold.inventory_region::crdb_internal_region) AS region,
        sold.flight, sold.departs_on, sold.cabin, sold.seats
    FROM sold
    LEFT JOIN seat_keeper AS keeper ON keeper.country = sold.departs_from
)
UPDATE inventory
SET held = inventory.held - kept.seats, sold = inventory.sold + kept.seats
FROM kept
WHERE inventory.region = kept.region
    AND inventory.flight = kept.flight
    AND inventory.departs_on = kept.departs_on
    AND inventory.cabin = kept.cabin
