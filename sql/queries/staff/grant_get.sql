-- grant_get: who of the house asks.
SELECT id, role, label, expires_at
FROM staff_grant
WHERE region = $1::text::crdb_internal_region AND token_hash = $2 AND expires_at > now()
