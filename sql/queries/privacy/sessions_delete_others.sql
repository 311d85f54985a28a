-- sessions_delete_others: logged out everywhere else, as after a new password.
DELETE FROM session
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2 AND token_hash <> $3
