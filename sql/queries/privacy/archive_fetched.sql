-- archive_fetched: a link counts for one number; no row means it was used.
UPDATE privacy_request
SET downloads = downloads + 1
WHERE region = $1::text::crdb_internal_region
    AND traveller_id = $2 AND id = $3 AND kind = 'export' AND state = 'done' AND downloads = $4
