-- moved_session_get: where a session is that is not where its token says.
SELECT home::text AS home FROM moved_session WHERE token_hash = $1 AND expires_at > now()
