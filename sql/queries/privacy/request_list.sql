-- request_list: what a traveller asked, the newest first.
SELECT id, traveller_id, kind, state, asked_by, receipt, downloads, created_at, answer_by, done_at
FROM privacy_request
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2
ORDER BY created_at DESC, id
LIMIT 100
