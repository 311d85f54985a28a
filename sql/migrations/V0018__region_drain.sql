-- region_drain: which regions take nobody new, and why. class: global
CREATE TABLE IF NOT EXISTS region_drain (
    region  TEXT NOT NULL,
    reason  TEXT NOT NULL,
    since   TIMESTAMPTZ NOT NULL DEFAULT now(),
    ends_at TIMESTAMPTZ,
    PRIMARY KEY (region)
) {locality};
