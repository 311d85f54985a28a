-- release_claim: the first node says which schedule is on sale; the others are told.
INSERT INTO schedule_release (id, profile, seed, fingerprint)
VALUES (1, $1, $2, $3)
ON CONFLICT (id) DO UPDATE SET id = schedule_release.id
RETURNING profile, seed, fingerprint
