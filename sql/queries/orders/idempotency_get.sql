-- idempotency_get: what was answered to this key.
SELECT request_hash, status, location, body
FROM idempotency_key
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2 AND key_hash = $3
