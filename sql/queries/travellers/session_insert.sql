-- session_insert: an open log-in, for as long as asked.
INSERT INTO session (region, token_hash, traveller_id, expires_at)
VALUES ($1::text::crdb_internal_region, $2, $3, now() + $4::int8 * interval '1 second')
RETURNING expires_at
