-- session_purge: forget ended sessions, a batch at a time.
DELETE FROM session
WHERE region = $1::text::crdb_internal_region
    AND (region, token_hash) IN (
        SELECT region, token_hash
        FROM session
        WHERE region = $1::text::crdb_internal_region AND expires_at < now()
        ORDER BY expires_at
        LIMIT 500
    )
