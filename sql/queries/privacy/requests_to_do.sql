-- requests_to_do: what a worker carries out, the oldest first.
SELECT id, traveller_id, kind, state, asked_by, receipt, downloads, created_at, answer_by, done_at
FROM privacy_request
WHERE region = $1::text::crdb_internal_region AND state IN ('open', 'waiting')
ORDER BY created_at, id
LIMIT 20
