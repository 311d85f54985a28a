-- requests_reopen: copies are made anew in a new home; what was sealed in the old one is gone.
UPDATE privacy_request
SET state = 'open', receipt = NULL, done_at = NULL
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2 AND kind = 'export'
    AND id IN (
        SELECT a.request_id
        FROM privacy_archive AS a
        WHERE a.region = $1::text::crdb_internal_region AND a.expires_at > now()
    )
