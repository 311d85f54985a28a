-- tombstone: whom an old backup must not bring back; a keyed hash that names nobody. class: global
CREATE TABLE IF NOT EXISTS tombstone (
    subject_hash BYTEA NOT NULL,
    erased_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (subject_hash)
) {locality};
