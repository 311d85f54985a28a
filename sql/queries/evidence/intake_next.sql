-- intake_next: what happened and is not linked yet, the oldest first.
SELECT id, kind, subject, body, at
FROM evidence_intake
WHERE region = $1::text::crdb_internal_region
ORDER BY at, id
LIMIT 500
