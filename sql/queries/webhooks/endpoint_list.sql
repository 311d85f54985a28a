-- endpoint_list: a traveller's endpoints, oldest first.
SELECT id, url, events, created_at, disabled_at, disabled_why
FROM webhook_endpoint
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2
ORDER BY created_at, id
