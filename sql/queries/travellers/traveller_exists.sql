-- traveller_exists: whether a sign-up whose COMMIT was not answered had been carried out.
SELECT id FROM traveller WHERE region = $1::text::crdb_internal_region AND id = $2
