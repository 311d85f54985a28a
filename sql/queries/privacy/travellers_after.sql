-- travellers_after: the accounts of a region that hold anything, a page at a time.
SELECT id, closed_at
FROM traveller
WHERE region = $1::text::crdb_internal_region AND id > $2 AND erased_at IS NULL
ORDER BY id
LIMIT 1000
