-- orders_strip: tokens go at once; the driver forgets the rest of an order as soon as it is over.
UPDATE orders
SET payment_token = NULL, action_url = NULL,
    due_at = CASE WHEN state = ANY($3::text[]) THEN now() ELSE due_at END
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2
