-- consent: every consent given or taken back, with the words that were shown. class: personal
CREATE TABLE IF NOT EXISTS consent (
    region       crdb_internal_region NOT NULL,
    id           UUID NOT NULL,
    traveller_id UUID NOT NULL,
    purpose      TEXT NOT NULL,
    version      INT8 NOT NULL,
    text_hash    BYTEA NOT NULL,
    given        BOOL NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (region, id),
    CONSTRAINT consent_traveller FOREIGN KEY (region, traveller_id)
        REFERENCES traveller (region, id) ON DELETE CASCADE ON UPDATE CASCADE
) {locality};
