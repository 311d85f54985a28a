-- checkpoint_last: how far a chain was signed.
SELECT number, records, envelope, created_at > now() - $2::int8 * interval '1 second' AS fresh
FROM evidence_checkpoint
WHERE chain = $1
ORDER BY number DESC
LIMIT 1
