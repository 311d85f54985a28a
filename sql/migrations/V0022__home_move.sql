-- home_move: every move of a traveller from one home to another, kept in the present one. class: personal
CREATE TABLE IF NOT EXISTS home_move (
    region       crdb_internal_region NOT NULL,
    id           UUID NOT NULL,
    traveller_id UUID NOT NULL,
    from_region  TEXT NOT NULL,
    to_region    TEXT NOT NULL,
    reason       TEXT NOT NULL,
    orders       INT8 NOT NULL,
    sessions     INT8 NOT NULL,
    moved_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (region, id),
    CONSTRAINT home_move_traveller FOREIGN KEY (region, traveller_id)
        REFERENCES traveller (region, id) ON DELETE CASCADE ON UPDATE CASCADE
) {locality};
