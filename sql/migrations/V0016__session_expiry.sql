-- session_expiry: what the sweeper looks for.
CREATE INDEX IF NOT EXISTS session_expiry ON session (region, expires_at, token_hash);
