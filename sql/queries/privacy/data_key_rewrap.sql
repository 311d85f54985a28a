-- data_key_rewrap: the same data key under another key of the region, unless it is another by now.
UPDATE traveller
SET data_key = $4
WHERE region = $1::text::crdb_internal_region AND id = $2 AND data_key = $3
