-- webhook_endpoint: where a traveller wants to be told; address and secrets sealed. class: personal
CREATE TABLE IF NOT EXISTS webhook_endpoint (
    region           crdb_internal_region NOT NULL,
    id               UUID NOT NULL,
    traveller_id     UUID NOT NULL,
    url              BYTEA NOT NULL,
    secret           BYTEA NOT NULL,
    old_secret       BYTEA,
    old_secret_until TIMESTAMPTZ,
    lane             INT8 NOT NULL,
    events           TEXT[],
    created_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
    disabled_at      TIMESTAMPTZ,
    disabled_why     TEXT,
    PRIMARY KEY (region, id),
    CONSTRAINT webhook_endpoint_traveller FOREIGN KEY (region, traveller_id)
        REFERENCES traveller (region, id) ON DELETE CASCADE ON UPDATE CASCADE
) {locality};
