-- order_postpone: nothing is known yet; let the order go and look again later.
UPDATE orders
SET attempts = attempts + 1, owner = NULL, lease_until = NULL,
    due_at = now() + $4::int8 * interval '1 millisecond'
WHERE region = $1::text::crdb_internal_region AND id = $2 AND epoch = $3
RETURNING attempts
