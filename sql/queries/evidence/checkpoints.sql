-- checkpoints: every signed checkpoint of a chain, in order.
SELECT number, records, envelope, created_at
FROM evidence_checkpoint
WHERE chain = $1
ORDER BY number
