-- traveller_by_subject: whose password to check at log-in.
SELECT id, password_hash, data_key
FROM traveller
WHERE region = $1::text::crdb_internal_region AND subject_hash = $2
