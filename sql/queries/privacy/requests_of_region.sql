-- requests_of_region: a region's requests and their clocks, those that wait longest first.
SELECT id, traveller_id, kind, state, asked_by, receipt, downloads, created_at, answer_by, done_at
FROM privacy_request
WHERE region = $1::text::crdb_internal_region
ORDER BY (state = 'done'), created_at DESC, id
LIMIT 200
