-- privacy_archive: a traveller's own copy of their data, in parts, until it was fetched. class: personal
CREATE TABLE IF NOT EXISTS privacy_archive (
    region     crdb_internal_region NOT NULL,
    request_id UUID NOT NULL,
    part       INT8 NOT NULL,
    sealed     BYTEA NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (region, request_id, part),
    CONSTRAINT privacy_archive_request FOREIGN KEY (region, request_id)
        REFERENCES privacy_request (region, id) ON DELETE CASCADE ON UPDATE CASCADE
) {locality};
