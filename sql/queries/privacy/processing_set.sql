-- processing_set: restrict, object, or take it back; what is not said stays.
UPDATE traveller
SET restricted_at = CASE
        WHEN $3::bool IS NULL THEN restricted_at
        WHEN $3::bool THEN coalesce(restricted_at, now())
    END,
    profiling_refused_at = CASE
        WHEN $4::bool IS NULL THEN profiling_refused_at
        WHEN $4::bool THEN coalesce(profiling_refused_at, now())
    END
WHERE region = $1::text::crdb_internal_region AND id = $2 AND closed_at IS NULL
