-- evidence: what happened, a chain a region; a record carries its forerunner's hash. class: regional
CREATE TABLE IF NOT EXISTS evidence (
    region crdb_internal_region NOT NULL,
    chain  TEXT NOT NULL,
    seq    INT8 NOT NULL,
    record TEXT NOT NULL,
    hash   BYTEA NOT NULL,
    at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (region, chain, seq),
    CONSTRAINT evidence_seq CHECK (seq >= 0)
) {locality};
