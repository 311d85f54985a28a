-- seats_rehome: the seats of a country's flights go along with their keeper.
UPDATE inventory
SET region = $3::text::crdb_internal_region
WHERE region = $2::text::crdb_internal_region AND departs_from = $1
