-- sessions_rehome: open sessions go along; their tokens still name the home they were opened in.
WITH opened AS (
    SELECT token_hash, region, expires_at
    FROM session
    WHERE region = $1::text::crdb_internal_region AND traveller_id = $2 AND expires_at > now()
)
INSERT INTO moved_session (token_hash, home, expires_at)
SELECT opened.token_hash, opened.region, opened.expires_at
FROM opened
ON CONFLICT (token_hash) DO UPDATE SET home = excluded.home
