-- order_present: who holds an order and how far it is; only a test without a fence asks.
SELECT epoch, version
FROM orders
WHERE region = $1::text::crdb_internal_region AND id = $2
