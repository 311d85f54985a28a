-- directory_home: where somebody logs in.
SELECT home::text AS home FROM login_directory WHERE subject_hash = $1
