-- migration_lock: one migration at a time; neither engine's advisory locks serve both. class: global
CREATE TABLE IF NOT EXISTS migration_lock (
    id         INT8 NOT NULL,
    holder     TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT migration_lock_one CHECK (id = 1)
) {locality};
