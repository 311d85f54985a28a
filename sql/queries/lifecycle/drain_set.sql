-- drain_set: a region takes nobody new from now on; said again, it is the new word that counts.
INSERT INTO region_drain (region, reason, ends_at)
VALUES ($1, $2, $3)
ON CONFLICT (region) DO UPDATE SET reason = excluded.reason, ends_at = excluded.ends_at
RETURNING since
