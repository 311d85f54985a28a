-- schedule_release: which generated schedule is on sale, so that all nodes agree. class: global
CREATE TABLE IF NOT EXISTS schedule_release (
    id          INT8 NOT NULL,
    profile     TEXT NOT NULL,
    seed        INT8 NOT NULL,
    fingerprint INT8 NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT schedule_release_one CHECK (id = 1)
) {locality};
