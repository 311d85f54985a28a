-- endpoint_delete: nothing is told there any more; what was on its way goes with it.
DELETE FROM webhook_endpoint
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2 AND id = $3
