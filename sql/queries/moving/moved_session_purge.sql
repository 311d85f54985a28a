-- moved_session_purge: forget where ended sessions went, a batch at a time.
DELETE FROM moved_session
WHERE token_hash IN (SELECT token_hash FROM moved_session WHERE expires_at < now() LIMIT 500)
