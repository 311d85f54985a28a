-- traveller_hold: the same; nobody else changes it meanwhile.
SELECT
    subject_hash, data_key, residence_country, password_hash, restricted_at, profiling_refused_at,
    closed_at, erased_at
FROM traveller
WHERE region = $1::text::crdb_internal_region AND id = $2
FOR UPDATE
