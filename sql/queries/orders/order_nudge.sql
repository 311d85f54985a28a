-- order_nudge: somebody says that something happened; look at the order now, if nobody does already.
UPDATE orders
SET due_at = now()
WHERE region = $1::text::crdb_internal_region AND id = $2
    AND due_at > now() AND (lease_until IS NULL OR lease_until < now())
