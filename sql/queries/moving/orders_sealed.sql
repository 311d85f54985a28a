-- orders_sealed: payment tokens that a traveller's move must open.
SELECT id, payment_token
FROM orders
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2 AND payment_token IS NOT NULL
ORDER BY id
