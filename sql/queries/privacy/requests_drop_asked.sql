-- requests_drop_asked: an erasure that was asked for and not confirmed is asked for anew.
DELETE FROM privacy_request
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2 AND state = 'asked'
