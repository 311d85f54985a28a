-- keeper_move: from the next booking on, another region keeps the seats of a country.
UPDATE seat_keeper
SET region = $3::text::crdb_internal_region
WHERE country = $1 AND region = $2::text::crdb_internal_region
