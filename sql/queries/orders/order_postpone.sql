-- order_postpone: nothing is to be written; let the order go and look again later, if ever.
UPDATE orders
SET attempts = attempts + $5::int8, owner = NULL, lease_until = NULL,
    due_at = now() + $4::int8 * interval '1 millisecond'
WHERE region = $1::text::crdb_internal_region AND id = $2 AND epoch = $3
RETURNING attempts
