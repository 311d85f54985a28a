-- session_insert: an open log-in, for as long as asked; a second run finds its own first.
INSERT INTO session (region, token_hash, traveller_id, expires_at)
VALUES ($1::text::crdb_internal_region, $2, $3, now() + $4::int8 * interval '1 second')
ON CONFLICT (region, token_hash) DO UPDATE SET token_hash = excluded.token_hash
RETURNING expires_at
