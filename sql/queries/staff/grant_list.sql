-- grant_list: who of the house may look at a region.
SELECT id, role, label, expires_at
FROM staff_grant
WHERE region = $1::text::crdb_internal_region AND expires_at > now()
ORDER BY expires_at, id
