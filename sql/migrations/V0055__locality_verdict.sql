-- locality_verdict: what the last looks at the places of a region's rows found. class: regional
CREATE TABLE IF NOT EXISTS locality_verdict (
    region     crdb_internal_region NOT NULL,
    id         UUID NOT NULL,
    violations INT8 NOT NULL,
    body       JSONB NOT NULL,
    taken_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (region, id)
) {locality};
