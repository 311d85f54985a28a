-- session_delete: log out.
DELETE FROM session WHERE region = $1::text::crdb_internal_region AND token_hash = $2
