-- region_life: where each region is in its life, as far as steps were taken. class: global
CREATE TABLE IF NOT EXISTS region_life (
    region     TEXT NOT NULL,
    state      TEXT NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (region)
) {locality};
