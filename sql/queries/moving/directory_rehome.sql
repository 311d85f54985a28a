-- directory_rehome: the next log-in is asked for in the new home.
UPDATE login_directory SET home = $2::text::crdb_internal_region WHERE subject_hash = $1
