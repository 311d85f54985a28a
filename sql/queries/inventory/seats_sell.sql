-- seats_sell: the airline confirmed; held seats become sold ones.
WITH sold AS (
    UPDATE seat_hold
    SET state = 'sold'
    WHERE region = $1::text::crdb_internal_region AND order_id = $2 AND state = 'held'
    RETURNING inventory_region, flight, departs_on, cabin, seats
)
UPDATE inventory
SET held = inventory.held - sold.seats, sold = inventory.sold + sold.seats
FROM sold
WHERE inventory.region = sold.inventory_region::crdb_internal_region
    AND inventory.flight = sold.flight
    AND inventory.departs_on = sold.departs_on
    AND inventory.cabin = sold.cabin
