-- idempotency_key_body_until: what the sweeper looks for when it lets the bytes of old answers go.
CREATE INDEX IF NOT EXISTS idempotency_key_body_until
    ON idempotency_key (region, body_until, traveller_id, key_hash);
