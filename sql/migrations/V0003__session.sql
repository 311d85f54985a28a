-- session: an open log-in; the token itself is stored nowhere. class: personal
CREATE TABLE IF NOT EXISTS session (
    region       crdb_internal_region NOT NULL,
    token_hash   BYTEA NOT NULL,
    traveller_id UUID NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (region, token_hash),
    CONSTRAINT session_traveller FOREIGN KEY (region, traveller_id)
        REFERENCES traveller (region, id) ON DELETE CASCADE ON UPDATE CASCADE
) {locality};
