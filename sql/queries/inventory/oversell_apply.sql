-- oversell_apply: the same for dates that were touched before; what is sold already stays sold.
UPDATE inventory
SET capacity = fair.capacity, oversell = fair.capacity - fair.seats
FROM (
    SELECT region, flight, departs_on, cabin, capacity - oversell AS seats,
        greatest(
            capacity - oversell + floor(((capacity - oversell) * $2::int8)::numeric / 100)::int8,
            held + sold
        ) AS capacity
    FROM inventory
    WHERE flight = $1
) AS fair
WHERE inventory.region = fair.region
    AND inventory.flight = fair.flight
    AND inventory.departs_on = fair.departs_on
    AND inventory.cabin = fair.cabin
