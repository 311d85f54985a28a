-- relay_lease: which node relays what; one does at a time, under an epoch. class: regional
CREATE TABLE IF NOT EXISTS relay_lease (
    region      crdb_internal_region NOT NULL,
    relay       TEXT NOT NULL,
    owner       TEXT NOT NULL,
    epoch       INT8 NOT NULL,
    lease_until TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (region, relay)
) {locality};
