-- tombstones: whom no backup may bring back.
SELECT subject_hash FROM tombstone ORDER BY subject_hash
