-- orders_fence: nodes of the old home let go; a worker of the new home takes over what is due.
UPDATE orders
SET epoch = epoch + 1, owner = NULL, lease_until = NULL
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2
