-- sessions_delete: everywhere logged out.
DELETE FROM session WHERE region = $1::text::crdb_internal_region AND traveller_id = $2
