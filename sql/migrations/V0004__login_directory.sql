-- login_directory: from a keyed hash to the home region, and nothing else. class: global
CREATE TABLE IF NOT EXISTS login_directory (
    subject_hash BYTEA NOT NULL,
    home         crdb_internal_region NOT NULL,
    PRIMARY KEY (subject_hash)
) {locality};
