-- endpoint_disable: the other side said that it is gone.
UPDATE webhook_endpoint
SET disabled_at = now(), disabled_why = $3
WHERE region = $1::text::crdb_internal_region AND id = $2 AND disabled_at IS NULL
