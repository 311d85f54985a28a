-- request_by_receipt: what became of an erasure, for whoever has its receipt's token.
SELECT id, traveller_id, kind, state, asked_by, receipt, downloads, created_at, answer_by, done_at
FROM privacy_request
WHERE region = $1::text::crdb_internal_region AND receipt_hash = $2
