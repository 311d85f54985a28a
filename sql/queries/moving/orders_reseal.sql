-- orders_reseal: payment tokens as the new home seals them.
UPDATE orders
SET payment_token = sealed.payment_token
FROM (SELECT unnest($2::uuid[]) AS id, unnest($3::bytea[]) AS payment_token) AS sealed
WHERE orders.region = $1::text::crdb_internal_region AND orders.id = sealed.id
