-- moved_session: where a session is now whose token names the home it was opened in. class: global
CREATE TABLE IF NOT EXISTS moved_session (
    token_hash BYTEA NOT NULL,
    home       crdb_internal_region NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (token_hash)
) {locality};
