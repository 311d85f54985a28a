-- lock_drop: let others migrate.
DELETE FROM migration_lock WHERE id = 1 AND holder = $1
