-- verdict_last: what the last look found, and when it was.
SELECT violations, body, taken_at
FROM locality_verdict
WHERE region = $1::text::crdb_internal_region
ORDER BY taken_at DESC, id
LIMIT 1
