-- endpoint_rotate: a new secret; the old one signs along for a day. Again is the same.
UPDATE webhook_endpoint
SET old_secret = CASE WHEN secret = $4 THEN old_secret ELSE secret END,
    old_secret_until = CASE
        WHEN secret = $4 THEN old_secret_until
        ELSE now() + $5::int8 * interval '1 second'
    END,
    secret = $4
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2 AND id = $3
RETURNING id, url, events, created_at, disabled_at, disabled_why, old_secret, old_secret_until
