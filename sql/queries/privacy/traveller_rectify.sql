-- traveller_rectify: what was wrong about an account is put right; what is not said stays.
UPDATE traveller
SET subject_hash = coalesce($3::bytea, subject_hash), email = coalesce($4::bytea, email),
    password_hash = coalesce($5::text, password_hash),
    residence_country = coalesce($6::text, residence_country)
WHERE region = $1::text::crdb_internal_region AND id = $2 AND closed_at IS NULL
