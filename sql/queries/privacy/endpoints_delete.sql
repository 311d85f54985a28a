-- endpoints_delete: nothing is told anywhere any more; deliveries go with their endpoint.
DELETE FROM webhook_endpoint WHERE region = $1::text::crdb_internal_region AND traveller_id = $2
