-- seats_release: the seats in the given states, held or sold, are free again, once.
WITH was AS (
    SELECT region, order_id, position, state
    FROM seat_hold
    WHERE region = $1::text::crdb_internal_region AND order_id = $2
        AND state = ANY($3::text[]) AND state <> 'released'
    FOR UPDATE
), freed AS (
    UPDATE seat_hold
    SET state = 'released'
    FROM was
    WHERE seat_hold.region = was.region
        AND seat_hold.order_id = was.order_id
        AND seat_hold.position = was.position
    RETURNING was.state AS was, seat_hold.inventory_region, seat_hold.departs_from,
        seat_hold.flight, seat_hold.departs_on, seat_hold.cabin, seat_hold.seats
), kept AS (
    SELECT coalesce(keeper.region, freed.inventory_region::crdb_internal_region) AS region,
        freed.was, freed.flight, freed.departs_on, freed.cabin, freed.seats
    FROM freed
    LEFT JOIN seat_keeper AS keeper ON keeper.country = freed.departs_from
)
UPDATE inventory
SET held = inventory.held - CASE WHEN kept.was = 'held' THEN kept.seats ELSE 0 END,
    sold = inventory.sold - CASE WHEN kept.was = 'sold' THEN kept.seats ELSE 0 END
FROM kept
WHERE inventory.region = kept.region
    AND inventory.flight = kept.flight
    AND inventory.departs_on = kept.departs_on
    AND inventory.cabin = kept.cabin
