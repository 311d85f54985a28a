-- archive_put: a part of a traveller's copy, sealed under their key, for a week.
INSERT INTO privacy_archive (region, request_id, part, sealed, expires_at)
VALUES ($1::text::crdb_internal_region, $2, $3, $4, now() + interval '7 days')
ON CONFLICT (region, request_id, part) DO UPDATE
SET sealed = excluded.sealed, expires_at = excluded.expires_at
