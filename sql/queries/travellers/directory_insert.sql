-- directory_insert: claim an address once in the whole world; no row means it is taken.
INSERT INTO login_directory (subject_hash, home)
VALUES ($1, $2::text::crdb_internal_region)
ON CONFLICT (subject_hash) DO NOTHING
RETURNING home::text AS home
