-- seats_hold: all seats of a journey or, by a missing row, none; a flight's row is made on first touch.
INSERT INTO inventory
    (region, flight, departs_on, cabin, departs_from, capacity, held, sold, oversell)
SELECT keeper.region, wanted.flight, wanted.departs_on, $5::text, wanted.departs_from,
    wanted.capacity + floor((wanted.capacity * coalesce(lim.percent, 0))::numeric / 100)::int8,
    $6::int8, 0, floor((wanted.capacity * coalesce(lim.percent, 0))::numeric / 100)::int8
FROM (
    SELECT unnest($1::text[]) AS departs_from, unnest($2::text[]) AS flight,
        unnest($3::date[]) AS departs_on, unnest($4::int8[]) AS capacity
) AS wanted
JOIN seat_keeper AS keeper ON keeper.country = wanted.departs_from
LEFT JOIN oversell_limit AS lim ON lim.flight = wanted.flight
WHERE wanted.capacity >= $6::int8
ORDER BY keeper.region, wanted.flight, wanted.departs_on
ON CONFLICT (region, flight, departs_on, cabin) DO UPDATE
SET held = inventory.held + excluded.held
WHERE inventory.held + inventory.sold + excluded.held <= inventory.capacity
RETURNING flight
