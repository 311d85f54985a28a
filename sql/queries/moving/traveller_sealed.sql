-- traveller_sealed: what a traveller's move must open; nobody else moves them meanwhile.
SELECT subject_hash, email, data_key
FROM traveller
WHERE region = $1::text::crdb_internal_region AND id = $2
FOR UPDATE
