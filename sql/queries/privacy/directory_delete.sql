-- directory_delete: an address leads nowhere any more.
DELETE FROM login_directory WHERE subject_hash = $1
