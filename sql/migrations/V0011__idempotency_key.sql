-- idempotency_key: a request that was answered, and the answer's bytes. class: personal
CREATE TABLE IF NOT EXISTS idempotency_key (
    region       crdb_internal_region NOT NULL,
    traveller_id UUID NOT NULL,
    key_hash     BYTEA NOT NULL,
    request_hash BYTEA NOT NULL,
    status       INT8 NOT NULL,
    location     TEXT NOT NULL,
    body         BYTEA NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (region, traveller_id, key_hash),
    CONSTRAINT idempotency_key_traveller FOREIGN KEY (region, traveller_id)
        REFERENCES traveller (region, id) ON DELETE CASCADE ON UPDATE CASCADE
) {locality};
