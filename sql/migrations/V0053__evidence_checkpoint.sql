-- evidence_checkpoint: how far a chain went, signed; every region keeps every region's. class: global
CREATE TABLE IF NOT EXISTS evidence_checkpoint (
    chain      TEXT NOT NULL,
    number     INT8 NOT NULL,
    records    INT8 NOT NULL,
    envelope   TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (chain, number)
) {locality};
