-- lock_take: become the one that migrates, unless somebody alive is at it.
INSERT INTO migration_lock (id, holder, expires_at)
VALUES (1, $1, now() + interval '10 minutes')
ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE migration_lock.expires_at < now() OR migration_lock.holder = excluded.holder
RETURNING holder
