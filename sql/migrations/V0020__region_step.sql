-- region_step: steps of a plan that were begun, so that it can go on. class: global
CREATE TABLE IF NOT EXISTS region_step (
    plan     TEXT NOT NULL,
    number   INT8 NOT NULL,
    title    TEXT NOT NULL,
    began_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    ended_at TIMESTAMPTZ,
    PRIMARY KEY (plan, number)
) {locality};
