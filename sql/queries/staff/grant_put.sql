-- grant_put: somebody of the house may look at what a role needs, for a while.
INSERT INTO staff_grant (region, token_hash, id, role, label, expires_at)
VALUES ($1::text::crdb_internal_region, $2, $3, $4, $5, now() + $6::int8 * interval '1 second')
ON CONFLICT (region, token_hash) DO NOTHING
