-- traveller: one person with an account. class: personal
CREATE TABLE IF NOT EXISTS traveller (
    region            crdb_internal_region NOT NULL,
    id                UUID NOT NULL,
    residence_country TEXT NOT NULL,
    subject_hash      BYTEA NOT NULL,
    email             BYTEA NOT NULL,
    password_hash     TEXT NOT NULL,
    data_key          BYTEA NOT NULL,
    created_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (region, id),
    CONSTRAINT traveller_subject UNIQUE (region, subject_hash)
) {locality};
