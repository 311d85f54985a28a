-- tombstone_put: whom no backup may bring back.
INSERT INTO tombstone (subject_hash) VALUES ($1) ON CONFLICT (subject_hash) DO NOTHING
