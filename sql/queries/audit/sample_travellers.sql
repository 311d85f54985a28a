-- sample_travellers: some accounts of a region, from a random place on.
SELECT id
FROM traveller
WHERE region = $1::text::crdb_internal_region AND id >= $2
ORDER BY id
LIMIT $3
