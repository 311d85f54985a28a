-- traveller_shred: without its data key nothing that was sealed for an account opens again.
UPDATE traveller
SET data_key = ''::bytea, erased_at = now(), closed_at = coalesce(closed_at, now()),
    subject_hash = $3, email = ''::bytea, password_hash = ''
WHERE region = $1::text::crdb_internal_region AND id = $2 AND erased_at IS NULL
