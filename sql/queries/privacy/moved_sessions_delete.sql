-- moved_sessions_delete: the ways of a traveller's old tokens.
DELETE FROM moved_session
WHERE token_hash IN (
    SELECT s.token_hash
    FROM session AS s
    WHERE s.region = $1::text::crdb_internal_region AND s.traveller_id = $2
)
