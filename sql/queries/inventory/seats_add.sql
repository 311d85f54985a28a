-- seats_add: an order's further seats, behind those it has; they are held until its change is done.
INSERT INTO seat_hold
    (region, order_id, position, departs_from, flight, departs_on, cabin, seats, state)
SELECT
    $1::text::crdb_internal_region, $2::uuid, had.position + wanted.position, wanted.departs_from,
    wanted.flight, wanted.departs_on, $7::text, $8::int8, 'held'
FROM (
    SELECT coalesce(max(position), 0) AS position
    FROM seat_hold
    WHERE region = $1::text::crdb_internal_region AND order_id = $2::uuid
) AS had, (
    SELECT unnest($3::int8[]) AS position, unnest($4::text[]) AS departs_from,
        unnest($5::text[]) AS flight, unnest($6::date[]) AS departs_on
) AS wanted
