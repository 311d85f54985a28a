-- traveller_get: an account as its rights see it.
SELECT
    subject_hash, data_key, residence_country, password_hash, restricted_at, profiling_refused_at,
    closed_at, erased_at
FROM traveller
WHERE region = $1::text::crdb_internal_region AND id = $2
