-- traveller_close: an account that is to be erased opens nothing and is found by nothing.
UPDATE traveller
SET closed_at = now(), subject_hash = $3, email = ''::bytea, password_hash = ''
WHERE region = $1::text::crdb_internal_region AND id = $2 AND closed_at IS NULL
