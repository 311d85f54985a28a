-- evidence_intake: what happened, until it is linked into its region's chain. class: regional
CREATE TABLE IF NOT EXISTS evidence_intake (
    region  crdb_internal_region NOT NULL,
    id      UUID NOT NULL,
    kind    TEXT NOT NULL,
    subject TEXT,
    body    JSONB NOT NULL,
    at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (region, id)
) {locality};
