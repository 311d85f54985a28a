-- hashes_since: the records of a chain that no checkpoint has signed.
SELECT seq, hash
FROM evidence
WHERE region = $1::text::crdb_internal_region AND chain = $2 AND seq >= $3
ORDER BY seq
