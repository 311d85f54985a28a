-- order_anonymise: forget who flew and under which numbers; what was paid stays for the books.
WITH forgotten AS (
    DELETE FROM order_passenger
    WHERE region = $1::text::crdb_internal_region AND order_id = $2
    RETURNING position
)
UPDATE orders
SET booking_reference = NULL, documents = NULL, payment_token = NULL, action_url = NULL,
    change = NULL, disruption = NULL
WHERE region = $1::text::crdb_internal_region AND id = $2
