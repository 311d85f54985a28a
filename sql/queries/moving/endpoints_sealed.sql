-- endpoints_sealed: webhook addresses and secrets that a traveller's move must open.
SELECT id, url, secret, old_secret
FROM webhook_endpoint
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2
ORDER BY id
