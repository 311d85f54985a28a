-- privacy_request: what a traveller asked under the law, its clock and its receipt. class: personal
CREATE TABLE IF NOT EXISTS privacy_request (
    region       crdb_internal_region NOT NULL,
    id           UUID NOT NULL,
    traveller_id UUID NOT NULL,
    kind         TEXT NOT NULL,
    state        TEXT NOT NULL,
    asked_by     TEXT NOT NULL,
    receipt_hash BYTEA,
    receipt      JSONB,
    downloads    INT8 NOT NULL DEFAULT 0,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    answer_by    TIMESTAMPTZ NOT NULL,
    done_at      TIMESTAMPTZ,
    PRIMARY KEY (region, id),
    CONSTRAINT privacy_request_traveller FOREIGN KEY (region, traveller_id)
        REFERENCES traveller (region, id) ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT privacy_request_kind
        CHECK (kind IN ('export', 'erasure', 'rectification', 'restriction', 'objection')),
    CONSTRAINT privacy_request_state CHECK (state IN ('asked', 'open', 'waiting', 'done')),
    CONSTRAINT privacy_request_done CHECK ((done_at IS NOT NULL) = (state = 'done'))
) {locality};
