-- keys_delete: answers that nobody can ask for again.
DELETE FROM idempotency_key WHERE region = $1::text::crdb_internal_region AND traveller_id = $2
