-- seats_left: what is left on a few flights; a flight without a row is untouched.
SELECT wanted.flight, wanted.departs_on, inventory.capacity - inventory.held - inventory.sold AS seats
FROM (
    SELECT unnest($1::text[]) AS departs_from, unnest($2::text[]) AS flight,
        unnest($3::date[]) AS departs_on
) AS wanted
JOIN seat_keeper AS keeper ON keeper.country = wanted.departs_from
JOIN inventory
    ON inventory.region = keeper.region
    AND inventory.flight = wanted.flight
    AND inventory.departs_on = wanted.departs_on
    AND inventory.cabin = $4::text
