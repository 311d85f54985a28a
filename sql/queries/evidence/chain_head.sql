-- chain_head: how far a region's chain went.
SELECT seq, hash
FROM evidence
WHERE region = $1::text::crdb_internal_region AND chain = $2
ORDER BY seq DESC
LIMIT 1
