-- grant_delete: a role is taken away.
DELETE FROM staff_grant WHERE region = $1::text::crdb_internal_region AND id = $2
