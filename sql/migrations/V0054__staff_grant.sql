-- staff_grant: who of the house may look at what, in which regions, until when. class: regional
CREATE TABLE IF NOT EXISTS staff_grant (
    region     crdb_internal_region NOT NULL,
    token_hash BYTEA NOT NULL,
    id         UUID NOT NULL,
    role       TEXT NOT NULL,
    label      TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (region, token_hash),
    CONSTRAINT staff_grant_role CHECK (role IN ('compliance', 'operations'))
) {locality};
