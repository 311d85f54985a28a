-- order_claim: take over what is due and held by nobody alive; the epoch, not the lock, excludes.
UPDATE orders
SET epoch = epoch + 1, owner = $2, lease_until = now() + $3::int8 * interval '1 millisecond'
WHERE region = $1::text::crdb_internal_region
    AND (region, id) IN (
        SELECT region, id
        FROM orders
        WHERE region = $1::text::crdb_internal_region
            AND due_at <= now()
            AND (lease_until IS NULL OR lease_until < now())
        ORDER BY due_at, id
        LIMIT $4
        FOR UPDATE SKIP LOCKED
    )
RETURNING id, epoch
